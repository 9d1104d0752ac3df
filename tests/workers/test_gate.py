"""The gate that keeps a thread free for searches."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from workers.gate import Gate


def test_no_more_enter_than_there_are_places() -> None:
    gate = Gate(2)

    assert [gate.enter() for _ in range(4)] == [True, True, False, False]


def test_a_place_that_was_given_back_can_be_taken() -> None:
    gate = Gate(1)
    gate.enter()

    gate.leave()

    assert gate.enter()


def test_whoever_leaves_is_told_once_that_somebody_was_turned_away() -> None:
    gate = Gate(2)
    gate.enter()
    gate.enter()
    gate.enter()

    assert gate.leave()
    assert not gate.leave()


def test_no_ring_is_ever_forgotten() -> None:
    """Each ring is heard by a batch that starts after it, whatever the threads do."""
    gate = Gate(1)
    rung = heard = 0
    counting = threading.Lock()

    def ring() -> None:
        nonlocal rung
        with counting:
            rung += 1
        batch()

    def batch() -> None:
        nonlocal heard
        if not gate.enter():
            return
        with counting:
            seen = rung
        time.sleep(random.random() / 500)  # noqa: S311
        heard = max(heard, seen)
        if gate.leave():
            batch()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(200):
            pool.submit(ring)

    assert heard == rung == 200
