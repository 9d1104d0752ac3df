"""Hanging tasks, and the one thing that helps against them."""

import subprocess
import sys
import time

import pytest

from workers.watch import EXIT_CODE, Watch


@pytest.fixture
def ended() -> list[bool]:
    return []


def test_a_task_that_runs_longer_than_the_limit_ends_the_process(ended: list[bool]) -> None:
    watch = Watch(0.05, lambda: ended.append(True))
    watch.begin("quick")
    watch.begin("hangs")
    watch.finish("quick")

    watch.check()
    assert ended == []
    time.sleep(0.06)
    watch.check()

    assert ended == [True]


def test_tasks_that_come_and_go_end_nothing(ended: list[bool]) -> None:
    watch = Watch(0.05, lambda: ended.append(True))
    for number in range(8):
        watch.begin(str(number))
        time.sleep(0.01)
        watch.finish(str(number))
        watch.finish(str(number))
        watch.check()

    assert ended == []


def test_a_process_is_ended_even_while_a_thread_hangs_in_native_code() -> None:
    code = (
        "import ctypes, threading, time; from workers.watch import Watch;"
        "threading.Thread(target=ctypes.CDLL(None).sleep, args=(60,)).start();"
        "watch = Watch(0.05); watch.begin('hangs'); time.sleep(0.1); watch.check()"
    )

    run = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)

    assert run.returncode == EXIT_CODE
