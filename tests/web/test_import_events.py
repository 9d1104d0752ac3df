"""Progress as it happens: what is told, when it ends, and that few may listen."""

import json
import threading
from io import BytesIO
from typing import Any

import psycopg
import pytest
from flask import Flask

from core.services import Services
from web.api import import_events
from web.services import EXTENSION


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second be a hundredth of one."""
    for name in ("LONGEST_S", "SHORTEST_PAUSE_S", "HEARTBEAT_S", "STEP_S"):
        monkeypatch.setattr(import_events, name, getattr(import_events, name) / 100)


def events_of(text: str) -> list[tuple[str, Any]]:
    """Read events as browsers do."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if line[:1] not in ("", ":")
        )
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_closed_import_is_told_once_and_over(client, asked, picture) -> None:
    made = asked("files")
    client.post(
        f"{made['urls']['self']}/photos",
        data={"photos": (BytesIO(picture((10, 0))), "1.png")},
    )
    client.post(f"{made['urls']['self']}/start")

    response = client.get(made["urls"]["events"])

    assert response.mimetype == "text/event-stream"
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.text.startswith("retry: 2000\n\n")
    first, last = events_of(response.text)
    assert (first[0], last[0]) == ("progress", "closed")
    assert first[1] == last[1] == client.get(made["urls"]["self"]).json


def test_an_open_import_is_told_until_the_time_is_over(client, asked) -> None:
    made = asked("files")

    text = client.get(made["urls"]["events"]).text

    assert [name for name, _ in events_of(text)] == ["progress"]
    assert text.count("\n\n:\n\n") >= 3, "heartbeats"


def test_what_changes_is_told_and_the_end_ends_it(client, asked) -> None:
    made = asked("files")
    parts = client.get(made["urls"]["events"], buffered=False).iter_encoded()
    assert next(parts) == b"retry: 2000\n\n"
    assert events_of(next(parts).decode())[0][1]["state"] == "receiving"

    client.post(f"{made['urls']['self']}/pause")
    rest = events_of(next(part for part in parts if part != b":\n\n").decode())
    assert [(name, told["state"]) for name, told in rest] == [("progress", "paused")]
    client.post(f"{made['urls']['self']}/cancel")

    rest = events_of(b"".join(parts).decode())
    assert [(name, told["state"]) for name, told in rest] == [
        ("progress", "cancelled"), ("closed", "cancelled"),
    ]  # fmt: skip


def test_an_import_that_is_gone_is_over(client, services: Services, asked) -> None:
    made = asked("files")
    parts = client.get(made["urls"]["events"], buffered=False).iter_encoded()
    next(parts), next(parts)
    with services.pool.connection() as conn:
        conn.execute("DELETE FROM jobs")

    assert events_of(b"".join(parts).decode())[-1] == ("closed", None)


def test_without_a_database_the_listener_asks_again_later(
    client, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked("files")
    parts = client.get(made["urls"]["events"], buffered=False).iter_encoded()
    next(parts), next(parts)

    def away(*_: Any) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr("core.import_progress.progress", away)

    assert [part for part in parts if part != b":\n\n"] == []


def test_counting_takes_a_small_part_of_the_time(
    client, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked("files")
    now = [0.0]
    pauses: list[float] = []
    looks = iter([0.001, 0.2, 3.0])
    real = import_events.import_progress.progress

    def look(*given: Any) -> Any:
        now[0] += next(looks, 0.0)
        return real(*given)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(import_events, "monotonic", lambda: now[0])
    monkeypatch.setattr(import_events, "sleep", sleep)
    monkeypatch.setattr(import_events, "STEP_S", 100.0)
    monkeypatch.setattr(import_events, "LONGEST_S", 20.0)
    monkeypatch.setattr(import_events, "SHORTEST_PAUSE_S", 1.0)
    monkeypatch.setattr(import_events.import_progress, "progress", look)

    client.get(made["urls"]["events"]).get_data()

    # The first look is before the first pause; the one of three seconds leaves no time for another.
    assert pauses == pytest.approx([1.0, 2.0])


def test_few_listen_at_a_time_and_places_are_given_back(
    app: Flask, client, problem, asked, services: Services
) -> None:
    made = asked("files")
    path = made["urls"]["events"]
    places = services.settings.web_threads // 4
    listeners = [client.get(path, buffered=False) for _ in range(places)]

    refused = client.get(path)

    assert problem(refused, 503, "server_busy")["retryable"]
    assert refused.headers["Retry-After"] == "5"
    assert client.get(made["urls"]["self"]).status_code == 200
    listeners[0].close()
    for method in ("HEAD", "GET"):  # one that was never read gave its place back
        response = client.request(method, path)
        assert response.status_code == 200, method
        response.close()
    for each in listeners[1:]:
        each.close()
    free = app.extensions[EXTENSION].listeners
    assert sum(iter(lambda: free.acquire(blocking=False), False)) == places


def test_who_hangs_up_is_noticed_between_two_looks() -> None:
    ours, theirs = import_events.socket.socketpair()
    with ours:
        ours.settimeout(60)  # as each request has it
        assert import_events._stays(ours, 0.02)
        theirs.sendall(b"GET / HTTP/1.1")  # the next request on the same connection
        assert import_events._stays(ours, 0.02)
        assert ours.recv(100) == b"GET / HTTP/1.1"
        threading.Timer(0.05, theirs.close).start()
        assert not import_events._stays(ours, 30)
    assert not import_events._stays(ours, 1), "a closed socket is one that is gone"
