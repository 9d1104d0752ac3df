"""Every query of activity.sql."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.db import activity, people
from core.db.activity import Day, Finds, MostFound, Searches
from core.db.pool import Connection

MONDAY = date(2026, 3, 2)
TUESDAY = date(2026, 3, 3)
NOBODY = UUID(int=7)


@pytest.fixture
def home(make: Any) -> UUID:
    made: UUID = make.collection()
    return made


def test_counts_of_a_day_add_up(conn: Connection, make: Any, home: UUID) -> None:
    ada = make.person(home, "Ada")
    monday, tuesday = Searches(home, MONDAY, 3, 1), Searches(home, TUESDAY, 5, 0)
    activity.add(conn, [monday, tuesday], [Finds(MONDAY, ada, 1)])
    activity.add(conn, [monday], [Finds(MONDAY, ada, 2)])

    assert activity.by_day(conn, home, MONDAY) == [Day(MONDAY, 6, 2), Day(TUESDAY, 5, 0)]
    assert activity.by_day(conn, home, TUESDAY) == [Day(TUESDAY, 5, 0)]
    assert activity.by_day(conn, make.collection(), MONDAY) == []
    assert activity.most_found(conn, home, MONDAY, 9) == [MostFound(ada, "Ada", 3)]


def test_those_found_most_come_first_over_all_days_asked_for(
    conn: Connection, make: Any, home: UUID
) -> None:
    ada, bob, eve = (make.person(home, name) for name in ("Ada", "Bob", "Eve"))
    elsewhere = make.person(make.collection())
    finds = [
        *(Finds(MONDAY, ada, 9), Finds(TUESDAY, ada, 1)),
        *(Finds(MONDAY, bob, 1), Finds(TUESDAY, bob, 3)),
        *(Finds(TUESDAY, eve, 2), Finds(TUESDAY, elsewhere, 50)),
    ]
    activity.add(conn, [], finds)

    def found(since: date, limit: int) -> list[tuple[str, int]]:
        return [(each.name, each.times) for each in activity.most_found(conn, home, since, limit)]

    assert found(MONDAY, 9) == [("Ada", 10), ("Bob", 4), ("Eve", 2)]
    assert found(TUESDAY, 2) == [("Bob", 3), ("Eve", 2)]


def test_what_is_gone_is_left_out_and_the_rest_is_added(
    conn: Connection, make: Any, home: UUID
) -> None:
    ada = make.person(home)
    searches = [Searches(NOBODY, MONDAY, 1, 1), Searches(home, MONDAY, 2, 1)]

    activity.add(conn, searches, [Finds(MONDAY, NOBODY, 1), Finds(MONDAY, ada, 1)])

    assert activity.by_day(conn, home, MONDAY) == [Day(MONDAY, 2, 1)]
    assert [each.times for each in activity.most_found(conn, home, MONDAY, 9)] == [1]


def test_a_person_who_is_deleted_takes_their_counts_along(
    conn: Connection, make: Any, home: UUID
) -> None:
    ada = make.person(home)
    activity.add(conn, [Searches(home, MONDAY, 1, 1)], [Finds(MONDAY, ada, 1)])

    people.delete(conn, ada)

    assert activity.most_found(conn, home, MONDAY, 9) == []
    assert activity.by_day(conn, home, MONDAY) == [Day(MONDAY, 1, 1)]


@pytest.mark.parametrize(("days", "left"), [(0, 0), (1, 1), (2, 2), (400, 3)])
def test_only_the_last_days_are_kept(
    conn: Connection, make: Any, home: UUID, days: int, left: int
) -> None:
    ada = make.person(home)
    today = datetime.now(UTC).date()
    for ago in (0, 1, 400, 399):
        day = today - timedelta(days=ago)
        activity.add(conn, [Searches(home, day, 1, 1)], [Finds(day, ada, 1)])

    activity.forget(conn, days)

    assert len(activity.by_day(conn, home, date.min)) == left
    assert sum(each.times for each in activity.most_found(conn, home, date.min, 9)) == left
