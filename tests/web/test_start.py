"""The web process starts only where it can work."""

from collections.abc import Callable

import pytest

from core.errors import SetupError
from core.services import Services, close_services
from core.settings import Settings
from web import app
from web.services import EXTENSION


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
