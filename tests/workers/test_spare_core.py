"""A core for searches: whose threads leave it, when, and who stays."""

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from workers.spare_core import SpareCore

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="there is no core to spare",
)


@contextmanager
def spared(*answers: bool) -> Iterator[SpareCore]:
    """A spare core that hears these answers in turn; all threads are as before afterwards."""
    said = iter(answers)
    spare = SpareCore(lambda: next(said))
    usual = os.sched_getaffinity(0)
    try:
        yield spare
    finally:
        for thread in map(int, os.listdir("/proc/self/task")):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, usual)


def cores() -> set[int]:
    return os.sched_getaffinity(threading.get_native_id())


def test_threads_leave_a_core_while_people_search_and_come_back() -> None:
    usual = cores()
    with spared(False, True, False) as spare, ThreadPoolExecutor(1) as batch:
        seen = []
        for _ in range(3):
            batch.submit(cores).result()  # so that the thread is there
            spare.look()
            seen.append(batch.submit(cores).result())

    assert seen == [usual, usual - {min(usual)}, usual]


def test_who_answers_searches_keeps_every_core() -> None:
    usual = cores()
    with spared(True, True) as spare, ThreadPoolExecutor(1) as search:
        search.submit(spare.exempt).result()
        spare.look()
        before = search.submit(cores).result()

        with ThreadPoolExecutor(1) as late:
            late.submit(cores).result()
            spare.look()
            confined = late.submit(cores).result()
            late.submit(spare.exempt).result()
            freed = late.submit(cores).result()

    assert before == usual
    assert (confined, freed) == (usual - {min(usual)}, usual)
