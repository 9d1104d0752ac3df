"""Tags and the time of photos that a command puts in."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core import gallery
from core.db.collections import Collection
from core.db.images import Image
from core.services import Services
from web.cli import main

Ingest = Callable[..., Result]


@pytest.fixture
def ingest(
    services: Services,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    photo: Callable[[int], bytes],
) -> Ingest:
    """Run `facesearch ingest` on a folder of two photos; no worker is there."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in (1, 2):
        (folder / f"{n}.png").write_bytes(photo(n))

    def invoke(*options: str) -> Result:
        command = ["ingest", str(folder), "-c", collection.name, "--no-wait", *options]
        return CliRunner().invoke(main, command)

    return invoke


def images(services: Services, collection: Collection) -> list[Image]:
    with services.pool.connection() as conn:
        return gallery.images(conn, collection.id, limit=9)


def test_tags_and_time_are_those_of_all_photos(
    ingest: Ingest, services: Services, collection: Collection
) -> None:
    result = ingest("--tag", "party", "--tag", "two words, 2024", "--captured-at", "2024-05-31")

    assert result.exit_code == 0, result.output
    for image in images(services, collection):
        assert image.tags == ["party", "two words", "2024"]
        assert image.captured_at == datetime(2024, 5, 31, tzinfo=UTC)


def test_without_them_photos_have_none(
    ingest: Ingest, services: Services, collection: Collection
) -> None:
    ingest()

    found = images(services, collection)
    assert [(image.tags, image.captured_at) for image in found] == [([], None)] * 2


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--tag", "x" * 101, "A tag has 1 to 100 characters."),
        ("--captured-at", "yesterday", "Give a date or a time"),
        ("--captured-at", "1800-01-01", "No photo was taken then"),
    ],
)
def test_what_cannot_be_stored_is_said_before_anything_goes_in(
    ingest: Ingest, services: Services, collection: Collection, option: str, value: str, told: str
) -> None:
    result = ingest(option, value)

    assert result.exit_code == 1
    assert told in result.stderr
    assert images(services, collection) == []
