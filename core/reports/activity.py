"""Activity: searches and hits by day, and who is found most."""

from datetime import UTC, datetime, timedelta
from typing import Final

from core.db import activity as rows
from core.reports.finding import Outcome
from core.reports.material import Material

NAME: Final = "activity"

DAYS: Final = 90

MOST_PEOPLE: Final = 50


def make(material: Material) -> Outcome:
    """Count what was searched and found lately. There are no findings, only numbers."""
    since = (datetime.now(UTC) - timedelta(days=DAYS)).date()
    conn, collection_id = material.conn, material.collection.id
    days = rows.by_day(conn, collection_id, since)
    people = rows.most_found(conn, collection_id, since, limit=MOST_PEOPLE)
    return Outcome(
        summary={
            "since": since.isoformat(),
            "searches": sum(day.searches for day in days),
            "hits": sum(day.hits for day in days),
            "days": [
                {"day": day.day.isoformat(), "searches": day.searches, "hits": day.hits}
                for day in days
            ],
            "people": [
                {"person_id": str(each.person_id), "name": each.name, "times": each.times}
                for each in people
            ],
        }
    )
