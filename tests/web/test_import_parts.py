"""Archives and manifests in parts: cut anywhere, sent twice, at the wrong place, by two at once."""

import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from core.errors import ImportNotFound, WrongState
from core.import_content import append
from core.import_sweep import sweep
from core.services import Services
from core.spool import Spool
from tests.importing import archive
from tests.web.bodies import INDEXED, broken, chunked, keys, offset, part
from web import stalled


@pytest.fixture
def path(team: str) -> str:
    return f"/v1/collections/{team}/imports"


@pytest.fixture
def photos(picture) -> dict[str, bytes]:
    return {f"{n}.png": picture((n, 0)) for n in (10, 20, 30)}


@pytest.mark.parametrize("seed", range(6))
def test_parts_that_are_cut_anywhere_give_the_same_import(client, asked, photos, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    data = archive(photos)
    address = asked("archive", bytes=len(data))["urls"]["self"]

    while (at := offset(client, address)) < len(data):
        end = dice.randint(at, len(data))
        cut = dice.randint(at, end)
        if dice.random() < 0.5:
            body = {"data": data[at:end]}
        else:  # the connection breaks in the middle
            kind = dice.choice([None, OSError("gone")])
            body = {
                **broken(data[at:cut], len(data) - at, kind),
            }
        response = part(client, address, at, **body)
        assert response.status_code in (204, 400), response.text
        if "data" not in body:
            assert offset(client, address) == cut
        else:
            assert offset(client, address) == end

    done = client.get(address).json
    assert (done["state"], done["bytes_received"]) == ("done", len(data))
    assert keys(client, done) == INDEXED


def test_a_broken_upload_of_a_new_import_goes_on_in_parts(client, path, photos) -> None:
    data = archive(photos)
    cut = client.post(
        f"{path}?external_id=s-1",
        content_type="application/zip",
        **broken(data[:100], len(data)),
    )
    assert cut.status_code == 400

    [made] = client.get(path).json["items"]
    address = made["urls"]["self"]
    assert (made["state"], made["bytes_received"], made["bytes_expected"]) == (
        "receiving", 100, len(data),
    )  # fmt: skip
    sent = part(client, address, 100, data=data[100:])

    assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, str(len(data)))
    assert sent.data == b""
    assert keys(client, made) == INDEXED


def test_sending_a_broken_upload_anew_says_where_to_go_on(client, path, problem, photos) -> None:
    data = archive(photos)
    made = client.post(path, json={"source": "archive", "external_id": "s-1"}).json
    part(client, made["urls"]["self"], 0, data=data[:50])

    again = client.post(f"{path}?external_id=s-1", data=data, content_type="application/zip")

    details = problem(again, 409, "offset_mismatch")["details"]
    assert details == {"offset": 50, "import_id": made["id"]}


def test_a_part_elsewhere_is_refused_and_adds_nothing(client, problem, asked) -> None:
    address = asked("archive")["urls"]["self"]
    part(client, address, 0, data=b"12345")

    for at in (0, 4, 6):
        for body in ({"data": b"xyz"}, chunked(b"xyz")):
            refused = problem(part(client, address, at, **body), 409, "offset_mismatch")
            assert refused["details"] == {"offset": 5}
    problem(client.request("PUT", f"{address}/content", data=b"abc"), 409, "offset_mismatch")

    assert offset(client, address) == 5


@pytest.mark.parametrize("at", ["", "-1", "1.5", "first", "9" * 30])
def test_a_part_must_say_where_it_begins(client, problem, asked, at: str) -> None:
    address = asked("archive")["urls"]["self"]

    refused = problem(part(client, address, at, data=b"x"), 400, "invalid_request")

    assert refused["details"]["errors"][0]["field"] == "Upload-Offset"


def test_a_whole_body_is_put_once_and_starts_what_was_announced(client, asked, photos) -> None:
    data = archive(photos)
    address = asked("archive", bytes=len(data))["urls"]["self"]
    head = client.request("HEAD", f"{address}/content")
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("0", str(len(data)))

    put = client.request("PUT", f"{address}/content", data=data)

    assert (put.status_code, put.headers["Upload-Offset"]) == (204, str(len(data)))
    assert client.get(address).json["state"] == "done"
    assert offset(client, address) == len(data)


def test_without_an_announcement_the_sender_starts(client, problem, asked, photos) -> None:
    data = archive(photos)
    address = asked("archive")["urls"]["self"]
    problem(client.post(f"{address}/start"), 409, "wrong_state")

    client.request("PUT", f"{address}/content", data=data)
    assert client.get(address).json["state"] == "receiving"
    assert client.post(f"{address}/start").json["state"] == "done"

    problem(part(client, address, len(data), data=b"x"), 409, "wrong_state")


def test_what_is_not_whole_is_not_started(client, problem, asked) -> None:
    address = asked("archive", bytes=10)["urls"]["self"]
    part(client, address, 0, data=b"12345")

    refused = problem(client.post(f"{address}/start"), 409, "wrong_state")

    assert refused["details"] == {"offset": 5}


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_was_announced_is_refused(client, problem, asked, announced: bool) -> None:
    address = asked("archive", bytes=10)["urls"]["self"]
    body = {"data": bytes(11)} if announced else chunked(bytes(11))

    refused = problem(part(client, address, 0, **body), 413, "upload_too_large")

    assert refused["details"] == {"max_bytes": 10}
    assert offset(client, address) == (0 if announced else 10)


def test_photos_have_no_content_and_archives_no_files(client, problem, asked) -> None:
    files, packed = asked("files")["urls"]["self"], asked("archive")["urls"]["self"]

    problem(part(client, files, 0, data=b"x"), 409, "wrong_state")
    assert client.request("HEAD", f"{files}/content").status_code == 409
    problem(client.request("PUT", f"{packed}/files/a.png", data=b"x"), 409, "wrong_state")


def test_of_two_senders_at_once_one_goes_first(
    services: Services, doorbell, client, problem, asked
) -> None:
    made = asked("archive")
    address = made["urls"]["self"]
    reading, go_on = threading.Event(), threading.Event()

    class Slow:
        def read(self, size: int, /) -> bytes:
            first = not reading.is_set()
            reading.set()
            assert go_on.wait(10)
            return b"first" if first else b""

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            append, services, doorbell, UUID(made["id"]), Slow(), offset=0, coming=None
        )
        assert reading.wait(10)
        refused = problem(part(client, address, 0, data=b"second"), 409, "upload_busy")
        started = problem(client.post(f"{address}/start"), 409, "upload_busy")
        go_on.set()

        assert first.result() == 5
    assert refused["retryable"]
    assert started["retryable"]
    assert Spool(services.settings, UUID(made["id"])).path.read_bytes() == b"first"


def test_what_is_sent_to_a_cancelled_import_is_not_taken(
    services: Services, doorbell, client, problem, asked
) -> None:
    made = asked("archive", bytes=100)

    class Cancels:
        def read(self, size: int, /) -> bytes:
            if client.get(made["urls"]["self"]).json["state"] == "cancelled":
                return b""
            client.post(f"{made['urls']['self']}/cancel")
            return bytes(100)

    with pytest.raises(WrongState, match="takes no more bytes"):
        append(services, doorbell, UUID(made["id"]), Cancels(), offset=0, coming=100)

    problem(part(client, made["urls"]["self"], 0, data=b"x"), 409, "wrong_state")
    assert not Spool(services.settings, UUID(made["id"])).folder.exists()


def test_what_is_sent_to_a_collection_that_is_deleted_meanwhile_is_gone(
    services: Services, doorbell, client, asked, team: str
) -> None:
    made = asked("archive")

    class Deletes:
        def read(self, size: int, /) -> bytes:
            if client.get(f"/v1/collections/{team}").status_code == 404:
                return b""
            client.delete(f"/v1/collections/{team}?confirm={team}")
            return bytes(100)

    with pytest.raises(ImportNotFound):
        append(services, doorbell, UUID(made["id"]), Deletes(), offset=0, coming=None)

    sweep(services)
    assert not Spool(services.settings, UUID(made["id"])).folder.exists()


def test_a_sender_that_falls_silent_is_given_up_and_may_come_back(
    client, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled, "STALLED_S", 0.05)
    address = asked("archive")["urls"]["self"]
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as body:
        theirs.sendall(b"12345")
        silent = {
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "10",
            "gunicorn.socket": ours,
        }

        assert part(client, address, 0, environ_overrides=silent).status_code == 400

    assert part(client, address, 5, data=b"67890").headers["Upload-Offset"] == "10"
