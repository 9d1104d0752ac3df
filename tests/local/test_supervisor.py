"""Start, stop, crash and get in each other's way: what an operator of one machine meets."""

import json
import os
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psutil
import psycopg
import pytest

from core.local.supervisor import Crashes

System = Any
Make = Callable[..., System]
Eventually = Callable[[Callable[[], bool]], None]


def stop(process: Any, number: int = signal.SIGINT) -> str:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out + err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_order_and_leaves_nothing(system: System, number: int) -> None:
    process = system.up()

    stop(process, number)

    assert system.leftovers() == []
    assert system.state() == {}
    log = (system.data / "logs" / "postgres.log").read_text()
    assert "database system is shut down" in log or log == ""


def test_an_ordinary_user_can_start_and_stop_it(make_system: Make, ordinary_uid: int) -> None:
    system = make_system(uid=ordinary_uid)
    process = system.up()
    owner = psutil.Process(system.pid("postgres")).uids().real

    found = system.run("status", "--json")

    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["ready"] is True
    assert {each["level"] for each in json.loads(found.stdout)["findings"]} == {"ok"}
    assert owner == ordinary_uid
    stop(process)
    assert system.leftovers() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_for_root_postgres_runs_as_an_account_of_its_own(system: System) -> None:
    process = system.up()

    postgres = psutil.Process(system.pid("postgres"))
    worker = psutil.Process(system.pid("worker"))

    assert postgres.username() == "facesearch-db"
    assert worker.username() == "root"
    stop(process)


def test_nobody_else_can_reach_the_servers(system: System) -> None:
    process = system.up()

    ports = {
        connection.laddr.port
        for name in ("postgres", "broker")
        for connection in psutil.Process(system.pid(name)).net_connections("inet")
    }

    sockets = system.data / "run"
    assert ports == set()
    assert stat.S_IMODE((sockets / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE((sockets / "broker.sock").stat().st_mode) == 0o700
    assert stat.S_IMODE((system.data / "logs").stat().st_mode) == 0o700
    stop(process)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_works(
    system: System, eventually: Eventually
) -> None:
    process = system.up()
    with psycopg.connect(system.state()["database_url"], autocommit=True) as conn:
        conn.execute("CREATE TABLE kept (value integer)")

    process.kill()
    process.wait()

    eventually(lambda: system.leftovers() == [])
    process = system.up()
    with psycopg.connect(system.state()["database_url"]) as conn:
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    stop(process)


@pytest.mark.parametrize("name", ["worker", "broker", "postgres"])
def test_a_crashed_process_is_started_again(
    system: System, eventually: Eventually, name: str
) -> None:
    process = system.up()
    before = system.pid(name)

    os.kill(before, signal.SIGKILL)

    eventually(lambda: system.pid(name) != before)
    eventually(lambda: system.run("status").returncode == 0)
    said = stop(process)
    assert f"{name} was ended by SIGKILL; starting it again" in said


def test_a_process_that_cannot_start_ends_the_start_with_its_last_words(system: System) -> None:
    found = system.run("up", FACESEARCH_TEST_WORKER="crashes")

    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        "facesearch: worker stopped while it started: the worker's last words "
        f"(see {system.data}/logs/worker.log)."
    )
    assert system.leftovers() == []


def test_two_supervisors_never_share_a_data_folder(system: System) -> None:
    first = system.up()

    second = system.run("up")

    assert second.returncode == 1
    assert second.stderr == (
        f"facesearch: facesearch is already running as pid {first.pid}, on {system.data}.\n"
    )
    assert system.run("status").returncode == 0
    stop(first)


def test_a_port_in_use_is_named_together_with_its_setting(system: System) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", system.port))
        other.listen()

        found = system.run("up")

    assert found.returncode == 1
    assert found.stderr == (
        f"facesearch: The page cannot listen on 127.0.0.1:{system.port} (Address already in use): "
        "set FACESEARCH_PORT (or FACESEARCH_HOST) to a free one.\n"
    )


def test_too_little_disk_is_refused_before_anything_starts(system: System) -> None:
    found = system.run("up", FACESEARCH_MIN_FREE_DISK_MIB=str(1 << 40))

    assert found.returncode == 1
    assert "MiB of disk are free" in found.stderr
    assert not (system.data / "postgres").exists()


def test_a_data_folder_with_a_long_and_odd_path_works(make_system: Make) -> None:
    system = make_system(below="räume, 100 % voll/" + "x" * 120)
    process = system.up()

    sockets = system.state()["sockets"]

    assert system.run("status").returncode == 0
    assert len(sockets) < 80
    stop(process)
    assert not os.path.exists(sockets)


def test_wrong_settings_are_listed_at_once_and_without_a_traceback(system: System) -> None:
    found = system.run("up", FACESEARCH_PORT="abc", FACESEARCH_DEVICE="tpu")

    assert found.returncode == 1
    assert "FACESEARCH_DEVICE" in found.stderr
    assert "FACESEARCH_PORT" in found.stderr
    assert "Traceback" not in found.stderr


def test_what_is_not_well_with_the_database_is_said_at_the_start_and_by_status(
    system: System, fresh_database: Callable[[], str]
) -> None:
    url = fresh_database()
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE pg_extension SET extversion = '0.8.4' WHERE extname = 'vector'")
    cure = "Run ALTER EXTENSION vector UPDATE in this database."

    process = system.up(FACESEARCH_DATABASE_URL=url)
    found = system.run("status", FACESEARCH_DATABASE_URL=url)

    assert (found.returncode, found.stdout.count(cure)) == (0, 1)
    assert stop(process).count(cure) == 1


def test_migrate_needs_the_database_to_be_up(system: System) -> None:
    found = system.run("migrate")

    assert found.returncode == 1
    assert found.stderr == (
        "facesearch: facesearch is not running here: start it with `facesearch up`.\n"
    )


def test_a_process_that_keeps_crashing_is_given_up_after_longer_and_longer_waits() -> None:
    crashes = Crashes(most=5, window_s=120)

    waits = [crashes.count(float(second)) for second in range(5)]

    assert waits == [0.5, 1, 2, 4, None]
    assert crashes.count(1000) == 0.5
