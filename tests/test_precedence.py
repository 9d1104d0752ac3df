"""Batches give way to searches, and are not forgotten over them."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import precedence
from core.precedence import NICENESS, Precedence, step_back


def test_a_batch_goes_on_where_nobody_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_S", 60)
    searches = Precedence()
    with searches.taken():
        pass

    began = time.monotonic()
    searches.give_way()

    assert time.monotonic() - began < 10


def test_a_batch_waits_until_the_last_search_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_S", 60)
    searches, gone_on = Precedence(), threading.Event()

    def batch() -> None:
        searches.give_way()
        gone_on.set()

    with ThreadPoolExecutor() as threads:
        with searches.taken():
            with searches.taken():
                threads.submit(batch)
                assert not gone_on.wait(0.1)
            assert not gone_on.wait(0.1), "one search is still at work"
        assert gone_on.wait(10)


def test_a_batch_gets_on_under_searches_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "LONGEST_S", 0.05)
    searches = Precedence()

    with searches.taken():
        began = time.monotonic()
        searches.give_way()

    assert 0.05 <= time.monotonic() - began < 10


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")
def test_who_steps_back_takes_along_the_threads_it_starts_and_nobody_else() -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)

    def stepped_back() -> tuple[int, int]:
        step_back()
        with ThreadPoolExecutor() as started:
            return niceness(), started.submit(niceness).result()

    with ThreadPoolExecutor() as threads:
        expected = max(usual, NICENESS)
        assert threads.submit(stepped_back).result() == (expected, expected)
    assert niceness() == usual


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
