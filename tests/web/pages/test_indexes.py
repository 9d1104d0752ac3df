"""Pages of search indexes, as a browser without scripts sees them."""

from collections.abc import Callable
from typing import Any

import pytest

from core import maintenance
from core.db import index_work, pool
from core.services import Services
from web.pages.words import INDEX_WORK

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py


@pytest.fixture
def maintain(services: Services) -> Callable[[], list[str]]:
    """Do what a worker does about indexes."""

    def run() -> list[str]:
        assert services.settings.database_url is not None
        with pool.connect(services.settings.database_url, autocommit=True) as conn:
            return maintenance.maintain(conn, services.settings)

    return run


def test_a_small_collection_says_that_it_is_searched_exactly(visitor: Visitor, crowd: str) -> None:
    page = visitor.get(f"/collections/{crowd}/index")
    text = visitor.read(page)

    assert "Every search compares all 4 faces" in text
    assert "Above 50,000 faces" in text
    assert "about 1 s (by a published rate)" in text
    assert "Give it an index now" in text
    assert "data-done" in page.text, "no script asks again"
    assert f'href="/collections/{crowd}/index"' in visitor.get(f"/collections/{crowd}").text


def test_an_index_is_asked_for_watched_and_listed(
    visitor: Visitor, crowd: str, maintain: Callable[[], list[str]]
) -> None:
    asked = visitor.post(f"/collections/{crowd}/index", action="promote", kind="hnsw")
    maintain()
    page = visitor.read(visitor.get(f"/collections/{crowd}/index"))
    listed = visitor.read(visitor.get("/system/indexes"))

    assert asked.status_code == 200
    assert "A worker sees to it" in visitor.read(asked)
    assert "Waiting Own table and index" in visitor.read(asked)
    assert "data-done" not in asked.text
    assert "Give it an index now" not in visitor.read(asked)
    assert "find their way through 4 faces by an index" in page
    assert "Index of whole vectors" in page
    assert "Build it anew now Drop the index" in page
    assert "Own table and index" in page
    assert "team 4 Whole vectors" in listed


def test_running_work_shows_its_step(visitor: Visitor, crowd: str, services: Services) -> None:
    visitor.post(f"/collections/{crowd}/index", action="promote")
    with services.pool.connection() as conn:
        work = index_work.claim(conn)
        assert work is not None
        index_work.report(conn, work.id, "copying the faces", 1, 4)

    page = visitor.get(f"/collections/{crowd}/index", **{"X-Fragment": "1"})

    assert page.headers["X-Fragment"] == "1"
    assert "<h1>" not in page.text
    assert "Own table and index : copying the faces" in visitor.read(page)
    assert 'value="1" max="4"' in page.text
    assert "1 of 4" in visitor.read(page)


def test_what_makes_no_sense_is_told_on_the_page(visitor: Visitor, crowd: str) -> None:
    refused = visitor.post(f"/collections/{crowd}/index", action="rebuild")
    nonsense = visitor.post(f"/collections/{crowd}/index", action="explode")

    assert refused.status_code == 409
    assert "This index does not need that" in visitor.read(refused)
    assert "promote it first" in visitor.read(refused)
    assert nonsense.status_code == 400
    assert "There is no such work on an index." in visitor.read(nonsense)


def test_a_build_that_does_not_fit_into_memory_is_told_before_it_starts(
    visitor: Visitor, crowd: str, services: Services
) -> None:
    with services.pool.connection() as conn:
        conn.execute("UPDATE collections SET face_count = 100000000 WHERE id = %s", [crowd])

    text = visitor.read(visitor.get(f"/collections/{crowd}/index"))

    assert "This is more memory than a build may take" in text
    assert "hours" in text


def test_without_large_collections_the_list_says_so(visitor: Visitor, crowd: str) -> None:
    assert "all are searched exactly" in visitor.read(visitor.get("/system/indexes"))
    assert 'href="/system/indexes"' in visitor.get("/system").text


def test_every_action_has_words() -> None:
    assert list(INDEX_WORK) == list(index_work.Action)
