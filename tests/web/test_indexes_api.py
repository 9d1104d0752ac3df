"""How collections are indexed, and asking for work on that."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from core import maintenance
from core.db import pool
from core.services import Services

Client = Any


@pytest.fixture
def maintain(services: Services) -> Callable[[], list[str]]:
    """Do what a worker does about indexes."""

    def run() -> list[str]:
        assert services.settings.database_url is not None
        with pool.connect(services.settings.database_url, autocommit=True) as conn:
            return maintenance.maintain(conn, services.settings)

    return run


def work(client: Client, collection_id: str, action: str, **more: Any) -> Any:
    return client.post(f"/v1/collections/{collection_id}/index", json={"action": action, **more})


def test_a_small_collection_is_searched_exactly_and_knows_what_a_table_would_take(
    client: Client, crowd: str
) -> None:
    told = client.get(f"/v1/collections/{crowd}/index").json

    assert (told["layout"], told["faces"], told["indexes"]) == ("tail", 4, [])
    assert told["estimate"]["action"] == "promote"
    assert told["estimate"]["memory_bytes"] == 4 * (256 + 716)
    assert told["estimate"]["fits"] is True
    assert (told["open_work"], told["progress"], told["last_work"]) == ([], None, None)


def test_an_empty_collection_has_no_estimate(client: Client, team: str) -> None:
    assert client.get(f"/v1/collections/{team}/index").json["estimate"] is None


def test_a_collection_is_promoted_by_a_worker_and_then_listed(
    client: Client, crowd: str, maintain: Callable[[], list[str]]
) -> None:
    asked = work(client, crowd, "promote")
    waiting = client.get(f"/v1/collections/{crowd}/index").json
    done = maintain()
    told = client.get(f"/v1/collections/{crowd}/index").json
    listed = client.get("/v1/indexes").json

    assert asked.status_code == 202
    assert (asked.json["state"], asked.json["action"]) == ("waiting", "promote")
    assert asked.json["actor"].endswith("tests")
    assert [each["id"] for each in waiting["open_work"]] == [asked.json["id"]]
    assert done[-1] == "did promote 'team'"
    assert (told["layout"], told["last_work"]["state"]) == ("own", "done")
    (index,) = told["indexes"]
    assert (index["kind"], index["valid"]) == ("hnsw", True)
    assert index["built_at"] is not None
    assert told["estimate"]["action"] == "rebuild"
    assert [each["collection_id"] for each in listed["items"]] == [crowd]


def test_asking_twice_is_asking_once(client: Client, crowd: str) -> None:
    first, second = work(client, crowd, "promote"), work(client, crowd, "promote")

    assert first.json["id"] == second.json["id"]


def test_work_waits_while_the_broker_is_away(client: Client, crowd: str, bell: Any) -> None:
    bell.broker = False

    assert work(client, crowd, "promote").status_code == 202


@pytest.mark.parametrize("action", ["build", "rebuild", "drop"])
def test_among_small_collections_there_is_no_index_to_work_on(
    client: Client, crowd: str, problem: Any, action: str
) -> None:
    told = problem(work(client, crowd, action), 409, "index_work_refused")

    assert "promote it first" in told["detail"]


def test_what_makes_no_sense_for_an_own_table_is_refused(
    client: Client, crowd: str, problem: Any, maintain: Callable[[], list[str]]
) -> None:
    work(client, crowd, "promote")
    maintain()

    refused = "index_work_refused"
    assert "already" in problem(work(client, crowd, "promote"), 409, refused)["detail"]
    assert "rebuild it" in problem(work(client, crowd, "build"), 409, refused)["detail"]
    assert problem(work(client, crowd, "rebuild", kind="bit"), 409, refused)
    assert problem(work(client, crowd, "drop", kind="bit"), 409, refused)
    assert work(client, crowd, "build", kind="bit").status_code == 202
    under_way = problem(work(client, crowd, "build", kind="hnsw"), 409, refused)
    assert "rebuild it" in under_way["detail"]


def test_an_empty_collection_is_not_promoted(client: Client, team: str, problem: Any) -> None:
    told = problem(work(client, team, "promote"), 409, "index_work_refused")

    assert "no faces yet" in told["detail"]


def test_nonsense_is_refused(client: Client, crowd: str, problem: Any) -> None:
    problem(work(client, crowd, "explode"), 400, "invalid_request")
    problem(work(client, crowd, "promote", kind="ivf"), 400, "invalid_request")
    problem(work(client, str(uuid4()), "promote"), 404, "collection_not_found")
    problem(client.get(f"/v1/collections/{uuid4()}/index"), 404, "collection_not_found")


def test_strangers_learn_nothing_about_indexes(stranger: Any, crowd: str) -> None:
    assert stranger.get("/v1/indexes").status_code == 401
    assert stranger.post(f"/v1/collections/{crowd}/index", json={}).status_code == 401


def test_the_list_is_read_page_by_page(client: Client, crowd: str) -> None:
    other = client.collection("other")["id"]
    client.add(other, (10, 0))
    for collection_id in (crowd, other):
        assert work(client, collection_id, "promote").status_code == 202

    first = client.get("/v1/indexes?limit=1").json
    second = client.get(f"/v1/indexes?limit=1&cursor={first['next_cursor']}").json

    found = [page["items"][0]["collection_id"] for page in (first, second)]
    assert found == [crowd, other]
    assert second["next_cursor"] is None
