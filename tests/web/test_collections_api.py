"""Collections through the API."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from core import collections
from core.blobs import Kind
from core.budget import Fit, Impostors, Steps
from core.db import collections as rows
from core.services import Services

IMPOSTORS = Impostors(
    Steps(1e-4, (0.96, 0.95)), Fit(0.95, 1e-3, 0.005, 300), 1_000_000, 500, date(2026, 11, 24)
)


def calibrate(services: Services, collection_id: str, faces: int) -> None:
    """Say that a collection was calibrated and holds so many faces."""
    with services.pool.connection() as conn:
        collections.change(conn, UUID(collection_id), threshold=0.9, impostors=IMPOSTORS)
        rows.count(conn, UUID(collection_id), faces=faces)


def test_a_new_collection_has_the_space_and_threshold_of_its_pack(
    services: Services, client
) -> None:
    pack = services.manifest.pack("open")

    made = client.collection("team", external_id="HR-7", metadata={"site": "Lyon"})

    assert made["space_id"] == pack.space.id
    assert made["dimension"] == 128
    assert made["threshold"] == pytest.approx(pack.threshold)
    assert made["threshold_source"] == pack.threshold_source
    assert made["external_id"] == "HR-7"
    assert made["metadata"] == {"site": "Lyon"}
    assert (made["image_count"], made["face_count"], made["person_count"]) == (0, 0, 0)
    assert client.get(f"/v1/collections/{made['id']}").json == made


def test_a_collection_takes_the_pack_and_threshold_that_were_asked_for(client) -> None:
    made = client.collection(pack="buffalo_l", threshold=0.4)

    assert made["pack"] == "buffalo_l"
    assert made["dimension"] == 512
    assert made["threshold"] == pytest.approx(0.4)
    assert made["threshold_source"] == "set by hand"


def test_a_collection_has_a_quality_gate_that_can_be_changed(client, problem) -> None:
    usual, strict = client.collection("usual"), client.collection("strict", quality_gate="strict")

    changed = client.patch(f"/v1/collections/{usual['id']}", json={"quality_gate": "off"})
    wrong = client.patch(f"/v1/collections/{usual['id']}", json={"quality_gate": "high"})

    assert (usual["quality_gate"], strict["quality_gate"]) == ("standard", "strict")
    assert changed.json["quality_gate"] == "off"
    assert problem(wrong, 400, "invalid_request")["details"]["errors"][0]["field"] == "quality_gate"
    assert client.get(f"/v1/collections/{usual['id']}").json["quality_gate"] == "off"


def test_a_policy_is_a_cosine_or_a_budget_that_follows_the_gallery(
    services: Services, client
) -> None:
    made = client.collection(policy={"kind": "cosine", "value": 0.5})
    path = f"/v1/collections/{made['id']}"
    calibrate(services, made["id"], faces=1000)

    budget = client.patch(path, json={"policy": {"kind": "budget", "one_in": 100}}).json
    with services.pool.connection() as conn:
        rows.count(conn, UUID(made["id"]), faces=99_000)
    outgrown = client.get(path).json
    fixed = client.patch(path, json={"policy": {"kind": "cosine", "value": 0.75}}).json

    assert (made["policy"], made["calibration"]) == ({"kind": "cosine", "value": 0.5}, None)
    assert budget["policy"] == {
        "kind": "budget",
        "one_in": 100,
        "kept": True,
        "keeps_one_in": 100,
        "evidence": "extrapolated",
        "gallery_size": 1000,
        "fmr": pytest.approx(1.005e-5, rel=1e-3),
    }
    assert budget["threshold"] == pytest.approx(0.973, abs=2e-5)
    assert budget["threshold_source"].startswith("at most one false alarm in 100 strangers")
    assert budget["calibration"] == {
        "day": "2026-11-24",
        "people": 500,
        "pairs": 1_000_000,
        "rarest_measured": 1e-4,
    }
    assert (outgrown["policy"]["kept"], outgrown["policy"]["keeps_one_in"]) == (False, 10)
    assert outgrown["threshold"] > budget["threshold"]
    assert (fixed["policy"], fixed["threshold"]) == ({"kind": "cosine", "value": 0.75}, 0.75)


def test_a_budget_that_nobody_can_keep_is_a_conflict_and_says_what_to_do(
    services: Services, client, problem
) -> None:
    wish = {"policy": {"kind": "budget", "one_in": 10**9}}
    made = client.collection()

    early = client.post("/v1/collections", json={"name": "new", **wish})
    uncalibrated = client.patch(f"/v1/collections/{made['id']}", json=wish)
    calibrate(services, made["id"], faces=1000)
    beyond = client.patch(f"/v1/collections/{made['id']}", json=wish)

    for response, keeps in ((early, None), (uncalibrated, None), (beyond, 1000)):
        told = problem(response, 409, "calibration_needed")
        assert told["details"] == {"one_in": 10**9, "keeps_one_in": keeps}
    assert "facesearch calibrate" in problem(uncalibrated, 409, "calibration_needed")["detail"]
    assert len(client.get("/v1/collections").json["items"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.5, "policy": {"kind": "cosine", "value": 0.5}},
        {"policy": {"kind": "budget", "one_in": 1}},
        {"policy": {"kind": "budget", "one_in": 10**10}},
        {"policy": {"kind": "budget", "value": 0.5}},
        {"policy": {"kind": "cosine", "value": 2}},
        {"policy": {"kind": "luck"}},
        {"policy": {"one_in": 10}},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(client, problem, wrong: dict[str, Any]) -> None:
    made = client.collection()

    problem(client.post("/v1/collections", json={"name": "new", **wrong}), 400, "invalid_request")
    problem(client.patch(f"/v1/collections/{made['id']}", json=wrong), 400, "invalid_request")


def test_a_threshold_too_small_for_single_precision_is_zero(client) -> None:
    assert client.collection(threshold=1e-300)["threshold"] == 0


def test_an_unknown_pack_is_refused(client, problem) -> None:
    response = client.post("/v1/collections", json={"name": "team", "pack": "none"})

    assert "open" in problem(response, 422, "pack_not_found")["detail"]


@pytest.mark.parametrize("field", ["name", "external_id"])
def test_a_name_or_external_id_in_use_is_refused(client, problem, field: str) -> None:
    client.collection("team", external_id="HR-7")
    again = {"name": "other", "external_id": "HR-8", field: {"name": "team"}.get(field, "HR-7")}

    response = client.post("/v1/collections", json=again)

    assert problem(response, 409, "name_taken")["details"] == {"field": field}


def test_blanks_around_a_name_are_dropped_and_any_script_is_kept(client) -> None:
    assert client.collection("  Équipe 日本 [1] ")["name"] == "Équipe 日本 [1]"


def test_collections_are_found_by_external_id(client) -> None:
    client.collection("other")
    made = client.collection("team", external_id="a/b?c&d")

    response = client.get("/v1/collections", query_string={"external_id": "a/b?c&d"})

    assert [each["id"] for each in response.json["items"]] == [made["id"]]


def test_a_change_keeps_what_is_left_out(client) -> None:
    made = client.collection("team", external_id="HR-7", metadata={"a": 1})
    path = f"/v1/collections/{made['id']}"

    changed = client.patch(path, json={"threshold": 0.5}).json

    assert changed["threshold"] == pytest.approx(0.5)
    assert changed["threshold_source"] == "set by hand"
    kept = ("name", "external_id", "metadata", "space_id", "created_at")
    assert {key: changed[key] for key in kept} == {key: made[key] for key in kept}
    assert client.patch(path, json={"external_id": None}).json["external_id"] is None
    assert client.patch(path, json={"metadata": {}, "name": "new"}).json["metadata"] == {}
    assert client.patch(path, json={}).json["name"] == "new"


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": " "},
        {"metadata": None},
        {"threshold": None},
        {"policy": None},
        {"pack": "buffalo_l"},
        {"space_id": "sp_0"},
        {"external_id": ""},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(client, problem, change: dict[str, Any]) -> None:
    made = client.collection()

    problem(client.patch(f"/v1/collections/{made['id']}", json=change), 400, "invalid_request")


def test_renaming_to_a_name_in_use_is_refused(client, problem) -> None:
    client.collection("team")
    other = client.collection("other")

    response = client.patch(f"/v1/collections/{other['id']}", json={"name": "team"})

    problem(response, 409, "name_taken")


@pytest.mark.parametrize("confirm", [None, "", "yes", "true", "0" * 36])
def test_a_collection_is_deleted_only_when_its_id_is_repeated(client, problem, confirm) -> None:
    path = f"/v1/collections/{client.collection()['id']}"
    query = {} if confirm is None else {"confirm": confirm}

    problem(client.delete(path, query_string=query), 400, "confirmation_required")
    assert client.get(path).status_code == 200


def test_a_deleted_collection_takes_everything_along_and_leaves_a_receipt(
    services: Services, client, problem
) -> None:
    team = client.collection()["id"]
    image = client.add(team, (10, 0), (20, 0))
    client.name(team, "Ada", image["faces"][0]["id"])

    response = client.delete(f"/v1/collections/{team}?confirm={team}")

    assert response.status_code == 200
    assert response.json == {"collection_id": team, "images": 1, "faces": 2, "people": 1}
    problem(client.get(f"/v1/collections/{team}"), 404, "collection_not_found")
    problem(client.get(f"/v1/images/{image['id']}"), 404, "image_not_found")
    for kind in Kind:
        folder = services.settings.data_dir / "blobs" / kind.value
        assert not [path for path in folder.rglob("*") if path.is_file()]
    problem(client.delete(f"/v1/collections/{team}?confirm={team}"), 404, "collection_not_found")
