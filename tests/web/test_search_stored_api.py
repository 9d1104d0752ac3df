"""Searching with what is stored: a face, a person, or a vector from outside."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from core.services import Services

ADA, EVE, KIM = 10, 40, 80
"""Three people who look nothing alike."""


def names(result: Mapping[str, Any]) -> list[str | None]:
    return [match["person"] and match["person"]["name"] for match in result["matches"]]


def by_json(client, crowd: str, **body: Any) -> TestResponse:
    response: TestResponse = client.post(f"/v1/collections/{crowd}/search", json=body)
    return response


def first_face(client, crowd: str, name: str) -> str:
    (person,) = client.get(f"/v1/collections/{crowd}/people?name={name}").json["items"]
    face_id: str = person["best_face_id"]
    return face_id


def test_a_stored_face_finds_the_others_and_not_itself(client, crowd: str) -> None:
    face_id = first_face(client, crowd, "Ada")

    response = by_json(client, crowd, query={"face_id": face_id}, group_by="face")

    assert response.json["query"]["kind"] == "face"
    assert response.json["query"]["face_id"] == face_id
    (result,) = response.json["results"]
    assert result["face_index"] is None
    assert names(result)[0] == "Ada"
    assert face_id not in [match["face_id"] for match in result["matches"]]
    assert response.headers["Server-Timing"].startswith("search;dur=")


def test_a_face_may_be_searched_in_another_collection_of_its_space(client, crowd: str) -> None:
    other = client.collection("other")["id"]
    client.add(other, (ADA, 20))

    response = by_json(client, other, query={"face_id": first_face(client, crowd, "Ada")})

    assert len(response.json["results"][0]["matches"]) == 1


def test_a_person_finds_others_who_look_alike(client, crowd: str) -> None:
    (ada,) = client.get(f"/v1/collections/{crowd}/people?name=Ada").json["items"]
    client.add(crowd, (ADA, 50))

    response = by_json(client, crowd, query={"person_id": ada["id"]}, only_matches=True)

    assert response.json["query"]["person_id"] == ada["id"]
    assert names(response.json["results"][0]) == [None]


def test_a_person_without_a_face_cannot_be_searched_with(client, problem, crowd: str) -> None:
    nobody = client.name(crowd, "Nobody")

    response = by_json(client, crowd, query={"person_id": nobody["id"]})

    problem(response, 400, "invalid_request")


def test_a_vector_finds_who_it_is_of(client, crowd: str, embedding_of) -> None:
    space_id = client.get(f"/v1/collections/{crowd}").json["space_id"]
    vector = [100 * float(number) for number in embedding_of(EVE, 0)]

    response = by_json(client, crowd, query={"vector": vector, "space_id": space_id}, limit=1)

    (result,) = response.json["results"]
    assert names(result) == ["Eve"]
    assert result["matches"][0]["cosine"] == pytest.approx(1, abs=1e-3)


def test_a_vector_of_another_space_is_refused_with_both_ids(
    services: Services, client, problem, crowd: str
) -> None:
    own = client.get(f"/v1/collections/{crowd}").json["space_id"]
    other = services.manifest.pack("buffalo_l").space.id

    response = by_json(client, crowd, query={"vector": [1.0] * 512, "space_id": other})

    details = problem(response, 409, "space_mismatch")["details"]
    assert details == {"expected": own, "given": other}


def test_a_face_of_another_space_is_refused(client, problem, crowd: str) -> None:
    other = client.collection("other", pack="buffalo_l")["id"]

    response = by_json(client, other, query={"face_id": first_face(client, crowd, "Ada")})

    problem(response, 409, "space_mismatch")


@pytest.mark.parametrize(
    "vector",
    [[], [1.0], [1.0] * 127, [1.0] * 129, [0.0] * 128, [1e-12] * 128],
    ids=["empty", "one", "short", "long", "zero", "tiny"],
)
def test_a_vector_that_cannot_be_compared_is_refused(
    client, problem, crowd: str, vector: list[float]
) -> None:
    space_id = client.get(f"/v1/collections/{crowd}").json["space_id"]

    response = by_json(client, crowd, query={"vector": vector, "space_id": space_id})

    problem(response, 422, "bad_embedding")


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e999", '"1"', "null", "true", "[1]", "1e30", "9" * 400],
)
def test_a_vector_holds_plain_numbers_only(client, problem, crowd: str, number: str) -> None:
    space_id = client.get(f"/v1/collections/{crowd}").json["space_id"]
    numbers = ", ".join(["0.5"] * 127 + [number])

    response = client.post(
        f"/v1/collections/{crowd}/search",
        data=f'{{"query": {{"vector": [{numbers}], "space_id": "{space_id}"}}}}',
        content_type="application/json",
    )

    faults = problem(response, 400, "invalid_request")["details"]["errors"]
    assert faults[0]["field"] == "query.vector.127"


def test_of_many_faults_the_first_are_named(client, problem, crowd: str) -> None:
    response = by_json(client, crowd, query={"vector": ["x"] * 4000, "space_id": "sp_0"})

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
        {"query": {"face_id": str(uuid4())}, "group_by": "cluster"},
        {"query": {"face_id": str(uuid4()), "use": "faces"}},
        {"query": {"face_id": str(uuid4()), "fuse": "max"}},
        {"query": {"person_id": str(uuid4()), "use": "mean"}},
        {"query": {"face_ids": []}},
        {"query": {"face_ids": [str(uuid4())], "face_id": str(uuid4())}},
        {"query": {"face_ids": [str(uuid4())] * 17}},
        {"query": {"vectors": [[1.0]]}},
        {"query": {"face_id": str(uuid4())}, "threshold": 0.5, "policy": {"one_in": 100}},
        {"query": {"face_id": str(uuid4())}, "policy": {"one_in": 1}},
        {"query": {"face_id": str(uuid4())}, "mode": "fast"},
        {"query": {"face_id": str(uuid4())}, "filter": []},
        {"query": {"face_id": str(uuid4())}, "filter": {"tags": ["a"]}},
        {"query": {"face_id": str(uuid4())}, "filter": {"image": {"tags": {"any": ["a,b"]}}}},
        {"query": {"face_id": str(uuid4())}, "filter": {"person": {"named": "yes"}}},
        {"query": {"face_id": str(uuid4())}, "filter": {"face": {"quality": {"gte": 2}}}},
        {"query": {"face_id": str(uuid4())}, "filter": {"image": {"captured_at": {"gte": 5}}}},
        {"query": {"face_id": str(uuid4())}, "filter": {"person": {"external_id": {"prefix": ""}}}},
        {"query": {"face_id": str(uuid4())}, "filter": {"image": {"metadata": {"a": "b\0"}}}},
        {"query": {"face_id": str(uuid4())}, "collections": [str(uuid4())]},
        {"query": {"face_id": str(uuid4())}, "cursor": "x"},
        {"cursor": "x", "only_matches": True},
        {"query": {"face_id": str(uuid4())}, "only_matches": "yes"},
        {"query": {"face_id": str(uuid4())}, "faces": "all"},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_search_that_makes_no_sense_is_refused(client, problem, crowd: str, body: Any) -> None:
    problem(by_json(client, crowd, **body), 400, "invalid_request")


@pytest.mark.parametrize(
    ("query", "code"), [("face_id", "face_not_found"), ("person_id", "person_not_found")]
)
def test_what_does_not_exist_cannot_be_searched_with(
    client, problem, crowd: str, query: str, code: str
) -> None:
    problem(by_json(client, crowd, query={query: str(uuid4())}), 404, code)


def test_options_of_a_json_search_do_not_belong_into_the_address(client, problem, crowd) -> None:
    response = client.post(
        f"/v1/collections/{crowd}/search?limit=1",
        json={"query": {"face_id": first_face(client, crowd, "Ada")}},
    )

    problem(response, 400, "invalid_request")


def test_without_a_worker_stored_faces_can_still_be_searched_with(client, bell, crowd: str) -> None:
    face_id = first_face(client, crowd, "Ada")
    bell.workers = bell.broker = False

    assert by_json(client, crowd, query={"face_id": face_id}).status_code == 200
