"""The Celery application: ``celery -A workers.app worker`` and ``celery -A workers.app beat``.

Importing it reads nothing: the settings are loaded when Celery first asks for one.
"""

import logging
import sys
import warnings
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]
from celery.signals import beat_init, celeryd_init

from core.doorbell import QUEUES, message_url
from core.errors import SetupError
from core.local.state import resolve
from core.settings import Settings
from workers import schedule

REDELIVER_S = 3600
"""Longer than any batch: a message that comes twice does no harm, and does no good either. One
whose worker was killed need not come back sooner, for the sweeper rings for its photos."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
TASK_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(task_name)s: %(message)s"


def load_settings() -> Settings:
    """Return settings that name a database and a broker; wrong ones end the process."""
    try:
        return resolve(Settings.load())
    except SetupError as error:
        sys.exit(str(error))


def configuration(settings: Settings) -> dict[str, Any]:
    """Return what Celery is told."""
    assert settings.broker_url is not None, "resolved settings name a broker"  # noqa: S101
    return {
        "broker_url": message_url(settings.broker_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": REDELIVER_S,
            # Queues are emptied in the order in which the worker consumes them, not in turns.
            "queue_order_strategy": "priority",
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
        },
        "task_queues": {name: {"exchange": name, "routing_key": name} for name in QUEUES},
        "task_create_missing_queues": False,
        "task_default_queue": QUEUES[-1],
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        # A message goes when its work is done, so that a killed worker does not take it along.
        "task_acks_late": True,
        "task_retry_on_worker_lost": True,
        "task_reject_on_worker_lost": False,
        # A worker holds what it works on and nothing more: the rest is free for others, and a
        # search that comes in is next.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_pool": "threads",
        "worker_concurrency": settings.worker_threads,
        "worker_enable_remote_control": False,
        "worker_log_format": LOG_FORMAT,
        "worker_task_log_format": TASK_LOG_FORMAT,
        "worker_log_color": False,
        "worker_redirect_stdouts": False,
        "beat_schedule": schedule.entries(settings),
    }


app = Celery("facesearch")
app.add_defaults(lambda: configuration(load_settings()))


@celeryd_init.connect
def _become_worker(**_: Any) -> None:
    """Only a worker needs the tasks and the libraries behind them; beat knows them by name."""
    # Celery warns whoever is root that pickled messages are dangerous. None are accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.loader.import_task_module("workers.tasks")


@beat_init.connect
def _become_beat(**_: Any) -> None:
    logging.getLogger("celery.beat").setLevel(logging.WARNING)  # a line for each ring, otherwise
