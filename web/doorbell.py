"""Ringing for a worker from a process that is none: messages by task name, in short time."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from celery import Celery
from kombu.exceptions import KombuError

from core.doorbell import (
    IMPORT_TASK,
    INDEX_TASK,
    INGEST_QUEUE,
    INGEST_TASK,
    MAINTENANCE_QUEUE,
    REPORT_TASK,
    SEARCH_QUEUE,
    SEARCH_TASK,
    message_url,
)
from core.errors import BrokerUnavailable
from core.settings import Settings

PATIENCE_S = 3
"""A person waits meanwhile; a ring that is lost costs less than one that hangs."""


class CeleryDoorbell:
    """A `core.doorbell.Doorbell` that only ever sends."""

    def __init__(self, settings: Settings) -> None:
        assert settings.broker_url is not None, "services were opened, so there is a broker"  # noqa: S101
        broker = message_url(settings.broker_url)
        self._app = Celery("facesearch-web", broker=broker, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            task_publish_retry=False,
            broker_connection_retry=False,
            broker_connection_timeout=PATIENCE_S,
            broker_transport_options={
                "socket_timeout": PATIENCE_S,
                "socket_connect_timeout": PATIENCE_S,
                "max_retries": 1,
                "interval_start": 0,
                "interval_step": 0,
            },
        )

    def ingest(self) -> None:
        """Ask a worker to look for waiting photos."""
        with _broker_errors():
            self._app.send_task(INGEST_TASK, queue=INGEST_QUEUE)

    def search(self, request_id: str) -> None:
        """Ask a worker to analyse a query photo."""
        with _broker_errors():
            self._app.send_task(SEARCH_TASK, args=[request_id], queue=SEARCH_QUEUE)

    def indexes(self) -> None:
        """Ask a worker to look for work on search indexes."""
        with _broker_errors():
            self._app.send_task(INDEX_TASK, queue=MAINTENANCE_QUEUE)

    def imports(self) -> None:
        """Ask a worker to look for imports that wait to be read."""
        with _broker_errors():
            self._app.send_task(IMPORT_TASK, queue=MAINTENANCE_QUEUE)

    def reports(self) -> None:
        """Ask a worker to look for reports that wait to be made."""
        with _broker_errors():
            self._app.send_task(REPORT_TASK, queue=MAINTENANCE_QUEUE)

    def close(self) -> None:
        """Give the connections back."""
        self._app.close()


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except (KombuError, redis.RedisError, OSError) as error:
        raise BrokerUnavailable("The broker cannot be reached.") from error
