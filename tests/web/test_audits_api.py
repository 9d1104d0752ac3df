"""Recall audits, and what a collection says about its queries, through the API."""

from collections.abc import Callable
from typing import Any

import pytest

from core import recall
from core.db import recall as rows
from core.services import Services
from tests.galleries import Gallery, manifold


@pytest.fixture
def audited(
    gallery: Callable[..., Gallery], services: Services, monkeypatch: pytest.MonkeyPatch
) -> Gallery:
    """A collection that was audited twice."""
    monkeypatch.setattr(recall, "QUERIES", 20)
    made = gallery(manifold(500))
    for _ in range(2):
        recall.audit(made.conn, made.collection, services.settings)
    return made


def test_audits_are_listed_newest_first_and_paged(client, audited: Gallery) -> None:
    path = f"/v1/collections/{audited.collection.id}/audits"

    everything = client.get(path).json["items"]
    first = client.get(path, query_string={"limit": 1}).json
    second = client.get(path, query_string={"limit": 1, "cursor": first["next_cursor"]}).json

    assert [each["id"] for each in everything] == sorted(
        (each["id"] for each in everything), reverse=True
    )
    assert [*first["items"], *second["items"]] == everything
    assert second["next_cursor"] is None
    newest = everything[0]
    assert (newest["kind"], newest["ef_search"], newest["faces"]) == ("hnsw", 100, 500)
    assert newest["recall_10"] > 0.9
    assert newest["steps"][0]["ef_search"] == newest["proposed_ef_search"] == 40


def test_a_collection_that_is_not_there_has_no_list(client, problem) -> None:
    unknown = "/v1/collections/00000000-0000-0000-0000-000000000000/audits"

    problem(client.get(unknown), 404, "collection_not_found")


def test_a_proposal_is_used_by_changing_the_collection(client) -> None:
    made = client.collection()
    path = f"/v1/collections/{made['id']}"

    assert made["ef_search"] is None
    assert client.patch(path, json={"ef_search": 160}).json["ef_search"] == 160
    assert client.patch(path, json={"name": "other"}).json["ef_search"] == 160
    assert client.patch(path, json={"ef_search": None}).json["ef_search"] is None


@pytest.mark.parametrize(
    "change", [{"ef_search": 5}, {"ef_search": 1001}, {"keeps_queries": None}, {"ef_search": "9"}]
)
def test_what_makes_no_sense_is_refused(client, problem, change: dict[str, Any]) -> None:
    made = client.collection()

    problem(client.patch(f"/v1/collections/{made['id']}", json=change), 400, "invalid_request")


def test_keeping_queries_is_the_collections_choice(client, services: Services) -> None:
    usual, without = client.collection("usual"), client.collection("other", keeps_queries=False)

    assert (usual["keeps_queries"], without["keeps_queries"]) == (True, False)
    with services.pool.connection() as conn:
        rows.keep_query(conn, usual["id"], manifold(1)[0], most=5)
    changed = client.patch(f"/v1/collections/{usual['id']}", json={"keeps_queries": False})

    assert changed.json["keeps_queries"] is False
    with services.pool.connection() as conn:
        assert rows.sampled_queries(conn, usual["id"], limit=5) == []
