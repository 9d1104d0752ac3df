"""Searching through the API: every way in, and what is said of every face."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from core.images import PhotoLimits
from core.inference.contracts import FaceModels
from core.pipeline import Pipeline
from core.services import Services

ADA, EVE, KIM = 10, 40, 80
"""Three people who look nothing alike."""


@pytest.fixture
def team(client) -> str:
    """A collection of four faces: Ada twice, Eve, and somebody without a name."""
    made: str = client.collection(threshold=0.8)["id"]
    ada, eve, _ = client.add(made, (ADA, 0), (EVE, 0), (KIM, 0))["faces"]
    ada_again = client.add(made, (ADA, 100))["faces"][0]
    client.name(made, "Ada", ada["id"], ada_again["id"])
    client.name(made, "Eve", eve["id"])
    return made


def names(result: Mapping[str, Any]) -> list[str | None]:
    return [match["person"] and match["person"]["name"] for match in result["matches"]]


def by_json(client, team: str, **body: Any) -> TestResponse:
    response: TestResponse = client.post(f"/v1/collections/{team}/search", json=body)
    return response


def first_face(client, team: str, name: str) -> str:
    (person,) = client.get(f"/v1/collections/{team}/people?name={name}").json["items"]
    face_id: str = person["best_face_id"]
    return face_id


def test_every_face_of_a_photo_is_searched(client, team: str, picture) -> None:
    response = client.search(team, picture((ADA, 30), (0, 0), (KIM, 30)))

    assert response.status_code == 200
    answer = response.json
    assert answer["query"]["kind"] == "photo"
    assert answer["query"]["image"] == {"width": 300, "height": 100, "format": "png"}
    assert [face["searched"] for face in answer["query"]["faces"]] == [True, True]
    assert [result["face_index"] for result in answer["results"]] == [0, 1]
    assert names(answer["results"][0])[0] == "Ada"
    assert answer["results"][1]["matches"][0]["person"] is None
    assert answer["reason"] is None


def test_a_face_of_the_query_is_described_in_pixels_and_in_parts(client, team, picture) -> None:
    (face,) = client.search(team, picture((0, 0), (ADA, 0))).json["query"]["faces"]

    assert face["box"] == {"left": 100.0, "top": 0.0, "width": 100.0, "height": 100.0}
    assert face["box_rel"] == {"left": 0.5, "top": 0.0, "width": 0.5, "height": 1.0}
    assert face["landmarks"][0] == [130.0, 40.0]
    assert face["score"] == pytest.approx(0.98, abs=1e-3)
    assert face["norm"] == 20.0
    assert face["quality"]["overall"] == 0.8
    assert face["reasons"] == []


def test_a_match_says_all_that_is_known_of_it(client, team: str, picture) -> None:
    result = client.search(team, picture((ADA, 0))).json["results"][0]

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
    assert result["index"] == {"kind": "exact", "exact": True, "ef_search": None}


def test_the_time_is_accounted_for(client, team: str, picture) -> None:
    response = client.search(team, picture((ADA, 0)))

    stages = [part.split(";")[0] for part in response.headers["Server-Timing"].split(", ")]
    assert stages == ["queue", "decode", "detect", "align", "embed", "search"]
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
    client, team: str, picture, fields: dict[str, str], expected: list[str | None]
) -> None:
    response = client.search(team, picture((ADA, 5)), **fields)

    found = names(response.json["results"][0])
    assert found[: len(expected)] == expected or sorted(map(str, found)) == sorted(
        map(str, expected)
    )
    assert len(found) == len(expected)


def test_a_threshold_of_the_request_says_so(client, team: str, picture) -> None:
    result = client.search(team, picture((ADA, 0)), threshold="0.5").json["results"][0]

    assert (result["threshold"], result["threshold_source"]) == (0.5, "request")


@pytest.mark.parametrize(
    ("faces", "searched"),
    [("all", [0, 1, 2]), ("largest", [1]), ("0", [0]), ("0,2", [0, 2]), ("2, 1", [1, 2])],
)
def test_only_the_faces_that_were_chosen_are_searched(
    client, team: str, picture, faces: str, searched: list[int]
) -> None:
    answer = client.search(team, picture((ADA, 0), (EVE, 0), (KIM, 0)), faces=faces).json

    assert [result["face_index"] for result in answer["results"]] == searched
    for face in answer["query"]["faces"]:
        assert face["searched"] is (face["index"] in searched)
        assert face["reasons"] == ([] if face["searched"] else ["not_selected"])


def test_a_face_that_is_not_there_cannot_be_chosen(client, problem, team: str, picture) -> None:
    response = client.search(team, picture((ADA, 0)), faces="0,7")

    assert "no face 7" in problem(response, 400, "invalid_request")["detail"]


def test_no_face_is_an_answer_and_no_error(client, team: str, picture) -> None:
    for faces in ("all", "largest", "0"):
        response = client.search(team, picture((0, 0)), faces=faces)

        assert response.status_code == 200
        assert response.json["results"] == []
        assert response.json["query"]["faces"] == []
        assert response.json["reason"] == "no_face_found"


def test_an_empty_collection_has_no_matches(client, picture) -> None:
    empty = client.collection("empty")["id"]

    (result,) = client.search(empty, picture((ADA, 0))).json["results"]

    assert (result["matches"], result["searched_faces"]) == ([], 0)


def test_the_photo_may_be_the_whole_body(client, team: str, picture) -> None:
    response = client.post(
        f"/v1/collections/{team}/search?limit=1&faces=largest",
        data=picture((ADA, 0), (EVE, 0)),
        content_type="image/png",
    )

    (result,) = response.json["results"]
    assert names(result) == ["Eve"]


def test_a_search_stores_nothing(services: Services, client, team: str, picture) -> None:
    before = client.get(f"/v1/collections/{team}").json

    client.search(team, picture((ADA, 77)))

    assert client.get(f"/v1/collections/{team}").json == before
    assert not list(services.broker.scan_iter("facesearch:photo:*"))
    assert not list(services.broker.scan_iter("facesearch:answer:*"))


def test_a_stored_face_finds_the_others_and_not_itself(client, team: str) -> None:
    face_id = first_face(client, team, "Ada")

    response = by_json(client, team, query={"face_id": face_id}, group_by="face")

    assert response.json["query"]["kind"] == "face"
    assert response.json["query"]["face_id"] == face_id
    (result,) = response.json["results"]
    assert result["face_index"] is None
    assert names(result)[0] == "Ada"
    assert face_id not in [match["face_id"] for match in result["matches"]]
    assert response.headers["Server-Timing"].startswith("search;dur=")


def test_a_face_may_be_searched_in_another_collection_of_its_space(client, team: str) -> None:
    other = client.collection("other")["id"]
    client.add(other, (ADA, 20))

    response = by_json(client, other, query={"face_id": first_face(client, team, "Ada")})

    assert len(response.json["results"][0]["matches"]) == 1


def test_a_person_finds_others_who_look_alike(client, team: str) -> None:
    (ada,) = client.get(f"/v1/collections/{team}/people?name=Ada").json["items"]
    client.add(team, (ADA, 50))

    response = by_json(client, team, query={"person_id": ada["id"]}, only_matches=True)

    assert response.json["query"]["person_id"] == ada["id"]
    assert names(response.json["results"][0]) == [None]


def test_a_person_without_a_face_cannot_be_searched_with(client, problem, team: str) -> None:
    nobody = client.name(team, "Nobody")

    response = by_json(client, team, query={"person_id": nobody["id"]})

    problem(response, 400, "invalid_request")


def test_a_vector_finds_who_it_is_of(client, team: str, embedding_of) -> None:
    space_id = client.get(f"/v1/collections/{team}").json["space_id"]
    vector = [100 * float(number) for number in embedding_of(EVE, 0)]

    response = by_json(client, team, query={"vector": vector, "space_id": space_id}, limit=1)

    (result,) = response.json["results"]
    assert names(result) == ["Eve"]
    assert result["matches"][0]["cosine"] == pytest.approx(1, abs=1e-3)


def test_a_vector_of_another_space_is_refused_with_both_ids(
    services: Services, client, problem, team: str
) -> None:
    own = client.get(f"/v1/collections/{team}").json["space_id"]
    other = services.manifest.pack("buffalo_l").space.id

    response = by_json(client, team, query={"vector": [1.0] * 512, "space_id": other})

    details = problem(response, 409, "space_mismatch")["details"]
    assert details == {"expected": own, "given": other}


def test_a_face_of_another_space_is_refused(client, problem, team: str) -> None:
    other = client.collection("other", pack="buffalo_l")["id"]

    response = by_json(client, other, query={"face_id": first_face(client, team, "Ada")})

    problem(response, 409, "space_mismatch")


@pytest.mark.parametrize(
    "vector",
    [[], [1.0], [1.0] * 127, [1.0] * 129, [0.0] * 128, [1e-12] * 128],
    ids=["empty", "one", "short", "long", "zero", "tiny"],
)
def test_a_vector_that_cannot_be_compared_is_refused(
    client, problem, team: str, vector: list[float]
) -> None:
    space_id = client.get(f"/v1/collections/{team}").json["space_id"]

    response = by_json(client, team, query={"vector": vector, "space_id": space_id})

    problem(response, 422, "bad_embedding")


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e999", '"1"', "null", "true", "[1]", "1e30", "9" * 400],
)
def test_a_vector_holds_plain_numbers_only(client, problem, team: str, number: str) -> None:
    space_id = client.get(f"/v1/collections/{team}").json["space_id"]
    numbers = ", ".join(["0.5"] * 127 + [number])

    response = client.post(
        f"/v1/collections/{team}/search",
        data=f'{{"query": {{"vector": [{numbers}], "space_id": "{space_id}"}}}}',
        content_type="application/json",
    )

    faults = problem(response, 400, "invalid_request")["details"]["errors"]
    assert faults[0]["field"] == "query.vector.127"


def test_of_many_faults_the_first_are_named(client, problem, team: str) -> None:
    response = by_json(client, team, query={"vector": ["x"] * 4000, "space_id": "sp_0"})

    document = problem(response, 400, "invalid_request")
    assert len(document["details"]["errors"]) == 20
    assert "3999 more" in document["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": {}},
        {"query": None},
        {"query": []},
        {"query": {"face_id": None}},
        {"query": {"face_id": "none"}},
        {"query": {"face_id": str(uuid4()), "person_id": str(uuid4())}},
        {"query": {"vector": [1.0] * 128}},
        {"query": {"space_id": "sp_0"}},
        {"query": {"face_id": str(uuid4()), "space_id": "sp_0"}},
        {"query": {"vector": [1.0] * 4001, "space_id": "sp_0"}},
        {"query": {"vector": [1.0], "space_id": "a\0b"}},
        {"query": {"image": "https://example.org/a.jpg"}},
        {"query": {"face_id": str(uuid4())}, "limit": 0},
        {"query": {"face_id": str(uuid4())}, "limit": 501},
        {"query": {"face_id": str(uuid4())}, "limit": "5"},
        {"query": {"face_id": str(uuid4())}, "limit": 10**30},
        {"query": {"face_id": str(uuid4())}, "threshold": 1.5},
        {"query": {"face_id": str(uuid4())}, "threshold": "0.5"},
        {"query": {"face_id": str(uuid4())}, "group_by": "image"},
        {"query": {"face_id": str(uuid4())}, "only_matches": "yes"},
        {"query": {"face_id": str(uuid4())}, "faces": "all"},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_search_that_makes_no_sense_is_refused(client, problem, team: str, body: Any) -> None:
    problem(by_json(client, team, **body), 400, "invalid_request")


@pytest.mark.parametrize(
    ("query", "code"), [("face_id", "face_not_found"), ("person_id", "person_not_found")]
)
def test_what_does_not_exist_cannot_be_searched_with(
    client, problem, team: str, query: str, code: str
) -> None:
    problem(by_json(client, team, query={query: str(uuid4())}), 404, code)


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
        {"group_by": "image"},
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
    client, problem, team: str, picture, fields: dict[str, str]
) -> None:
    response = client.search(team, picture((ADA, 0)), **fields)

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
    client, problem, team: str, photo: bytes, status: int, code: str
) -> None:
    problem(client.search(team, photo), status, code)


def test_a_photo_that_only_the_worker_can_judge_is_a_problem_too(
    client, problem, team: str, picture
) -> None:
    damaged = picture(*[(n, n) for n in range(1, 9)], height=400)[:-60]

    problem(client.search(team, damaged), 422, "image_truncated")


def test_two_photos_at_once_are_refused(client, problem, team: str, picture) -> None:
    photos = [(BytesIO(picture((ADA, 0))), "a.png"), (BytesIO(picture((EVE, 0))), "b.png")]

    response = client.post(f"/v1/collections/{team}/search", data={"photo": photos})

    problem(response, 400, "invalid_request")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(client, problem, team: str, content_type) -> None:
    response = client.post(f"/v1/collections/{team}/search", data=b"a=b", content_type=content_type)

    problem(response, 415, "unsupported_media_type")


def test_options_of_a_json_search_do_not_belong_into_the_address(client, problem, team) -> None:
    response = client.post(
        f"/v1/collections/{team}/search?limit=1",
        json={"query": {"face_id": first_face(client, team, "Ada")}},
    )

    problem(response, 400, "invalid_request")


def test_without_a_worker_whoever_waits_is_told_in_time(
    client, bell, problem, team: str, picture
) -> None:
    bell.workers = False

    response = client.search(team, picture((ADA, 0)))

    assert problem(response, 503, "worker_unavailable")["retryable"] is True
    assert int(response.headers["Retry-After"]) > 0


def test_without_the_broker_whoever_waits_is_told_at_once(
    client, bell, problem, team: str, picture
) -> None:
    bell.broker = False

    problem(client.search(team, picture((ADA, 0))), 503, "broker_unavailable")


def test_without_a_worker_stored_faces_can_still_be_searched_with(client, bell, team: str) -> None:
    face_id = first_face(client, team, "Ada")
    bell.workers = bell.broker = False

    assert by_json(client, team, query={"face_id": face_id}).status_code == 200


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
    team = client.collection(pack="buffalo_l")["id"]
    limits = PhotoLimits.of(services.settings)
    real = Pipeline(scrfd_models, limits, max_faces=500, decode_threads=2)
    bell.spaces[client.get(f"/v1/collections/{team}").json["space_id"]] = real
    people = [p for p in sorted((shared_data / "faces" / "lfw").iterdir()) if p.is_dir()]
    folders = [p for p in people if len(list(p.glob("*.jpg"))) > 1][:5]
    for folder in folders:
        photo = sorted(folder.glob("*.jpg"))[0].read_bytes()
        (item,) = client.upload(team, photo, wait=30).json["items"]
        largest = max(item["image"]["faces"], key=lambda face: face["box"]["width"])
        client.name(team, folder.name, largest["id"])

    for folder in folders:
        photo = sorted(folder.glob("*.jpg"))[1].read_bytes()
        (result,) = client.search(team, photo, faces="largest").json["results"]
        assert names(result)[0] == folder.name
