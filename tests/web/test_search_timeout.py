"""A search that takes too long, and a database that is too busy, are failures that may pass."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from werkzeug.test import TestResponse

from core.services import Services

Client = Any  # tests/web/conftest.py
Problem = Callable[[TestResponse, int, str], dict[str, Any]]


@pytest.fixture
def queries(client: Client, crowd: str, embedding_of: Any) -> dict[str, dict[str, Any]]:
    """One of each way to search without a photo."""
    people = client.get(f"/v1/collections/{crowd}/people").json["items"]
    faces = [each["id"] for each in client.get(f"/v1/collections/{crowd}/faces").json["items"]]
    space = client.get(f"/v1/collections/{crowd}").json["space_id"]
    vector = embedding_of(10, 0).tolist()
    return {
        "face": {"face_id": faces[0]},
        "person": {"person_id": people[0]["id"]},
        "faces of a person": {"person_id": people[0]["id"], "use": "faces"},
        "vector": {"vector": vector, "space_id": space},
        "several, mean": {"face_ids": faces[:2]},
        "several, nearest": {"face_ids": faces[:2], "fuse": "max"},
    }


KINDS = ("face", "person", "faces of a person", "vector", "several, mean", "several, nearest")


def timed_out(problem: Problem, response: TestResponse) -> None:
    found = problem(response, 503, "search_timeout")
    assert found["retryable"] is True
    assert found["detail"] == "The search took longer than 0.5 s."
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_search_that_takes_too_long_is_stopped(
    client: Client, crowd: str, queries: Any, slow: Any, problem: Problem, kind: str
) -> None:
    body = {"query": queries[kind]}
    assert client.post(f"/v1/collections/{crowd}/search", json=body).status_code == 200

    slow()

    timed_out(problem, client.post(f"/v1/collections/{crowd}/search", json=body))
    everywhere = client.post("/v1/search", json={**body, "collections": [crowd]})
    timed_out(problem, everywhere)


def test_a_search_with_an_explanation_that_takes_too_long_is_stopped(
    client: Client, crowd: str, queries: Any, slow: Any, problem: Problem
) -> None:
    slow()

    body = {"query": queries["face"], "explain": True}

    timed_out(problem, client.post(f"/v1/collections/{crowd}/search", json=body))


def test_a_search_for_people_together_that_takes_too_long_is_stopped(
    client: Client, crowd: str, queries: Any, slow: Any, problem: Problem
) -> None:
    slow()

    body = {"all_of": [queries["person"]], "none_of": [queries["face"]]}

    timed_out(problem, client.post(f"/v1/collections/{crowd}/images/search", json=body))


def test_a_search_by_photo_that_takes_too_long_is_stopped(
    client: Client, crowd: str, slow: Any, problem: Problem, picture: Any
) -> None:
    slow()

    timed_out(problem, client.search(crowd, picture((10, 0))))


def test_a_pool_without_a_free_connection_is_a_failure_that_passes(
    services: Services, client: Client, problem: Problem
) -> None:
    services.pool.timeout = 0.2
    with ExitStack() as held:
        for _ in range(services.pool.max_size):
            held.enter_context(services.pool.connection())

        response = client.get("/v1/collections")

    found = problem(response, 503, "database_unavailable")
    assert found["detail"] == "Too many requests use the database now."
    assert found["retryable"] is True
    assert "Retry-After" in response.headers
    assert client.get("/v1/collections").status_code == 200


def test_a_lock_that_somebody_holds_too_long_is_a_failure_that_passes(
    services: Services, client: Client, problem: Problem
) -> None:
    home = client.collection()["id"]
    with ExitStack() as held:
        for _ in range(services.pool.max_size):
            held.enter_context(services.pool.connection()).execute("SET lock_timeout = '200ms'")
    with psycopg.connect(services.settings.database_url) as other:
        other.execute("SELECT 1 FROM collections FOR UPDATE")

        response = client.request("PATCH", f"/v1/collections/{home}", json={"name": "new"})

    found = problem(response, 503, "database_unavailable")
    assert found["retryable"] is True
    assert (
        client.request("PATCH", f"/v1/collections/{home}", json={"name": "new"}).status_code == 200
    )
