"""Every way to fail is a problem document, or a page for people, and never a stack trace."""

from collections.abc import Iterator
from http import HTTPStatus
from uuid import uuid4

import pytest
from flask import Flask

from core import errors
from core.errors import FaceSearchError
from core.services import Services
from web import problems


def every_error(kind: type[FaceSearchError] = FaceSearchError) -> Iterator[type[FaceSearchError]]:
    if kind.__module__ == errors.__name__:  # not the failures of the command line alone
        yield kind
    for below in kind.__subclasses__():
        yield from every_error(below)


def test_every_expected_failure_has_exactly_one_status() -> None:
    assert set(every_error()) == set(problems.STATUS)


def test_no_two_kinds_of_problem_share_a_code() -> None:
    codes = [kind.code for kind in problems.kinds()]

    assert len(codes) == len(set(codes))


def test_what_may_succeed_later_has_a_status_that_says_so() -> None:
    for error, status in problems.STATUS.items():
        if error.retryable and error not in (
            errors.NotReady,
            errors.IdempotencyInProgress,
            errors.UploadBusy,
            errors.BacklogFull,
            errors.DiskFull,
        ):
            assert status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY), error


def test_an_unknown_address_is_not_found(client, problem) -> None:
    problem(client.get("/v1/nothing"), 404, "not_found")


@pytest.mark.parametrize("noun", ["collections", "images", "faces", "people", "jobs", "imports"])
def test_an_id_that_is_none_is_not_found(client, problem, noun: str) -> None:
    problem(client.get(f"/v1/{noun}/not-an-id"), 404, "not_found")


@pytest.mark.parametrize(
    ("noun", "code"),
    [
        ("collections", "collection_not_found"),
        ("images", "image_not_found"),
        ("faces", "face_not_found"),
        ("people", "person_not_found"),
        ("jobs", "job_not_found"),
    ],
)
def test_an_unknown_id_is_named_in_the_problem(client, problem, noun: str, code: str) -> None:
    unknown = str(uuid4())

    document = problem(client.get(f"/v1/{noun}/{unknown}"), 404, code)

    assert unknown in document["detail"]
    assert unknown in document["details"].values()
    assert document["instance"] == f"/v1/{noun}/{unknown}"


def test_a_wrong_method_is_told_the_right_ones(client, problem) -> None:
    response = client.request("PUT", "/v1/collections")

    problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


def test_a_mistake_of_ours_is_logged_under_the_request_id_and_tells_nothing(
    app: Flask, client, problem, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a secret")

    app.view_functions["system.limits"] = broken

    response = client.get("/v1/limits", headers={"X-Request-Id": "mine-7"})

    document = problem(response, 500, "internal_error")
    assert document["request_id"] == "mine-7"
    assert "secret" not in response.text
    assert "mine-7" in caplog.text
    assert "ZeroDivisionError: a secret" in caplog.text


def test_without_the_database_everything_says_so(services: Services, client, problem) -> None:
    services.pool.close()

    response = client.get("/v1/collections")

    assert problem(response, 503, "database_unavailable")["retryable"] is True
    assert int(response.headers["Retry-After"]) > 0


def test_a_full_disk_is_no_fault_of_the_request(services: Services, app: Flask, client, problem):
    def full() -> None:
        raise errors.DiskFull("Less than 512 MiB of disk would be left.")

    app.view_functions["system.limits"] = full

    assert problem(client.get("/v1/limits"), 507, "disk_full")["retryable"] is True


def test_people_get_a_page_instead(client) -> None:
    response = client.get("/nothing")

    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "not_found" in response.text


def test_every_problem_has_a_help_page(client) -> None:
    overview = client.get("/problems").text

    for kind in problems.kinds():
        response = client.get(f"/problems/{kind.code}")
        assert response.status_code == 200
        assert kind.title in response.text
        assert f"/problems/{kind.code}" in overview


def test_an_unknown_problem_has_none(client) -> None:
    assert client.get("/problems/none_such").status_code == 404


@pytest.mark.parametrize("given", ["", "with space", "x" * 65, 'quote"', "<b>"])
def test_a_strange_request_id_is_replaced(client, given: str) -> None:
    response = client.get("/v1/limits", headers={"X-Request-Id": given})

    assert response.headers["X-Request-Id"].startswith("req_")
