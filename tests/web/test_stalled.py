"""Connections whose other side falls silent are given up; slow ones are not."""

import socket
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest
from werkzeug.wsgi import FileWrapper

from web import stalled
from web.stalled import PART, GivesUp


def answered(answer: Iterable[bytes], connection: socket.socket | None) -> Any:
    application = GivesUp(lambda environ, start_response: answer)
    environ = {"gunicorn.socket": connection, "wsgi.file_wrapper": FileWrapper}
    return application(environ, None)


class Answer(list[bytes]):
    """Knows whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_an_answer_goes_out_whole_in_parts_that_slow_links_take_in_time() -> None:
    photo = bytes(range(256)) * (3 * PART // 256) + b"end"
    answer = Answer([b"first", photo, b""])
    ours, theirs = socket.socketpair()

    with ours, theirs:
        sent = answered(answer, ours)
        parts = list(sent)
        sent.close()

        assert ours.gettimeout() == stalled.STALLED_S
    assert b"".join(parts) == b"first" + photo
    assert [len(part) for part in parts] == [5, PART, PART, PART, 3, 0]
    assert answer.closed


def test_whoever_takes_only_a_part_of_an_answer_is_not_waited_for() -> None:
    answer = Answer([b"first", b"second"])
    ours, theirs = socket.socketpair()

    with ours, theirs:
        ours.settimeout(10)
        sent = answered(answer, ours)
        next(sent)
        sent.close()

        assert ours.recv(1) == b"", "nothing is waited for"
        assert theirs.recv(1) == b""
    assert answer.closed


def test_files_stay_what_servers_know_to_send() -> None:
    file = FileWrapper(BytesIO(b"x"))
    ours, theirs = socket.socketpair()

    with ours, theirs:
        assert answered(file, ours) is file
    assert answered(file, None) is file


def test_a_form_whose_sender_falls_silent_frees_its_thread(
    client, problem, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled, "STALLED_S", 0.05)
    address = f"{asked('files')['urls']['self']}/photos"
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as body:
        theirs.sendall(
            b"--b\r\nContent-Disposition: form-data; name=photos; filename=a.png\r\n\r\nx"
        )
        silent = {
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "1000",
            "gunicorn.socket": ours,
        }
        answers: list[Any] = []
        sending = threading.Thread(
            target=lambda: answers.append(
                client.post(
                    address,
                    content_type="multipart/form-data; boundary=b",
                    headers={"Idempotency-Key": "one"},
                    environ_overrides=silent,
                )
            ),
            daemon=True,
        )
        sending.start()
        sending.join(10)

        assert answers, "it waits for ever"
        problem(answers[0], 400, "bad_request")
