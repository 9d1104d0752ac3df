"""`facesearch up` with the real worker, beat and web."""

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

System = Any


@pytest.fixture
def whole(make_system: Callable[..., System]) -> System:
    return make_system(standins=False)


def test_detached_it_runs_on_until_down(whole: System) -> None:
    assert whole.run("status").returncode == 3

    started = whole.run("up", "--detach")

    assert started.returncode == 0, started.stderr
    assert f"http://127.0.0.1:{whole.port}/" in started.stdout
    assert whole.run("status").returncode == 0
    assert whole.run("migrate").returncode == 0
    stopped = whole.run("down")
    assert (stopped.returncode, stopped.stdout) == (0, "facesearch is stopped.\n")
    assert whole.leftovers() == []
    assert whole.run("down").stdout == "facesearch is not running.\n"


def test_the_page_is_back_after_its_server_was_killed(
    whole: System, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    process = whole.up()
    url = f"http://127.0.0.1:{whole.port}/v1/health"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url) as answer:
                return bool(answer.status == 200)
        except urllib.error.URLError:
            return False

    assert answers()
    os.kill(whole.pid("web"), signal.SIGKILL)

    eventually(answers)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert whole.leftovers() == []


def test_a_killed_supervisor_takes_the_real_processes_along(
    whole: System, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    process = whole.up()

    process.kill()
    process.wait()

    eventually(lambda: whole.leftovers() == [])
