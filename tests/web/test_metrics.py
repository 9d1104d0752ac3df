"""What Prometheus scrapes, read with the parsers of its own client."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from core import metrics, ranking
from core.db.search import GroupBy
from core.finding import Options, find
from core.import_wishes import Source
from core.metrics import observe_search
from core.routing import Mode
from core.services import Services
from tests.galleries import manifold
from tests.importing import Importing

API = Any  # tests/web/conftest.py: Client
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture
def scrape(client: API) -> Callable[[], dict[str, Metric]]:
    def families() -> dict[str, Metric]:
        response = client.get("/metrics")
        assert response.status_code == 200
        assert response.content_type.startswith("text/plain; version=")
        return {family.name: family for family in text_string_to_metric_families(response.text)}

    return families


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    [found] = [
        each.value
        for family in families.values()
        for each in family.samples
        if each.name == sample and each.labels == labels
    ]
    return found


def test_only_whoever_may_in_sees_them(stranger: FlaskClient, problem: Any) -> None:
    problem(stranger.get("/metrics"), 401, "unauthorized")


def test_collections_are_counted_and_named(client: API, scrape: Any, picture: Any) -> None:
    home = client.collection('Söhne & "Töchter"\n')["id"]
    client.add(home, (10, 0), (40, 0))

    found = scrape()

    assert value(found, "facesearch_collections") == 1
    assert value(found, "facesearch_faces") == 2
    assert value(found, "facesearch_images") == 1
    assert value(found, "facesearch_collection_faces", collection=home) == 2
    assert value(found, "facesearch_collection_images", collection=home) == 1
    name = client.get(f"/v1/collections/{home}").json["name"]
    assert value(found, "facesearch_collection_info", collection=home, name=name) == 1


def test_of_many_collections_the_largest_have_series(
    client: API, scrape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_COLLECTIONS", 1)
    client.collection("small")
    large = client.collection("large")["id"]
    client.add(large, (10, 0))

    found = scrape()

    assert value(found, "facesearch_collections") == 2
    assert [s.labels for s in found["facesearch_collection_faces"].samples] == [
        {"collection": large}
    ]


def test_searches_are_counted_by_kind_of_index(scrape: Any) -> None:
    kind = "a test"
    observe_search(kind, 0.003, second_look=False, fallback=False)
    observe_search(kind, 0.004, second_look=True, fallback=False)
    observe_search(kind, 0.004, second_look=True, fallback=False)
    observe_search(kind, 30.0, second_look=False, fallback=True)

    found = scrape()

    assert value(found, "facesearch_search_seconds_count", index=kind) == 4
    assert value(found, "facesearch_search_seconds_sum", index=kind) == pytest.approx(30.011)
    assert value(found, "facesearch_search_seconds_bucket", index=kind, le="0.005") == 3
    assert value(found, "facesearch_search_seconds_bucket", index=kind, le="20.0") == 3
    assert value(found, "facesearch_search_second_looks_total", index=kind) == 2
    assert value(found, "facesearch_search_fallbacks_total", index=kind) == 1


def test_a_search_through_the_api_is_counted(client: API, crowd: str, scrape: Any) -> None:
    def exact() -> float:
        try:
            return value(scrape(), "facesearch_search_seconds_count", index="exact")
        except ValueError:
            return 0

    before = exact()
    face = client.get(f"/v1/collections/{crowd}/faces").json["items"][0]["id"]

    client.post(f"/v1/collections/{crowd}/search", json={"query": {"face_id": face}})

    assert exact() == before + 1


def test_a_search_that_took_a_second_look_is_counted(
    services: Services, gallery: Any, scrape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of so few faces each is looked at otherwise, since that is no slower.
    monkeypatch.setattr(ranking, "_exact_is_nearer", lambda part: False)
    home = gallery(manifold(500)).fresh()
    [stranger] = manifold(1, seed=5)

    def looks() -> float:
        try:
            return value(scrape(), "facesearch_search_second_looks_total", index="hnsw")
        except ValueError:
            return 0

    before = looks()
    options = Options(limit=3, group_by=GroupBy.FACE, mode=Mode.APPROXIMATE)
    for threshold in (-1.0, 1.0):  # everybody reaches the one, and nobody the other
        find(services, [home], [stranger], replace(options, threshold=threshold))

    assert looks() == before + 1


def test_the_backlog_the_workers_and_the_pool_are_told(
    client: API, bell: Any, scrape: Any, picture: Any
) -> None:
    bell.workers = False
    client.upload(client.collection()["id"], picture((10, 0)))

    found = scrape()

    assert value(found, "facesearch_photos_waiting") == 1
    assert value(found, "facesearch_photos_running") == 0
    assert value(found, "facesearch_broker_up") == 1
    assert value(found, "facesearch_workers_ready") == 0
    assert value(found, "facesearch_pool_connections", state="used") == 0
    assert value(found, "facesearch_pool_connections", state="free") >= 1
    assert value(found, "facesearch_pool_requests_total") > 0
    assert value(found, "facesearch_pool_wait_seconds_total") >= 0
    assert "process_resident_memory_bytes" in found


def test_imports_that_are_not_over_are_told(client: API, importing: Importing, scrape: Any) -> None:
    importing.create(Source.FILES)
    reading = importing.of_archive({"1.png": b"no photo"})
    paused = importing.of_archive({"1.png": b"no photo"})
    importing.sql("UPDATE imports SET paused = true WHERE id = %s", paused.id)
    importing.sql("UPDATE imports SET held_up_by = 'disk' WHERE id = %s", reading.id)

    found = scrape()

    told = {
        state: value(found, "facesearch_imports", state=state)
        for state in ("receiving", "reading", "indexing", "paused")
    }
    assert told == {"receiving": 1, "reading": 1, "indexing": 0, "paused": 1}
    assert value(found, "facesearch_imports_without_disk") == 1


def test_an_index_and_its_audit_are_told(services: Services, client: API, scrape: Any) -> None:
    home = client.collection()["id"]
    with services.pool.connection() as conn:
        table = f"faces_c_{UUID(home).hex}"
        conn.execute(f"CREATE TABLE {table} PARTITION OF faces FOR VALUES IN ('{home}')")
        conn.execute(
            f"CREATE INDEX {table}_hnsw ON {table} "
            "USING hnsw ((embedding::halfvec(128)) halfvec_cosine_ops)"
        )
        conn.execute("UPDATE collections SET layout = 'own'")
        conn.execute(
            "INSERT INTO recall_audits (collection_id, kind, ef_search, queries, stored_queries, "
            "faces, recall_1, recall_10, mates, lost_mates, approximate_ms, exact_ms) "
            "VALUES (%s, 'hnsw', 100, 200, 0, 1000, 1, 0.985, 40, 1, 1, 9)",
            [home],
        )
    try:
        found = scrape()

        assert value(found, "facesearch_index_bytes", collection=home, index="hnsw") > 0
        assert value(found, "facesearch_index_usable", collection=home, index="hnsw") == 1
        assert value(found, "facesearch_dead_ratio", collection=home) == 0
        assert value(found, "facesearch_recall_1", collection=home) == 1
        assert value(found, "facesearch_recall_10", collection=home) == pytest.approx(0.985)
        assert value(found, "facesearch_lost_mates_ratio", collection=home) == 0.025
        assert value(found, "facesearch_recall_audited_seconds", collection=home) > 1.7e9
    finally:
        with services.pool.connection() as conn:
            conn.execute(f"DROP TABLE {table}")


def test_a_collection_whose_partition_is_missing_hides_no_other_figure(
    services: Services, client: API, scrape: Any
) -> None:
    home = client.collection()["id"]
    with services.pool.connection() as conn:
        conn.execute("UPDATE collections SET layout = 'own'")

    found = scrape()

    assert value(found, "facesearch_collection_faces", collection=home) == 0
    assert found["facesearch_dead_ratio"].samples == []


def test_without_the_broker_the_rest_is_still_told(
    services: Services, scrape: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    kwargs = services.broker.connection_pool.connection_kwargs
    monkeypatch.setitem(kwargs, "path", f"{tmp_path}/none.sock")
    services.broker.connection_pool.disconnect()

    found = scrape()

    assert value(found, "facesearch_broker_up") == 0
    assert "facesearch_workers_ready" not in found
    assert value(found, "facesearch_collections") == 0


def test_openmetrics_is_given_to_whoever_asks_for_it(client: API) -> None:
    response = client.get("/metrics", headers={"Accept": OPEN_METRICS})

    assert response.content_type.startswith("application/openmetrics-text")
    assert "facesearch_faces" in {family.name for family in read_openmetrics(response.text)}
