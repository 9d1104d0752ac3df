"""What an index finds, on its page."""

from collections.abc import Callable
from typing import Any

import pytest

from core import recall
from core.db import recall as rows
from core.services import Services
from tests.galleries import Gallery, manifold

Visitor = Any  # tests/web/pages/conftest.py


@pytest.fixture
def indexed(gallery: Callable[..., Gallery], monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """A collection with an index."""
    monkeypatch.setattr(recall, "QUERIES", 20)
    return gallery(manifold(500))


def test_before_the_first_audit_the_page_says_when_it_comes(
    visitor: Visitor, indexed: Gallery
) -> None:
    page = visitor.get(f"/collections/{indexed.collection.id}/index")

    assert "Not measured yet" in visitor.read(page)
    assert "Not measured yet" in visitor.read(visitor.get("/system/indexes"))
    assert "every 24 hours" in visitor.read(page)


def test_an_audit_is_shown_and_its_proposal_used_by_a_button(
    visitor: Visitor, indexed: Gallery, services: Services
) -> None:
    recall.audit(indexed.conn, indexed.collection, services.settings)
    path = f"/collections/{indexed.collection.id}"
    page = visitor.read(visitor.get(f"{path}/index"))
    used = visitor.read(visitor.post(f"{path}/recall", ef_search="40"))

    assert "20 queries searched by the index and exactly" in page
    assert "As wanted" in page
    assert "Use 40" in page
    assert "Use 40" not in used
    assert indexed.fresh().ef_search == 40


def test_an_index_that_finds_too_little_is_called_so(
    visitor: Visitor, indexed: Gallery, services: Services
) -> None:
    recall.audit(indexed.conn, indexed.collection, services.settings)
    indexed.conn.execute(
        "UPDATE recall_audits SET recall_10 = 0.5, mates = 7, lost_mates = 3, "
        "proposed_ef_search = NULL"
    )

    page = visitor.read(visitor.get(f"/collections/{indexed.collection.id}/index"))

    listed = visitor.read(visitor.get("/system/indexes"))

    assert "50.0 % Too few" in listed
    assert "Less than wanted" in page
    assert "it lost 3" in page
    assert "None is enough" in page


def test_keeping_queries_is_switched_off_and_on(visitor: Visitor, indexed: Gallery) -> None:
    path = f"/collections/{indexed.collection.id}/recall"
    rows.keep_query(indexed.conn, indexed.collection.id, manifold(1)[0], most=5)

    off = visitor.read(visitor.post(path, keeps_queries="0"))
    assert "No query is kept" in off
    assert rows.sampled_queries(indexed.conn, indexed.collection.id, limit=5) == []

    on = visitor.read(visitor.post(path, keeps_queries="1"))
    assert "They are numbers alone" in on


def test_an_index_of_bits_is_asked_for_on_the_page(visitor: Visitor, indexed: Gallery) -> None:
    path = f"/collections/{indexed.collection.id}/index"

    asked = visitor.read(visitor.post(path, action="build", kind="bit"))

    assert "A worker sees to it" in asked
    assert "Try an index of bits" not in asked, "it is under way"


@pytest.mark.parametrize("made_up", ["5", "x", "1001", "99999999999999999999"])
def test_a_made_up_number_is_refused(visitor: Visitor, indexed: Gallery, made_up: str) -> None:
    answer = visitor.post(f"/collections/{indexed.collection.id}/recall", ef_search=made_up)

    assert answer.status_code == 400
    assert indexed.fresh().ef_search is None
