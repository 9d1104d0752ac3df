"""The numbers of whole reports, as people read them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from core.db.reports import Report, State
from core.reports import activity, figures, health, registry
from tests.casts import Cast

WHEN = datetime(2026, 11, 30, 16, 5, tzinfo=UTC)


def report(
    name: str, summary: dict[str, Any], *, findings: int = 0, added: int = 0, gone: int = 0
) -> Report:
    return Report(
        id=uuid4(),
        collection_id=uuid4(),
        name=name,
        actor="test",
        state=State.DONE,
        step=None,
        done=0,
        total=0,
        detail=None,
        attempts=1,
        previous_id=None,
        findings=findings,
        added=added,
        gone=gone,
        summary=summary,
        created_at=WHEN,
        started_at=WHEN,
        finished_at=WHEN,
    )


def test_every_number_that_reports_make_is_called_something(town: Cast) -> None:
    material = town.material()
    for name, make in registry.REPORTS.items():
        summary = dict(make(material).summary)
        single = {key for key, value in summary.items() if isinstance(value, int | float)}

        told = dict(figures.facts(report(name, summary)))

        named = {figures.LABELS[key] for key in single if (key, summary[key]) != figures.NOT_TOLD}
        assert named <= set(told)
        assert all(isinstance(value, str) for value in told.values())


def test_a_version_says_how_it_differs_from_the_one_before() -> None:
    before = report("two-names", {})

    first = figures.found(report("two-names", {}, findings=1), None)
    same = figures.found(report("two-names", {}, findings=1), before)
    other = figures.found(report("two-names", {}, findings=1200, added=12, gone=3), before)

    assert first == "1 finding"
    assert same == "1 finding, none new or gone since 2026-11-30 16:05 UTC"
    assert other == "1,200 findings: 12 new since 2026-11-30 16:05 UTC, 3 gone"


def test_health_tells_rates_thresholds_and_failures(town: Cast) -> None:
    summary = dict(health.make(town.material()).summary)
    summary["failures"] = {"images": {"no_face_found": 2}, "faces": {}}

    told = dict(figures.facts(report("health", summary)))
    titles = {each.title: each.rows for each in figures.tables(report("health", summary))}

    assert told["Faces"] == "19"
    assert told["Pairs of one person that match"].startswith("100.00 % (24 of 24; ")
    assert titles["Not indexed"] == (("images", "no_face_found", "2"),)
    assert [row[0] for row in titles["Thresholds by what they let through"]] == [
        "once in 100 searches",
        "once in 1,000 searches",
        "once in 10,000 searches",
    ]


def test_days_are_added_up_to_weeks() -> None:
    days = [
        {"day": "2026-11-29", "searches": 5, "hits": 1},
        {"day": "2026-11-30", "searches": 2, "hits": 2},
        {"day": "2026-12-06", "searches": 1, "hits": 0},
    ]
    people = [{"person_id": str(uuid4()), "name": "Ada", "times": 1}]
    summary = {"since": "2026-09-01", "searches": 8, "hits": 3, "days": days, "people": people}

    weeks, found = figures.tables(report(activity.NAME, summary))

    assert weeks.rows == (("2026-11-23", "5", "1"), ("2026-11-30", "3", "2"))
    assert found.rows == (("Ada", "1 time"),)


def test_what_there_is_nothing_of_has_no_table(town: Cast) -> None:
    assert figures.tables(report("two-names", {"kinds": {}, "people": 4})) == []
    empty = {"since": "2026-09-01", "searches": 0, "hits": 0, "days": [], "people": []}
    assert figures.tables(report(activity.NAME, empty)) == []
