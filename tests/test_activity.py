"""Counts of searches: true, without a trace of who asked, and never in anybody's way."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg_pool import PoolTimeout

from core import activity, collections, explaining, subjects, together
from core.activity import Activity
from core.db import activity as rows
from core.db.collections import Collection
from core.db.search import GroupBy
from core.filters import Filter
from core.finding import Options
from core.services import Services
from core.subjects import Subject

Crowd = Callable[..., Any]
PLAIN = Options()


def counted(services: Services, collection: Collection) -> tuple[int, int]:
    """Searches and hits of all days, after a flush."""
    services.activity.flush()
    with services.pool.connection() as conn:
        days = rows.by_day(conn, collection.id, date.min)
    return sum(day.searches for day in days), sum(day.hits for day in days)


def found(services: Services, collection: Collection) -> dict[str, int]:
    services.activity.flush()
    with services.pool.connection() as conn:
        return {
            each.name: each.times
            for each in rows.most_found(conn, collection.id, date.min, limit=99)
        }


def looks(crowd: Any, who: int) -> Subject:
    """Somebody as a photo shows them that is not stored."""
    return subjects.of_vector([crowd.fresh()], crowd.looks[who], crowd.collection.space_id)


def search(crowd: Any, who: int, options: Options = PLAIN) -> Any:
    return subjects.find(crowd.services, [crowd.fresh()], looks(crowd, who), options)


@pytest.fixture
def album(crowd: Crowd) -> Any:
    """P0 and P1 are named, P2 is not; of P3 there is no photo."""
    made = crowd()
    made.photo(0, named=[0], noise=0.2)
    made.photo(0, 1, named=[0, 1], noise=0.2)
    made.photo(2, noise=0.2)
    return made


def test_a_search_counts_with_those_who_matched(album: Any, services: Services) -> None:
    search(album, 0)
    search(album, 0)
    search(album, 1)

    assert counted(services, album.collection) == (3, 3)
    assert found(services, album.collection) == {"P0": 2, "P1": 1}


def test_a_match_without_a_name_is_a_hit_and_no_match_is_none(
    album: Any, services: Services
) -> None:
    search(album, 2)
    search(album, 3)

    assert counted(services, album.collection) == (2, 1)
    assert found(services, album.collection) == {}


@pytest.mark.parametrize("group_by", [GroupBy.FACE, GroupBy.IMAGE])
def test_a_person_counts_once_for_many_faces(
    album: Any, services: Services, group_by: GroupBy
) -> None:
    answer = search(album, 0, Options(group_by=group_by))

    assert sum(match.decision == "match" for match in answer.matches) == 2
    assert found(services, album.collection) == {"P0": 1}


def test_each_collection_counts_the_matches_of_its_own(crowd: Crowd, services: Services) -> None:
    here, there = crowd(), crowd(seed=1)
    here.photo(0, named=[0], noise=0.2)
    there.photo(0, named=[0], noise=0.2)

    subjects.find(services, [here.fresh(), there.fresh()], looks(here, 0), PLAIN)

    assert counted(services, here.collection) == (1, 1)
    assert counted(services, there.collection) == (1, 0)
    assert found(services, there.collection) == {}


def test_going_on_with_a_search_counts_nothing(album: Any, services: Services) -> None:
    first = search(album, 0, Options(limit=1))
    search(album, 0, Options(limit=1, shown=(first.matches[0].neighbour.key,)))

    assert counted(services, album.collection) == (1, 1)


def test_explaining_a_search_counts_nothing(album: Any, services: Services) -> None:
    home, subject = album.fresh(), looks(album, 0)
    narrow = Options(filter=Filter(min_quality=0.1))
    answer = subjects.find(services, [home], subject, narrow)

    explaining.explain(services, [home], subject, narrow, answer)

    assert counted(services, album.collection) == (1, 1)


def test_people_looked_for_together_count_as_a_search_each(album: Any, services: Services) -> None:
    together.find(services, album.fresh(), [looks(album, 0), looks(album, 1)], [], PLAIN)

    assert counted(services, album.collection) == (2, 2)


def test_counts_are_written_down_without_a_further_search(
    album: Any, services: Services, wait_until: Any
) -> None:
    hasty = Activity(services.pool, services.settings, every_s=0.05)
    for _ in range(2):
        hasty.note([album.collection.id], [])
        wait_until(lambda: not hasty._waiting.searches, seconds=5)
    hasty.close()

    assert counted(services, album.collection) == (2, 0)


def test_the_last_counts_are_written_down_when_a_process_ends(
    album: Any, services: Services
) -> None:
    slow = Activity(services.pool, services.settings, every_s=3600)
    slow.note([album.collection.id], [])

    slow.close()

    assert counted(services, album.collection) == (1, 0)


def test_searches_of_many_threads_are_all_counted(album: Any, services: Services) -> None:
    hasty = Activity(services.pool, services.settings, every_s=0.001)
    person = album.people[0]

    def note() -> None:
        for _ in range(500):
            hasty.note([album.collection.id], [(album.collection.id, person)])

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hasty.close()

    assert counted(services, album.collection) == (2000, 2000)
    assert found(services, album.collection) == {"P0": 2000}


def test_what_could_not_be_written_down_is_not_lost(
    album: Any,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def busy(timeout: float) -> None:
        raise PoolTimeout("no connection is free")

    search(album, 0)
    with monkeypatch.context() as patch:
        patch.setattr(services.pool, "connection", busy)
        caplog.set_level(logging.WARNING, "core.activity")
        services.activity.flush()
    services.activity.note([album.collection.id], [(album.collection.id, album.people[0])])

    assert "could not be written down yet: no connection is free" in caplog.text
    assert counted(services, album.collection) == (2, 2)
    assert found(services, album.collection) == {"P0": 2}


def test_counts_of_what_was_deleted_meanwhile_hold_up_no_others(
    album: Any, collection: Collection, services: Services
) -> None:
    nobody = UUID(int=7)
    services.activity.note([album.collection.id, collection.id], [(collection.id, nobody)])
    with services.pool.connection() as conn:
        collections.rows.delete(conn, collection.id)

    assert counted(services, album.collection) == (1, 0)


def test_nothing_is_counted_where_no_day_is_kept(album: Any, services: Services) -> None:
    none = services.settings.model_copy(update={"activity_days": 0})
    off = Activity(services.pool, none)
    search(album, 0)
    assert counted(services, album.collection) == (1, 1)

    off.note([album.collection.id], [(album.collection.id, album.people[0])])
    off.flush()
    with services.pool.connection() as conn:
        activity.forget_old(conn, none)

    assert counted(services, album.collection) == (0, 0)
    assert found(services, album.collection) == {}


def test_a_row_tells_the_day_and_nothing_else_about_who_searched(
    album: Any, services: Services
) -> None:
    search(album, 0)
    services.activity.flush()

    with services.pool.connection() as conn:
        days = conn.execute("SELECT * FROM search_days").fetchall()
        finds = conn.execute("SELECT * FROM found_days").fetchall()

    today = datetime.now(UTC).date()
    assert days == [(album.collection.id, today, 1, 1)]
    assert finds == [(album.collection.id, today, album.people[0], 1)]
