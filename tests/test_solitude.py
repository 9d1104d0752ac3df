"""A photo on its last try is beside no other: so no innocent one dies with it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from core.solitude import Solitude
from tests.queues import Queue

Photo = Callable[[int], bytes]


def test_photos_on_their_last_try_are_indexed_one_at_a_time_beside_nothing_else(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(*map(photo, range(8)))
    tried_twice(queue, 4)
    at_work: list[bytes] = []
    beside: list[set[bytes]] = []
    last = {photo(number) for number in range(4)}
    lock = threading.Lock()
    meet = threading.Event()

    def look(photos: list[bytes]) -> None:
        with lock:
            at_work.extend(photos)
        meet.wait(0.2)
        with lock:
            beside.append(set(at_work))
            for each in photos:
                at_work.remove(each)

    fake_pipeline.before = look
    with ThreadPoolExecutor(3) as threads:
        for _ in range(4):
            list(threads.map(lambda _: queue.run(fake_pipeline), range(3)))

    assert queue.states() == [("indexed", 3)] * 4 + [("indexed", 1)] * 4
    for together in beside:
        assert len(together) == 1 or not together & last


def test_last_tries_come_in_their_turn_while_other_photos_wait_without_end(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(*map(photo, range(200)))
    tried_twice(queue, 1)

    queue.run(fake_pipeline)

    assert queue.states()[0] == ("indexed", 3)


def test_who_wants_to_be_alone_does_not_wait_for_ever() -> None:
    solitude = Solitude()

    with solitude.company(), solitude.alone(0.05) as ready:
        assert not ready

    with solitude.alone(0.05) as ready:
        assert ready


def test_of_two_who_want_to_be_alone_the_second_leaves_it() -> None:
    solitude = Solitude()

    with solitude.alone(1) as first, solitude.alone(1) as second:
        assert (first, second) == (True, False)
    with solitude.company():
        pass


def test_with_one_try_only_everything_is_indexed_in_company(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(photo(0), photo(1))
    once = queue.services.settings.model_copy(update={"max_attempts": 1})

    assert queue.run(fake_pipeline, replace(queue.services, settings=once)) == 2


def tried_twice(queue: Queue, count: int) -> None:
    """Let the oldest photos have lost their worker twice."""
    queue.sql(
        "UPDATE items SET attempts = 2 WHERE id IN (SELECT id FROM items ORDER BY id LIMIT %s)",
        count,
    )
