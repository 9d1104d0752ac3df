"""`facesearch up` with the real worker, beat and web."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

System = Any

ROOT = Path(__file__).parents[2]


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


def tour(page: str) -> str:
    """The commands of the section "Three calls"."""
    [commands] = re.findall(r"## Three calls\n[^#]*?```sh\n(.*?)```", page, re.DOTALL)
    return str(commands)


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl and jq are not installed"
)
def test_the_three_calls_of_the_readme_find_the_person(whole: System) -> None:
    commands = tour((ROOT / "README.md").read_text(encoding="utf-8"))
    assert commands == tour((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    whole.up()

    found = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands.replace(":8000/", f":{whole.port}/")],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **whole.environment,
            "PATH": f"{Path(sys.executable).parent}:{whole.environment['PATH']}",
        },
    )

    assert found.returncode == 0, found.stderr
    uploaded, length = json.JSONDecoder().raw_decode(found.stdout)
    searched = json.loads(found.stdout[length:])
    first, second = searched["results"][0]["matches"]
    obama, biden = (item["image_id"] for item in uploaded["items"])
    assert (first["image_id"], first["decision"]) == (obama, "match")
    assert (second["image_id"], second["decision"]) == (biden, "no_match")
