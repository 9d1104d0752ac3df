"""The recall audit in a real worker."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from core import recall
from core.doorbell import MAINTENANCE_QUEUE, RECALL_TASK
from core.services import Services
from tests.galleries import Gallery, manifold
from workers.app import configuration

pytestmark = pytest.mark.usefixtures("pipelines")


def test_a_worker_that_is_rung_for_audits_what_is_due(
    gallery: Callable[..., Gallery], services: Services, start_worker: Any, wait_until: Any
) -> None:
    made = gallery(manifold(300))
    worker = start_worker(services.settings)
    bell = Celery("test", set_as_current=False)
    bell.conf.update(configuration(services.settings))

    bell.send_task(RECALL_TASK, queue=MAINTENANCE_QUEUE)

    wait_until(lambda: recall.latest(made.conn), seconds=60, log=worker.log)
    (audit,) = recall.latest(made.conn)
    assert (audit.collection_id, audit.faces) == (made.collection.id, 300)
