"""What Celery is told: names, queues and flags, and that nothing happens at import."""

import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Consumer, Queue

from core import doorbell
from core.doorbell import message_url
from core.settings import Settings
from workers import schedule
from workers.app import configuration

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(settings: Settings) -> Celery:
    made = Celery("test", set_as_current=False)
    made.conf.update(configuration(settings))
    return made


def python(code: str, env: dict[str, str] | None = None) -> str:
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=env, text=True)


def test_importing_the_application_reads_no_setting_and_loads_no_model_library() -> None:
    loaded = python(
        "import sys, workers.app;"
        "print(workers.app.app.configured, 'onnxruntime' in sys.modules, 'cv2' in sys.modules)"
    )

    assert loaded.split() == ["False", "False", "False"]


def test_a_task_is_registered_under_each_name_that_others_ring_for(
    settings: Settings,
) -> None:
    names = python(
        "import workers.tasks; from workers.app import app;"
        "print(*sorted(n for n in app.tasks if not n.startswith('celery.')))",
        settings.environment(),
    )

    assert names.split() == sorted(
        [
            doorbell.INGEST_TASK,
            doorbell.SEARCH_TASK,
            doorbell.SWEEP_TASK,
            doorbell.INDEX_TASK,
            doorbell.IMPORT_TASK,
            doorbell.RECALL_TASK,
            doorbell.REPORT_TASK,
        ]
    )


def test_a_message_goes_when_its_work_is_done_and_a_worker_holds_no_more_than_it_works_on(
    app: Celery,
) -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_retry_on_worker_lost
    assert not app.conf.task_reject_on_worker_lost
    assert app.conf.task_ignore_result
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.worker_disable_prefetch
    assert app.conf.accept_content == ["json"]


def test_beat_rings_for_the_sweeper_as_often_as_the_settings_say(settings: Settings) -> None:
    entries = schedule.entries(settings.model_copy(update={"sweep_s": 7.0}))

    assert {entry["task"] for entry in entries.values()} == {
        doorbell.SWEEP_TASK,
        doorbell.INDEX_TASK,
        doorbell.RECALL_TASK,
        doorbell.REPORT_TASK,
    }
    assert entries["sweep"]["schedule"] == entries["sweep"]["options"]["expires"] == 7
    assert {entry["options"]["queue"] for entry in entries.values()} == {doorbell.MAINTENANCE_QUEUE}


def test_wrong_settings_end_the_process_with_a_sentence_for_each_and_no_traceback(
    tmp_path: Path,
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker"],
        cwd=ROOT,
        env={"FACESEARCH_LEASE_S": "soon", "FACESEARCH_PORT": "0", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert run.returncode != 0
    assert "FACESEARCH_LEASE_S" in run.stderr
    assert "FACESEARCH_PORT" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("arguments", [("-P", "solo"), ("-c", "1")])
def test_a_pool_without_a_thread_left_for_searches_is_refused(
    settings: Settings, arguments: tuple[str, ...]
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker", *arguments],
        cwd=ROOT,
        env=settings.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert run.returncode == 1
    assert "A worker needs a pool of threads" in run.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("redis://user:secret@host:6379/1", "redis://user:secret@host:6379/1"),
        ("unix:///run/broker.sock", "redis+socket:///run/broker.sock"),
        ("unix:///run/broker.sock?db=2", "redis+socket:///run/broker.sock?virtual_host=2"),
        ("rediss://host:6380/0", "rediss://host:6380/0?ssl_cert_reqs=required"),
        ("rediss://host:6380/0?ssl_cert_reqs=none", "rediss://host:6380/0?ssl_cert_reqs=none"),
    ],
)
def test_the_brokers_url_is_spelled_as_kombu_wants_it(given: str, expected: str) -> None:
    assert message_url(given) == expected


def test_an_encrypted_broker_must_show_a_valid_certificate() -> None:
    connection = Connection(message_url("rediss://host:6380/0"))

    assert connection.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}


def test_a_search_is_next_however_many_other_rings_came_before_it(app: Celery) -> None:
    for number in range(50):
        app.send_task(doorbell.INGEST_TASK, queue=doorbell.INGEST_QUEUE, args=[number])
    app.send_task(doorbell.SWEEP_TASK, queue=doorbell.MAINTENANCE_QUEUE)

    received = drain(app, after_first=lambda: ring_for_search(app), messages=53)

    assert received[0] == doorbell.SWEEP_TASK
    assert received[1] == doorbell.SEARCH_TASK
    assert received[2] == doorbell.SEARCH_TASK
    assert received[3:] == [doorbell.INGEST_TASK] * 50


def ring_for_search(app: Celery) -> None:
    for _ in range(2):
        app.send_task(doorbell.SEARCH_TASK, queue=doorbell.SEARCH_QUEUE, args=["id"])


def drain(app: Celery, *, after_first: Callable[[], None], messages: int) -> list[str]:
    """Take messages one by one, as a worker with one free thread does."""
    received: list[str] = []

    def take(_: Any, message: Any) -> None:
        received.append(message.headers["task"])
        message.ack()

    queues = [Queue(name, routing_key=name) for name in app.conf.task_queues]
    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        with Consumer(channel, queues=queues, callbacks=[take], accept=["json"]):
            end = time.monotonic() + 20
            while len(received) < messages and time.monotonic() < end:
                connection.drain_events(timeout=5)
                if len(received) == 1:
                    after_first()
    return received
