"""Searching through the API: every way in, and what is said of every face."""

from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.images import PhotoLimits
from core.inference.contracts import FaceModels
from core.pipeline import Pipeline
from core.services import Services

ADA, EVE, KIM = 10, 40, 80
"""Three people who look nothing alike."""


def names(result: Mapping[str, Any]) -> list[str | None]:
    return [match["person"] and match["person"]["name"] for match in result["matches"]]


def test_every_face_of_a_photo_is_searched(client, crowd: str, picture) -> None:
    response = client.search(crowd, picture((ADA, 30), (0, 0), (KIM, 30)))

    assert response.status_code == 200
    answer = response.json
    assert answer["query"]["kind"] == "photo"
    assert answer["query"]["image"] == {"width": 300, "height": 100, "format": "png"}
    assert [face["searched"] for face in answer["query"]["faces"]] == [True, True]
    assert [result["face_index"] for result in answer["results"]] == [0, 1]
    assert names(answer["results"][0])[0] == "Ada"
    assert answer["results"][1]["matches"][0]["person"] is None
    assert answer["reason"] is None


def test_a_face_of_the_query_is_described_in_pixels_and_in_parts(client, crowd, picture) -> None:
    (face,) = client.search(crowd, picture((0, 0), (ADA, 0))).json["query"]["faces"]

    assert face["box"] == {"left": 100.0, "top": 0.0, "width": 100.0, "height": 100.0}
    assert face["box_rel"] == {"left": 0.5, "top": 0.0, "width": 0.5, "height": 1.0}
    assert face["landmarks"][0] == [130.0, 40.0]
    assert face["score"] == pytest.approx(0.98, abs=1e-3)
    assert face["norm"] == 20.0
    assert face["quality"]["overall"] == 0.8
    assert face["reasons"] == []


def test_a_match_says_all_that_is_known_of_it(client, crowd: str, picture) -> None:
    result = client.search(crowd, picture((ADA, 0))).json["results"][0]

    best, *others = result["matches"]
    assert best["rank"] == 1
    assert best["person"]["name"] == "Ada"
    assert best["cosine"] == pytest.approx(1, abs=1e-3)
    assert best["margin"] == pytest.approx(1, abs=1e-3)
    assert best["decision"] == "match"
    assert best["supporting_faces"] == 2
    assert client.get(best["crop_url"]).status_code == 200
    assert client.get(best["thumbnail_url"]).status_code == 200
    assert [match["decision"] for match in others] == ["no_match", "no_match"]
    assert result["threshold"] == pytest.approx(0.8)
    assert result["threshold_source"] == "set by hand"
    assert result["searched_faces"] == 4
    assert result["index"] == {
        "kind": "exact", "exact": True, "ef_search": None, "second_look": False, "candidates": 4, "fallback": None,
    }  # fmt: skip
    assert (result["more"], result["next_cursor"]) == (False, None)


def test_the_time_is_accounted_for(client, crowd: str, picture) -> None:
    response = client.search(crowd, picture((ADA, 0)))

    stages = [part.split(";")[0] for part in response.headers["Server-Timing"].split(", ")]
    assert stages == ["queue", "decode", "copies", "detect", "align", "embed", "search"]
    assert response.json["processing_ms"] >= 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["Ada", "Eve", None]),
        ({"limit": "1"}, ["Ada"]),
        ({"only_matches": "true"}, ["Ada"]),
        ({"group_by": "face"}, ["Ada", "Ada", "Eve", None]),
        ({"group_by": "face", "threshold": "0.99", "only_matches": "1"}, ["Ada"]),
        ({"threshold": "-1", "only_matches": "true"}, ["Ada", "Eve", None]),
        ({"threshold": "1", "only_matches": "true"}, []),
    ],
)
def test_options_come_as_fields_of_the_form(
    client, crowd: str, picture, fields: dict[str, str], expected: list[str | None]
) -> None:
    response = client.search(crowd, picture((ADA, 5)), **fields)

    found = names(response.json["results"][0])
    assert found[:1] == expected[:1]
    assert Counter(found) == Counter(expected)  # behind Ada all are equally far


def test_a_threshold_of_the_request_says_so(client, crowd: str, picture) -> None:
    result = client.search(crowd, picture((ADA, 0)), threshold="0.5").json["results"][0]

    assert (result["threshold"], result["threshold_source"]) == (0.5, "request")


@pytest.mark.parametrize(
    ("faces", "searched"),
    [("all", [0, 1, 2]), ("largest", [1]), ("0", [0]), ("0,2", [0, 2]), ("2, 1", [1, 2])],
)
def test_only_the_faces_that_were_chosen_are_searched(
    client, crowd: str, picture, faces: str, searched: list[int]
) -> None:
    answer = client.search(crowd, picture((ADA, 0), (EVE, 0), (KIM, 0)), faces=faces).json

    assert [result["face_index"] for result in answer["results"]] == searched
    for face in answer["query"]["faces"]:
        assert face["searched"] is (face["index"] in searched)
        assert face["reasons"] == ([] if face["searched"] else ["not_selected"])


def test_a_face_that_is_not_there_cannot_be_chosen(client, problem, crowd: str, picture) -> None:
    response = client.search(crowd, picture((ADA, 0)), faces="0,7")

    assert "no face 7" in problem(response, 400, "invalid_request")["detail"]


def test_no_face_is_an_answer_and_no_error(client, crowd: str, picture) -> None:
    for faces in ("all", "largest", "0"):
        response = client.search(crowd, picture((0, 0)), faces=faces)

        assert response.status_code == 200
        assert response.json["results"] == []
        assert response.json["query"]["faces"] == []
        assert response.json["reason"] == "no_face_found"


def test_an_empty_collection_has_no_matches(client, picture) -> None:
    empty = client.collection("empty")["id"]

    (result,) = client.search(empty, picture((ADA, 0))).json["results"]

    assert (result["matches"], result["searched_faces"]) == ([], 0)


def test_the_photo_may_be_the_whole_body(client, crowd: str, picture) -> None:
    response = client.post(
        f"/v1/collections/{crowd}/search?limit=1&faces=largest",
        data=picture((ADA, 0), (EVE, 0)),
        content_type="image/png",
    )

    (result,) = response.json["results"]
    assert names(result) == ["Eve"]


def test_a_search_stores_nothing(services: Services, client, crowd: str, picture) -> None:
    before = client.get(f"/v1/collections/{crowd}").json

    client.search(crowd, picture((ADA, 77)))

    assert client.get(f"/v1/collections/{crowd}").json == before
    assert not list(services.broker.scan_iter("facesearch:photo:*"))
    assert not list(services.broker.scan_iter("facesearch:answer:*"))


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "many"},
        {"limit": ""},
        {"threshold": "nan"},
        {"threshold": "inf"},
        {"threshold": "2"},
        {"group_by": "cluster"},
        {"filter": "{"},
        {"filter": '{"tags": []}'},
        {"policy": '{"one_in": 0}'},
        {"mode": "fast"},
        {"explain": "perhaps"},
        {"fuse": "sum"},
        {"collections": "x"},
        {"only_matches": "perhaps"},
        {"faces": "first"},
        {"faces": ""},
        {"faces": "-1"},
        {"faces": "0,,1"},
        {"faces": "9" * 30},
        {"faces": "\u0661"},
        {"faces": ",".join("1" * 2000)},
        {"unknown": "1"},
        {"query": "{}"},
    ],
    ids=lambda fields: str(fields)[:30],
)
def test_a_field_that_is_wrong_is_named(
    client, problem, crowd: str, picture, fields: dict[str, str]
) -> None:
    response = client.search(crowd, picture((ADA, 0)), **fields)

    faults = problem(response, 400, "invalid_request")["details"]["errors"]
    assert faults[0]["field"].split(".")[0] == next(iter(fields))


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 422, "image_empty"),
        (b"hello", 415, "unsupported_format"),
        (b"RIFF\xff\0\0\0WEBPVP8 ", 422, "image_truncated"),
    ],
)
def test_a_photo_that_cannot_be_used_is_a_problem(
    client, problem, crowd: str, photo: bytes, status: int, code: str
) -> None:
    problem(client.search(crowd, photo), status, code)


def test_a_photo_that_only_the_worker_can_judge_is_a_problem_too(
    client, problem, crowd: str, picture
) -> None:
    damaged = picture(*[(n, n) for n in range(1, 9)], height=400)[:-60]

    problem(client.search(crowd, damaged), 422, "image_truncated")


def test_two_photos_at_once_are_refused(client, problem, crowd: str, picture) -> None:
    photos = [(BytesIO(picture((ADA, 0))), "a.png"), (BytesIO(picture((EVE, 0))), "b.png")]

    response = client.post(f"/v1/collections/{crowd}/search", data={"photo": photos})

    problem(response, 400, "invalid_request")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(client, problem, crowd: str, content_type) -> None:
    response = client.post(
        f"/v1/collections/{crowd}/search", data=b"a=b", content_type=content_type
    )

    problem(response, 415, "unsupported_media_type")


def test_without_a_worker_whoever_waits_is_told_in_time(
    client, bell, problem, crowd: str, picture
) -> None:
    bell.workers = False

    response = client.search(crowd, picture((ADA, 0)))

    assert problem(response, 503, "worker_unavailable")["retryable"] is True
    assert int(response.headers["Retry-After"]) > 0


def test_without_the_broker_whoever_waits_is_told_at_once(
    client, bell, problem, crowd: str, picture
) -> None:
    bell.broker = False

    problem(client.search(crowd, picture((ADA, 0))), 503, "broker_unavailable")


def test_a_pack_that_no_worker_has_is_a_problem_of_the_installation(
    client, bell, problem, picture
) -> None:
    bell.spaces.clear()

    response = client.search(client.collection()["id"], picture((ADA, 0)))

    problem(response, 503, "pack_not_installed")


def test_an_unknown_collection_cannot_be_searched(client, problem, picture) -> None:
    problem(client.search(str(uuid4()), picture((ADA, 0))), 404, "collection_not_found")


@pytest.mark.shared_data
def test_the_same_person_is_found_in_another_photo_by_real_networks(
    services: Services, client, bell, scrfd_models: FaceModels, shared_data: Path
) -> None:
    """With det_500m and mobilefacenet_ms1m_512 in the place of the default pack's networks."""
    crowd = client.collection(pack="buffalo_l")["id"]
    limits = PhotoLimits.of(services.settings)
    real = Pipeline(scrfd_models, limits, max_faces=500, decode_threads=2)
    bell.spaces[client.get(f"/v1/collections/{crowd}").json["space_id"]] = real
    people = [p for p in sorted((shared_data / "faces" / "lfw").iterdir()) if p.is_dir()]
    folders = [p for p in people if len(list(p.glob("*.jpg"))) > 1][:5]
    for folder in folders:
        photo = sorted(folder.glob("*.jpg"))[0].read_bytes()
        (item,) = client.upload(crowd, photo, wait=30).json["items"]
        largest = max(item["image"]["faces"], key=lambda face: face["box"]["width"])
        client.name(crowd, folder.name, largest["id"])

    for folder in folders:
        photo = sorted(folder.glob("*.jpg"))[1].read_bytes()
        (result,) = client.search(crowd, photo, faces="largest").json["results"]
        assert names(result)[0] == folder.name
