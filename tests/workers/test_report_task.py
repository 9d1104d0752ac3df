"""Reports and new faces in a real worker."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from core import reporting, reviews
from core.db import arrivals
from core.db import reports as rows
from core.doorbell import MAINTENANCE_QUEUE, REPORT_TASK
from core.reports.registry import REPORTS
from core.services import Services
from tests.casts import Cast, directions, near
from tests.conftest import RecordingDoorbell
from workers.app import configuration

pytestmark = pytest.mark.usefixtures("pipelines")

Make = Callable[[Cast], None]


@pytest.fixture
def make(
    services: Services, doorbell: RecordingDoorbell, start_worker: Any, wait_until: Any
) -> Make:
    """Ask for all reports of a collection, ring for a worker, and wait until they are made."""

    def make(town: Cast) -> None:
        reporting.ask(services, doorbell, town.collection.id, list(REPORTS), actor="test")
        settings = services.settings.model_copy(update={"report_hours": 0})
        worker = start_worker(settings)
        bell = Celery("test", set_as_current=False)
        bell.conf.update(configuration(settings))
        bell.send_task(REPORT_TASK, queue=MAINTENANCE_QUEUE)

        def made() -> bool:
            return len(rows.latest(town.conn, town.collection.id)) == len(REPORTS)

        wait_until(made, seconds=60, log=worker.log)

    return make


def test_a_worker_that_is_rung_for_looks_at_new_faces_and_makes_reports(
    cast: Callable[[], Cast], make: Make
) -> None:
    town = cast()
    ann, bob = directions(2)
    town.add(near(ann, 0.95, 5, seed=1), "Ann")
    town.add(near(bob, 0.95, 5, seed=2), "Bob")
    new = town.add(near(ann, 0.95, 1, seed=3), "Bob")
    with town.conn.transaction():
        arrivals.note(town.conn, dict.fromkeys(new, town.collection.id))

    make(town)

    items = reviews.page(town.conn, town.collection.id, limit=20)
    assert {each.source for each in items} >= {"arrival"}
    assert all(each.collection_id == town.collection.id for each in items)


def test_reports_are_made_where_new_faces_cannot_be_looked_at(
    cast: Callable[[], Cast], make: Make
) -> None:
    town = cast()
    town.add(directions(3), "Ann")
    town.conn.execute("ALTER TABLE arrivals RENAME TO away")

    make(town)
