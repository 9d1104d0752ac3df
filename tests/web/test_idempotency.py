"""A POST of the API that is sent again with its key is answered again, and done once."""

import io
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from flask import Flask, Response, request
from werkzeug.test import TestResponse

from core import access
from core.db.pool import Pool
from core.services import Services
from core.settings import MIB
from web import api
from web.api.openapi import PATH_PART
from web.services import EXTENSION

NOWHERE = "01a20cb7-189f-74ac-9927-7f7cea50a24d"
POSTS = [each for each in api.operations() if each.method == "POST"]
SINK = "/v1/test/sink"
KEY = {"Idempotency-Key": "k-1"}
IN_PROGRESS = "idempotency_in_progress"
MISMATCH = "idempotency_mismatch"


def is_replay(response: TestResponse) -> bool:
    return response.headers.get("Idempotency-Replayed") == "true"


class Sink:
    """A view that answers as it is told and counts how often it was asked.

    Attributes:
        answer: Makes the next answers.
        reads: It reads the body, however large.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.reads = True
        self.answer: Callable[[], Response] = lambda: Response("done", 201)

    def __call__(self) -> Response:
        self.calls += 1
        request.max_content_length = 2**40
        while self.reads and request.stream.read(2**16):
            pass
        return self.answer()


@pytest.fixture
def sink(app: Flask) -> Sink:
    view = Sink()
    app.add_url_rule(SINK, "sink", view, methods=["POST"])
    return view


@pytest.fixture
def counts(app: Flask) -> Callable[[str], list[int]]:
    """Count the calls of an endpoint."""

    def count(endpoint: str) -> list[int]:
        view, calls = app.view_functions[endpoint], [0]

        def counted(**given: Any) -> Any:
            calls[0] += 1
            return view(**given)

        app.view_functions[endpoint] = counted
        return calls

    return count


def body_of(stream: io.IOBase, length: int | None, *, ends: bool = True) -> dict[str, Any]:
    """Send a body that cannot be measured, as gunicorn says it; None: in chunks."""
    announced: dict[str, Any] = {"wsgi.input_terminated": True} if ends else {}
    if length is None:
        announced["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        announced["CONTENT_LENGTH"] = str(length)
    return {"environ_overrides": {"wsgi.input": stream, **announced}}


class Generated(io.RawIOBase):
    """A long body that nobody holds."""

    def __init__(self, size: int, byte: bytes = b"a") -> None:
        self._left = size
        self._byte = byte

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._left)
        buffer[:size] = self._byte * size
        self._left -= size
        return size


# --- what is repeated ----------------------------------------------------------------------------


def test_the_answer_comes_again_with_its_headers_and_nothing_is_done(client, counts) -> None:
    calls = counts("collections.create_collection")
    first = client.post("/v1/collections", json={"name": "a"}, headers=KEY)

    second = client.post("/v1/collections", json={"name": "a"}, headers=KEY)

    assert (first.status_code, is_replay(first)) == (201, False)
    assert (second.status_code, is_replay(second)) == (201, True)
    assert second.data == first.data
    assert second.mimetype == "application/json"
    assert second.headers["X-Request-Id"] not in ("", first.headers["X-Request-Id"])
    assert calls == [1]
    assert len(client.get("/v1/collections").json["items"]) == 1


@pytest.mark.parametrize("operation", POSTS, ids=lambda operation: operation.id)
def test_every_post_of_the_api_is_done_once(client, counts, operation) -> None:
    calls = counts(f"{operation.tag}.{operation.id}")
    path = PATH_PART.sub(NOWHERE, operation.rule)

    first, second = (client.post(path, json={}, headers=KEY) for _ in range(2))

    assert calls == [1], first.text
    assert not is_replay(first)
    assert is_replay(second)
    assert (second.status_code, second.data) == (first.status_code, first.data)
    assert second.mimetype == first.mimetype


def test_no_post_of_the_api_is_missed(app: Flask) -> None:
    served = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1") and "POST" in (rule.methods or set())
    }

    assert served == {operation.rule for operation in POSTS}


def test_headers_of_an_upload_come_again(client, team: str, picture) -> None:
    def send() -> TestResponse:
        return client.post(
            f"/v1/collections/{team}/images",
            data={"photos": [(BytesIO(picture((10, 0))), "x.png")]},
            headers={**KEY, "Prefer": "wait=5"},
        )

    first, second = send(), send()

    assert first.status_code == second.status_code == 201
    assert is_replay(second)
    for name in ("Location", "Preference-Applied", "Content-Type", "Content-Length"):
        assert second.headers[name] == first.headers[name]
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 1


def test_timings_of_the_first_answer_are_not_those_of_the_second(
    client, crowd: str, picture
) -> None:
    def send() -> TestResponse:
        data = {"photo": (BytesIO(picture((10, 0))), "query.png")}
        return client.post(f"/v1/collections/{crowd}/search", data=data, headers=KEY)

    first, second = send(), send()

    assert "Server-Timing" in first.headers
    assert is_replay(second)
    assert second.data == first.data
    assert "Server-Timing" not in second.headers


def test_the_same_form_with_a_new_boundary_is_the_same_request(client, team: str, picture) -> None:
    path = f"/v1/collections/{team}/images"
    photo, other = picture((10, 0)), picture((20, 0))

    def send(boundary: str, photo: bytes) -> TestResponse:
        head = 'Content-Disposition: form-data; name="photos"; filename="x.png"\r\n\r\n'
        data = f"--{boundary}\r\n{head}".encode() + photo + f"\r\n--{boundary}--\r\n".encode()
        content_type = f"multipart/form-data; boundary={boundary}"
        return client.post(path, data=data, content_type=content_type, headers=KEY)

    first = send("3a2f" * 8, photo)
    second = send("------------------------b7Q1", photo)
    third = send("c0de" * 8, other)

    assert first.status_code == 202, first.text
    assert is_replay(second)
    assert second.data == first.data
    assert (third.status_code, third.json["code"]) == (409, MISMATCH)


def test_a_chunked_body_is_the_same_request_too(client, sink: Sink) -> None:
    def send(body: bytes) -> TestResponse:
        return client.post(SINK, headers=KEY, **body_of(BytesIO(body), None))

    assert send(b"x" * 200_000).status_code == 201
    assert is_replay(send(b"x" * 200_000))
    assert is_replay(client.post(SINK, data=b"x" * 200_000, headers=KEY))
    assert send(b"x" * 199_999).json["code"] == MISMATCH
    assert send(b"x" * 200_001).json["code"] == MISMATCH
    assert sink.calls == 1


def test_an_empty_body_has_a_key_too(client, sink: Sink) -> None:
    assert client.post(SINK, headers=KEY).status_code == 201

    assert is_replay(client.post(SINK, headers=KEY))
    assert client.post(SINK, data=b"x", headers=KEY).json["code"] == MISMATCH


def test_an_answer_without_a_body_comes_again_without_one(client, sink: Sink) -> None:
    def nothing() -> Response:
        response = Response(status=204)
        del response.headers["Content-Type"]
        return response

    sink.answer = nothing
    client.post(SINK, headers=KEY)

    again = client.post(SINK, headers=KEY)

    assert (again.status_code, again.data, is_replay(again)) == (204, b"", True)
    assert "Content-Type" not in again.headers


def test_without_a_key_nothing_is_kept(client, sink: Sink) -> None:
    for _ in range(2):
        assert not is_replay(client.post(SINK))

    assert sink.calls == 2


def test_two_requesters_do_not_meet_under_one_key(
    app: Flask, services: Services, client, sink: Sink
) -> None:
    with services.pool.connection() as conn:
        second = access.create_key(conn, "second")
        token = access.create_login_token(conn, minutes=5)
    browser = app.test_client()
    browser.get(f"/login?token={token}")

    client.post(SINK, data=b"1", headers=KEY)
    theirs = app.test_client().post(
        SINK, data=b"2", headers={**KEY, "Authorization": f"Bearer {second}"}
    )
    session = browser.post(SINK, data=b"3", headers={**KEY, "Sec-Fetch-Site": "same-origin"})

    assert [theirs.status_code, session.status_code] == [201, 201]
    assert not is_replay(theirs)
    assert not is_replay(session)
    assert sink.calls == 3


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/v1/collections?x=1", b"{}", "text/plain"),
        (f"/v1/people/{NOWHERE}/faces", b"{}", "text/plain"),
        (SINK + "?x=2", b"{}", "text/plain"),
        (SINK, b"{}", "application/json"),
        (SINK, b"{}", "text/plain; charset=latin-1"),
        (SINK, b"[]", "text/plain"),
        (SINK, b"", "text/plain"),
        (SINK, b"{} ", "text/plain"),
    ],
)
def test_another_request_with_the_same_key_is_refused(
    client, problem, sink: Sink, path: str, body: bytes, content_type: str
) -> None:
    client.post(SINK, data=b"{}", content_type="text/plain", headers=KEY)

    other = client.post(path, data=body, content_type=content_type, headers=KEY)

    assert problem(other, 409, MISMATCH)["retryable"] is False
    assert "Retry-After" not in other.headers
    assert sink.calls == 1


@pytest.mark.parametrize("given", ["", " ", "x" * 65, "a\tb", "clé"])
def test_a_bad_key_is_refused_before_anything_is_done(
    client, problem, sink: Sink, given: str
) -> None:
    response = client.post(SINK, headers={"Idempotency-Key": given})

    found = problem(response, 400, "invalid_request")
    assert "1 to 64 characters" in found["detail"]
    assert found["details"]["errors"][0]["field"] == "Idempotency-Key"
    assert sink.calls == 0


def test_a_key_means_nothing_elsewhere(app: Flask, client, team: str) -> None:
    bad = {"Idempotency-Key": "x" * 100}

    assert client.get("/v1/collections", headers=bad).status_code == 200
    changed = client.patch(f"/v1/collections/{team}", json={"name": "b"}, headers=bad)
    assert changed.status_code == 200
    assert client.post("/logout", headers=bad).status_code == 303


def test_who_may_not_in_is_not_told_about_keys(stranger, problem, sink: Sink) -> None:
    problem(stranger.post(SINK, headers={"Idempotency-Key": ""}), 401, "unauthorized")


# --- at the same time, and after an accident -----------------------------------------------------


@pytest.fixture
def held(sink: Sink) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let the first call of the sink wait: what tells that it began, and what lets it go on."""
    began, may_end = threading.Event(), threading.Event()

    def answer() -> Response:
        if sink.calls == 1:
            began.set()
            assert may_end.wait(20)
        return Response(f"try {sink.calls}", 201)

    sink.answer = answer
    yield began, may_end
    may_end.set()


def test_while_the_first_one_runs_the_second_one_is_asked_to_wait(
    client, problem, sink: Sink, held
) -> None:
    began, may_end = held
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.post, SINK, headers=KEY)
        assert began.wait(20)

        meanwhile = client.post(SINK, headers=KEY)
        other = client.post(SINK, headers={"Idempotency-Key": "k-2"})

        may_end.set()
        assert first.result().status_code == 201
    assert problem(meanwhile, 409, IN_PROGRESS)["retryable"] is True
    assert int(meanwhile.headers["Retry-After"]) >= 1
    assert other.status_code == 201
    assert is_replay(client.post(SINK, headers=KEY))


def test_a_request_that_was_taken_for_dead_does_not_change_the_answer_of_the_next(
    services: Services, client, sink: Sink, held
) -> None:
    began, may_end = held
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.post, SINK, headers=KEY)
        assert began.wait(20)
        _let_holds_run_out(services.pool)

        second = client.post(SINK, headers=KEY)

        may_end.set()
        assert first.result().status_code == 201
    assert (second.status_code, second.text) == (201, "try 2")
    third = client.post(SINK, headers=KEY)
    assert (third.text, is_replay(third)) == ("try 2", True)


def _let_holds_run_out(pool: Pool) -> None:
    with pool.connection() as conn:
        conn.execute("UPDATE idempotency_keys SET valid_until = now() - interval '1 second'")


def test_after_a_day_a_key_is_as_new(services: Services, client, sink: Sink) -> None:
    client.post(SINK, data=b"1", headers=KEY)
    _let_holds_run_out(services.pool)

    again = client.post(SINK, data=b"2", headers=KEY)

    assert (again.status_code, is_replay(again), sink.calls) == (201, False, 2)


def test_twenty_at_once_make_one_collection(client) -> None:
    def send(_: int) -> TestResponse:
        until = monotonic() + 30
        while True:
            response = client.post("/v1/collections", json={"name": "one"}, headers=KEY)
            if response.status_code != 409 or monotonic() > until:
                return response
            assert response.json["code"] == IN_PROGRESS
            sleep(0.01)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(20)))

    assert [answer.status_code for answer in answers] == [201] * 20
    assert len({answer.data for answer in answers}) == 1
    assert sorted(is_replay(answer) for answer in answers) == [False] + [True] * 19
    assert len(client.get("/v1/collections").json["items"]) == 1


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    client, sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> bool:
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr("core.db.idempotency.keep", away)

    assert client.post(SINK, headers=KEY).status_code == 201

    assert "could not be kept" in caplog.text


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404, 409, 410, 415, 422])
def test_a_definite_answer_is_kept(client, sink: Sink, status: int) -> None:
    sink.answer = lambda: Response("once" if status != 204 else "", status)

    client.post(SINK, headers=KEY)

    again = client.post(SINK, headers=KEY)
    assert (again.status_code, is_replay(again), sink.calls) == (status, True, 1)


@pytest.mark.parametrize("status", [401, 403, 408, 413, 429, 500, 502, 503, 507])
def test_an_answer_that_may_change_frees_the_key(client, sink: Sink, status: int) -> None:
    sink.answer = lambda: Response(status=status if sink.calls == 1 else 201)
    client.post(SINK, data=b"1", headers=KEY)

    again = client.post(SINK, data=b"2", headers=KEY)

    assert (again.status_code, is_replay(again), sink.calls) == (201, False, 2)


def test_a_conflict_that_will_pass_frees_the_key(client, sink: Sink) -> None:
    sink.answer = lambda: Response(status=409, headers={"Retry-After": "1"})
    client.post(SINK, headers=KEY)

    assert not is_replay(client.post(SINK, headers=KEY))


def test_a_mistake_of_ours_frees_the_key(client, problem, sink: Sink) -> None:
    def broken() -> Response:
        raise RuntimeError("a mistake")

    sink.answer = broken
    problem(client.post(SINK, headers=KEY), 500, "internal_error")
    sink.answer = lambda: Response("done", 201)

    assert client.post(SINK, headers=KEY).status_code == 201


def test_a_view_that_is_ended_frees_the_key(client, sink: Sink) -> None:
    def ended() -> Response:
        raise SystemExit(1)

    sink.answer = ended
    with pytest.raises(SystemExit):
        client.post(SINK, headers=KEY)
    sink.answer = lambda: Response("done", 201)

    assert client.post(SINK, headers=KEY).status_code == 201


@pytest.mark.parametrize(("size", "kept"), [(MIB, True), (MIB + 1, False)])
def test_a_huge_answer_is_not_kept(client, sink: Sink, size: int, kept: bool) -> None:
    sink.answer = lambda: Response(b"x" * size)
    client.post(SINK, headers=KEY)

    again = client.post(SINK, headers=KEY)

    assert len(again.data) == size
    assert is_replay(again) is kept


def test_a_streamed_answer_is_not_kept(client, sink: Sink) -> None:
    sink.answer = lambda: Response(iter([b"a", b"b"]))
    client.post(SINK, headers=KEY)

    again = client.post(SINK, headers=KEY)

    assert (again.data, is_replay(again)) == (b"ab", False)


def test_a_body_over_the_limit_frees_the_key(client, problem, team: str, picture) -> None:
    path = f"/v1/collections/{team}/images"
    large = client.post(path, data=bytes(4 * MIB), content_type="image/png", headers=KEY)
    problem(large, 413, "request_too_large")

    again = client.post(path, data=picture((10, 0)), content_type="image/png", headers=KEY)

    assert again.status_code == 202


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 404])
def test_a_little_that_the_view_left_unread_counts(client, sink: Sink, status: int) -> None:
    sink.reads = False
    sink.answer = lambda: Response("once", status)
    client.post(SINK, data=b"x" * 100_000, headers=KEY)

    assert is_replay(client.post(SINK, data=b"x" * 100_000, headers=KEY))
    assert client.post(SINK, data=b"y" * 100_000, headers=KEY).json["code"] == MISMATCH


@pytest.mark.parametrize(("status", "kept"), [(201, True), (404, False)])
def test_what_succeeded_without_most_of_its_body_is_kept_and_refusals_are_not(
    client, sink: Sink, status: int, kept: bool
) -> None:
    sink.reads = False
    sink.answer = lambda: Response("once", status)
    client.post(SINK, data=bytes(2 * MIB), headers=KEY)

    assert is_replay(client.post(SINK, data=bytes(2 * MIB), headers=KEY)) is kept


@pytest.mark.parametrize("ends", [True, False])
def test_a_body_that_breaks_off_frees_the_key(client, problem, sink: Sink, ends: bool) -> None:
    broken = client.post(SINK, headers=KEY, **body_of(BytesIO(b"abc"), 10, ends=ends))
    problem(broken, 400, "bad_request")

    again = client.post(SINK, data=b"0123456789", headers=KEY)

    assert (again.status_code, is_replay(again)) == (201, False)


def test_success_with_half_a_body_is_not_kept(client, sink: Sink) -> None:
    sink.reads = False
    client.post(SINK, headers=KEY, **body_of(BytesIO(b"abc"), 10))

    assert not is_replay(client.post(SINK, data=b"0123456789", headers=KEY))


def test_a_repeat_that_breaks_off_gets_no_answer(client, problem, sink: Sink) -> None:
    client.post(SINK, data=b"0123456789", headers=KEY)

    broken = client.post(SINK, headers=KEY, **body_of(BytesIO(b"0123"), 10))

    problem(broken, 400, "bad_request")
    assert is_replay(client.post(SINK, data=b"0123456789", headers=KEY))


@pytest.mark.parametrize("length", [10, None])
def test_a_connection_that_is_lost_frees_the_key(
    client, problem, sink: Sink, length: int | None
) -> None:
    class Lost(io.RawIOBase):
        """Says so once, and then that there is no more."""

        told = False

        def read(self, size: int = -1) -> bytes:
            if self.told:
                return b""
            self.told = True
            raise ConnectionResetError

    problem(client.post(SINK, headers=KEY, **body_of(Lost(), length)), 400, "bad_request")

    again = client.post(SINK, data=b"0123456789", headers=KEY)

    assert (again.status_code, is_replay(again)) == (201, False)


def test_a_repeat_is_not_read_further_than_the_first_one(client, sink: Sink) -> None:
    client.post(SINK, data=b"a" * 100, headers=KEY)
    endless = Generated(2**40)

    again = client.post(SINK, headers=KEY, **body_of(endless, None))

    assert again.json["code"] == MISMATCH
    assert len(endless.read(100)) == 100


def test_long_bodies_that_are_repeated_leave_room_for_other_requests(
    app: Flask, client, problem, sink: Sink
) -> None:
    def send(size: int) -> TestResponse:
        body = body_of(Generated(size), size)
        return client.post(SINK, headers={"Idempotency-Key": f"{size}"}, **body)

    short, long = MIB, MIB + 1
    assert [send(size).status_code for size in (short, long)] == [201, 201]
    places = app.extensions[EXTENSION].waiters
    taken = 0
    while places.acquire(blocking=False):
        taken += 1

    refused = send(long)

    problem(refused, 503, "server_busy")
    assert is_replay(send(short))
    places.release(taken)
    assert is_replay(send(long))
    assert sum(iter(lambda: places.acquire(blocking=False), False)) == taken


@pytest.mark.parametrize(
    "content_type", ["application/zip", "multipart/form-data; boundary=4f1c2b7d"]
)
def test_a_large_body_takes_no_memory(client, sink: Sink, content_type: str) -> None:
    size = 64 * MIB

    def send(byte: bytes) -> TestResponse:
        body = body_of(Generated(size, byte), size)
        return client.post(SINK, content_type=content_type, headers=KEY, **body)

    client.get("/v1/limits")  # whatever a first request loads
    tracemalloc.start()
    try:
        answers = [send(b"a"), send(b"a"), send(b"b")]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert is_replay(answers[1])
    assert sink.calls == 1
    assert peak < 2 * MIB


# --- what is documented --------------------------------------------------------------------------


def test_every_post_documents_the_header_and_its_errors_and_nothing_else_does(client) -> None:
    for methods in client.get("/openapi.json").json["paths"].values():
        for method, operation in methods.items():
            headers = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
            conflict = operation["responses"].get("409", {"content": {}})["content"]
            codes = {code for media in conflict.values() for code in media["examples"]}

            posts = method == "post"
            assert ("Idempotency-Key" in headers) is posts
            assert (codes >= {IN_PROGRESS, MISMATCH}) is posts
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    assert ("Idempotency-Replayed" in answer["headers"]) is posts
