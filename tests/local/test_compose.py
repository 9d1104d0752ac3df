"""docker-compose.yml runs the same commands as `facesearch up`, and each of them works.

No container is started here: every command line is run as a plain process.
"""

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml

from core.db.migrate import status
from core.estimates import CACHE_SHARE
from core.local import processes, temporary
from core.local.broker import Broker
from core.local.postgres import Postgres
from core.local.process import Child, Command, wait_ready
from core.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
PATIENCE_S = 60


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


@pytest.fixture
def environment(
    database_url: str, broker_url: str, tmp_path: Path, free_port: int
) -> dict[str, str]:
    settings = Settings(
        database_url=database_url,
        broker_url=broker_url,
        data_dir=tmp_path,
        models_dir=ROOT / "models",
        port=free_port,
        sweep_s=1,
    )
    (tmp_path / "run").mkdir()
    return settings.environment()


@pytest.fixture
def start(
    services: dict[str, Any], environment: dict[str, str], tmp_path: Path, free_port: int
) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], Path]]]:
    started: list[subprocess.Popen[bytes]] = []

    def run(name: str, **more: str) -> tuple[subprocess.Popen[bytes], Path]:
        line = services[name]["command"]
        line = line.replace("0.0.0.0:8000", f"127.0.0.1:{free_port}")
        line = line.replace("/data/", f"{tmp_path}/")
        program, *arguments = shlex.split(line)
        assert program == "python"
        log = tmp_path / f"{name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process, log

    yield run
    for process in started:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


@contextmanager
def running(server: Postgres | Broker, arguments: Sequence[str], log: Path) -> Iterator[None]:
    """Run a prepared server with other *arguments* until the block is left."""
    prepared = server.prepare()
    child = Child(replace(prepared, argv=(prepared.argv[0], *arguments)), log)
    try:
        wait_ready(child, server.answers, seconds=PATIENCE_S)
        yield
    finally:
        child.stop()


def wait_for(process: subprocess.Popen[bytes], log: Path, happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "command"),
    [("web", processes.web), ("worker", processes.worker), ("beat", processes.beat)],
)
def test_the_command_lines_are_those_of_the_local_system(
    services: dict[str, Any], name: str, command: Callable[[Settings], Command]
) -> None:
    variables = services[name]["environment"]
    settings = Settings(
        data_dir=Path("/data"),
        host=variables["FACESEARCH_HOST"],
        port=int(variables["FACESEARCH_PORT"]),
        web_threads=int(variables["FACESEARCH_WEB_THREADS"]),
        worker_threads=int(variables["FACESEARCH_WORKER_THREADS"]),
    )

    arguments = shlex.split(services[name]["command"])[1:]

    assert arguments == list(command(settings).argv[1:])


def test_the_gpu_worker_runs_the_command_of_the_worker_on_a_reserved_gpu(
    services: dict[str, Any],
) -> None:
    worker = services["worker-gpu"]

    assert worker["command"] == services["worker"]["command"]
    assert worker["profiles"] == ["gpu"]
    assert worker["environment"]["FACESEARCH_DEVICE"] == "cuda"
    [device] = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_every_variable_in_it_is_a_setting(services: dict[str, Any]) -> None:
    names = {
        name
        for service in services.values()
        for name in service.get("environment", {})
        if name.startswith("FACESEARCH_")
    }

    assert names <= {f"FACESEARCH_{name.upper()}" for name in Settings.model_fields}


def test_our_programs_wait_for_the_migration(services: dict[str, Any]) -> None:
    for name in ("web", "worker", "worker-gpu", "beat"):
        condition = services[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"


def test_migrate_brings_an_empty_database_to_the_schema(start: Any, empty_database: str) -> None:
    process, log = start("migrate", FACESEARCH_DATABASE_URL=empty_database)

    assert process.wait(PATIENCE_S) == 0, log.read_text()
    current, head = status(empty_database)
    assert current == head


def chosen_unasked(text: str) -> str:
    """What Compose makes of ``${NAME:-value}`` where nobody sets NAME."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_an_index_build_finds_room_in_shared_memory(services: dict[str, Any]) -> None:
    postgres = services["postgres"]
    [cache] = [
        int(chosen_unasked(each).partition("=")[2].removesuffix("GB"))
        for each in postgres["command"]
        if each.startswith("--effective_cache_size=")
    ]

    assert int(chosen_unasked(postgres["shm_size"]).removesuffix("gb")) >= cache / CACHE_SHARE


def test_postgres_takes_the_settings_it_is_given(services: dict[str, Any], tmp_path: Path) -> None:
    program, *given = [chosen_unasked(each) for each in services["postgres"]["command"]]
    # The embedded build is the one without lz4.
    given = [setting.replace("=lz4", "=pglz") for setting in given]
    with temporary.folder() as home:
        server = Postgres(home / "cluster", home / "sockets", durable=False)
        place = ("--listen_addresses=", f"--unix_socket_directories={server.sockets}")
        arguments = ("-D", str(server.folder), *given, *place)

        with (
            running(server, arguments, tmp_path / "postgres.log"),
            psycopg.connect(server.url_of("postgres")) as conn,
        ):
            taken = [
                f"--{name}={conn.execute('SELECT current_setting(%s)', [name]).fetchone()[0]}"
                for name in (setting[2:].partition("=")[0] for setting in given)
            ]

    assert program == "postgres"
    assert taken == given


def test_broker_keeps_nothing_on_disk_and_throws_nothing_away(
    services: dict[str, Any], tmp_path: Path
) -> None:
    program, *given = services["broker"]["command"]
    server = Broker(tmp_path / "broker.sock")
    place = ("--port", "0", "--unixsocket", str(server.socket), "--dir", str(tmp_path))

    with (
        running(server, (*given, *place), tmp_path / "broker.log"),
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        taken = client.config_get("save", "appendonly", "maxmemory-policy")

    assert program == "valkey-server"
    assert taken == {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}


def test_web_answers(start: Any, free_port: int) -> None:
    process, log = start("web")
    settings = Settings(host="127.0.0.1", port=free_port)

    wait_for(process, log, lambda: processes.web_answers(settings))

    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/v1/health") as answer:
        assert answer.status == 200


def test_worker_says_that_it_is_ready(start: Any, broker_url: str) -> None:
    process, log = start("worker")

    wait_for(process, log, lambda: processes.worker_answers(broker_url))


def test_beat_rings_for_the_sweeper(start: Any, broker_url: str) -> None:
    process, log = start("beat")

    with redis.Redis.from_url(broker_url) as client:
        wait_for(process, log, lambda: client.llen("maintenance") > 0)
        [message, *_] = client.lrange("maintenance", 0, 0)
    assert json.loads(message)["headers"]["task"].startswith("maintenance.")
