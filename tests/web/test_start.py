"""The web process starts only where it can work."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from core.db import activity
from core.db.collections import Collection
from core.errors import SetupError
from core.services import Services, close_services
from core.settings import Settings
from web import app
from web.services import EXTENSION

ROOT = Path(__file__).parents[2]


@pytest.fixture
def create(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Settings]:
    """Build the application from the environment, as gunicorn does; returns its settings."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)

    def build() -> Settings:
        opened = app.create().extensions[EXTENSION].services
        close_services(opened)
        return opened.settings

    return build


def test_it_starts_on_a_database_that_is_fit(
    services: Services, create: Callable[[], Settings], caplog: pytest.LogCaptureFixture
) -> None:
    assert create().database_url == services.settings.database_url
    assert caplog.records == []


def test_warnings_are_in_its_log_once(
    create: Callable[[], Settings],
    pgvector: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pgvector("0.8.4")

    create()

    [record] = caplog.records
    assert "Run ALTER EXTENSION vector UPDATE in this database." in record.getMessage()


def test_it_refuses_a_database_that_is_not(
    create: Callable[[], Settings], pgvector: Callable[[str], None]
) -> None:
    pgvector("0.8.2")

    with pytest.raises(SetupError, match="Run ALTER EXTENSION vector UPDATE"):
        create()


PROGRAM = """
import sys
from uuid import UUID
from web import app
from web.services import EXTENSION

app.create().extensions[EXTENSION].services.activity.note([UUID(sys.argv[1])], [])
"""


def test_a_process_that_ends_writes_down_the_searches_that_it_counted(
    services: Services, collection: Collection
) -> None:
    environment = services.settings.environment()

    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(collection.id)], env=environment, cwd=ROOT, check=True
    )

    with services.pool.connection() as conn:
        [day] = activity.by_day(conn, collection.id, date.min)
    assert day.searches == 1
