"""Searches beyond one photo in one collection: filters, several pictures, collections, pages, why."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest

from core.services import Services

ADA, EVE, KIM = 10, 40, 80
"""Three people who look nothing alike."""


def names(result: Mapping[str, Any]) -> list[str | None]:
    return [match["person"] and match["person"]["name"] for match in result["matches"]]


def ask(client: Any, home: str, **body: Any) -> dict[str, Any]:
    response = client.post(f"/v1/collections/{home}/search", json=body)
    assert response.status_code == 200, response.text
    (result,) = response.json["results"]
    return {**result, "query": response.json["query"]}


def faces_of(client: Any, home: str) -> list[dict[str, Any]]:
    """Oldest first: Ada, Eve, Kim (unnamed), Ada."""
    items: list[dict[str, Any]] = client.get(f"/v1/collections/{home}/faces").json["items"]
    return items[::-1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"person": {"named": True}}, {"Ada", "Eve"}),
        ({"person": {"named": False}}, {None}),
        ({"image": {"tags": {"any": ["party"]}}}, {"Ada"}),
        ({"image": {"tags": {"none": ["party"]}}}, {"Ada", "Eve", None}),
        ({"image": {"captured_at": {"gte": "2024-01-01", "lt": "2025-01-01"}}}, {"Ada"}),
        ({"image": {"metadata": {"camera": "D850"}}}, {"Ada"}),
        ({"image": {"external_id": {"prefix": "cam7/"}}}, {"Ada"}),
        ({"face": {"quality": {"gte": 0.9}}}, set()),
        ({"face": {"size": {"gte": 95}}}, {"Eve", None}),
        ({"face": {"created_at": {"lt": "2020-01-01T00:00:00Z"}}}, set()),
        ({"person": {"named": True}, "image": {"tags": {"all": ["party", "x"]}}}, set()),
        ({}, {"Ada", "Eve", None}),
    ],
)
def test_a_filter_means_the_same_in_json_in_a_form_and_in_an_address(
    client, crowd: str, picture, given: dict[str, Any], expected: set[str | None]
) -> None:
    last = faces_of(client, crowd)[3]["image_id"]
    change = {
        "tags": ["party"],
        "captured_at": "2024-06-01T12:00:00Z",
        "metadata": {"camera": "D850"},
        "external_id": "cam7/1",
    }
    assert client.patch(f"/v1/images/{last}", json=change).status_code == 200
    text = json.dumps(given)

    by_json = ask(client, crowd, query={"face_id": faces_of(client, crowd)[0]["id"]}, filter=given)
    by_form = client.search(crowd, picture((ADA, 5)), filter=text).json["results"][0]
    by_address = client.post(
        f"/v1/collections/{crowd}/search",
        query_string={"filter": text},
        data=picture((ADA, 5)),
        content_type="image/png",
    ).json["results"][0]

    assert set(names(by_form)) == set(names(by_address)) == expected
    assert set(names(by_json)) <= expected


def test_people_and_things_can_be_named_or_left_out(client, crowd: str) -> None:
    ada, eve, _, again = faces_of(client, crowd)
    query = {"face_id": again["id"]}

    def found(given: dict[str, Any]) -> set[str | None]:
        return set(names(ask(client, crowd, query=query, filter=given)))

    assert found({"person": {"ids": [ada["person"]["id"]]}}) == {"Ada"}
    assert found({"person": {"not_ids": [ada["person"]["id"]]}}) == {"Eve", None}
    assert found({"image": {"not_ids": [ada["image_id"]]}}) == set()
    assert found({"face": {"not_ids": [eve["id"]]}}) == {"Ada", None}


def test_several_pictures_of_one_person_are_one_search(
    services: Services, client, crowd: str, picture, embedding_of
) -> None:
    first, _, _, again = faces_of(client, crowd)
    space_id = client.get(f"/v1/collections/{crowd}").json["space_id"]
    vector = [float(number) for number in embedding_of(ADA, 50)]
    several = {"face_ids": [first["id"], again["id"]], "vectors": [vector], "space_id": space_id}

    for fuse in ("mean", "max"):
        stored = ask(client, crowd, query={**several, "fuse": fuse}, group_by="face")
        assert stored["query"]["kind"] == "several"
        assert set(names(stored)) == {"Eve", None}  # those that were given are no answer

        answer = client.search(
            crowd, picture((ADA, 20), (ADA, 60), (EVE, 0)), faces="0,1", fuse=fuse,
            also=json.dumps({"face_ids": [first["id"]]}), group_by="face",
        ).json  # fmt: skip
        (result,) = answer["results"]
        assert result["face_index"] is None
        assert names(result)[0] == "Ada"
        assert result["matches"][0]["face_id"] == again["id"]
        assert [face["searched"] for face in answer["query"]["faces"]] == [True, True, False]


def test_a_person_may_be_searched_with_several_faces(client, crowd: str) -> None:
    client.add(crowd, (ADA, 60))
    (ada,) = client.get(f"/v1/collections/{crowd}/people?name=Ada").json["items"]

    by_mean = ask(client, crowd, query={"person_id": ada["id"]})
    by_faces = ask(client, crowd, query={"person_id": ada["id"], "use": "faces"})

    assert names(by_faces)[0] is None
    assert by_faces["matches"][0]["face_id"] == by_mean["matches"][0]["face_id"]
    assert by_faces["matches"][0]["cosine"] != by_mean["matches"][0]["cosine"]


def test_several_collections_are_searched_at_once(client, crowd: str, picture) -> None:
    other = client.collection("other", threshold=0.99)["id"]
    client.add(other, (ADA, 60))
    query = {"face_id": faces_of(client, crowd)[0]["id"]}

    by_json = client.post("/v1/search", json={"query": query, "collections": [crowd, other]}).json
    by_form = client.post(
        "/v1/search",
        data={"photo": (BytesIO(picture((ADA, 0))), "a.png"), "collections": f"{crowd}, {other}"},
    ).json

    for answer in (by_json, by_form):
        (result,) = answer["results"]
        elsewhere = [m for m in result["matches"] if m["collection_id"] == other]
        assert [match["decision"] for match in elsewhere] == ["no_match"]
        assert elsewhere[0]["threshold"] == pytest.approx(0.99)
        assert "Ada" in names(result)
        assert result["searched_faces"] == 5


def test_collections_of_different_packs_are_not_searched_together(
    client, problem, crowd: str
) -> None:
    other = client.collection("other", pack="buffalo_l")["id"]
    query = {"face_id": faces_of(client, crowd)[0]["id"]}

    for ids, status, code in (
        ([crowd, other], 409, "space_mismatch"),
        ([crowd, str(uuid4())], 404, "collection_not_found"),
        ([], 400, "invalid_request"),
        (None, 400, "invalid_request"),
    ):
        response = client.post("/v1/search", json={"query": query, "collections": ids})
        problem(response, status, code)


def test_a_search_is_gone_on_with_page_by_page(client, crowd: str, picture) -> None:
    for number in range(8):
        client.add(crowd, (ADA, number))
    answer = client.search(crowd, picture((ADA, 0), (EVE, 0)), limit=3, group_by="face").json
    first, _ = answer["results"]
    assert (first["more"], len(first["matches"])) == (True, 3)

    seen = list(first["matches"])
    cursor = first["next_cursor"]
    while cursor:
        client.add(crowd, (ADA, 1))
        page = client.post(f"/v1/collections/{crowd}/search", json={"cursor": cursor}).json
        assert page["query"]["kind"] == "photo"
        (result,) = page["results"]
        assert result["face_index"] == 0
        seen += result["matches"]
        cursor = result["next_cursor"]

    ids = [match["face_id"] for match in seen]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 12
    assert [match["rank"] for match in seen] == list(range(1, len(seen) + 1))


def test_a_page_may_be_longer_and_be_asked_for_anywhere_but_elsewhere(
    client, problem, crowd: str
) -> None:
    other = client.collection("other")["id"]
    first = ask(client, crowd, query={"face_id": faces_of(client, crowd)[0]["id"]}, limit=1)
    body = {"cursor": first["next_cursor"], "limit": 2, "explain": True}

    (result,) = client.post("/v1/search", json=body).json["results"]

    assert len(result["matches"]) == 2
    assert result["explanation"]["exact"] == {"same": True, "missing": []}
    problem(client.post(f"/v1/collections/{other}/search", json=body), 400, "invalid_request")


def test_a_cursor_that_leads_nowhere_is_a_problem_of_its_own(
    app, services: Services, client, problem, crowd: str
) -> None:
    first = ask(client, crowd, query={"face_id": faces_of(client, crowd)[0]["id"]}, limit=1)
    path, body = f"/v1/collections/{crowd}/search", {"cursor": first["next_cursor"]}
    for wrong in ("", "x", "\u00e9", first["next_cursor"][:-1]):
        problem(client.post(path, json={"cursor": wrong}), 410, "cursor_expired")
    assert client.post(path, json=body).status_code == 200

    services.broker.flushall()

    problem(client.post(path, json=body), 410, "cursor_expired")


def test_an_explanation_says_why(client, crowd: str, picture) -> None:
    answer = client.search(
        crowd, picture((ADA, 30)), explain="true", filter='{"person": {"named": true}}'
    ).json

    why = answer["results"][0]["explanation"]
    assert why["weakest"]["level"] == "good"
    assert [miss["match"]["person"]["name"] for miss in why["near_misses"]] == ["Eve"]
    assert why["near_misses"][0]["short"] == pytest.approx(
        0.8 - why["near_misses"][0]["match"]["cosine"], abs=1e-3
    )
    assert (why["filtering"]["nearest"], why["filtering"]["kept"]) == (4, 3)
    (removed,) = why["filtering"]["removed"]
    assert (removed["condition"], removed["faces"]) == ("person.named", 1)
    assert removed["best"]["person"] is None
    assert why["exact"] == {"same": True, "missing": []}
    assert why["expected"] == []


def test_without_a_calibration_no_budget_can_be_kept(client, problem, crowd: str, picture) -> None:
    response = client.search(crowd, picture((ADA, 0)), policy='{"one_in": 1000}')

    problem(response, 409, "calibration_needed")


def test_photos_with_two_people_and_without_a_third_are_found_page_by_page(
    client, crowd: str
) -> None:
    path = f"/v1/collections/{crowd}/images/search"
    (ada,) = client.get(f"/v1/collections/{crowd}/people?name=Ada").json["items"]
    kim = {"face_id": faces_of(client, crowd)[2]["id"]}
    both = [client.add(crowd, (ADA, n), (KIM, 0))["id"] for n in range(3)]
    client.add(crowd, (ADA, 0), (KIM, 0), (EVE, 0))
    eve = {"face_id": faces_of(client, crowd)[1]["id"]}
    body = {"all_of": [{"person_id": ada["id"]}, kim], "none_of": [eve], "limit": 2}

    first = client.post(path, json=body).json
    second = client.post(path, json={"cursor": first["next_cursor"]}).json

    images = first["images"] + second["images"]
    assert {image["image_id"] for image in images} == set(both)
    assert (len(first["images"]), len(second["images"])) == (2, 1)
    assert (first["more"], second["more"], second["next_cursor"]) == (True, False, None)
    assert (first["exact"], first["cut_off"]) == (True, False)
    one, two = images[0]["faces"]
    assert one["face_id"] != two["face_id"]
    assert client.get(images[0]["thumbnail_url"]).status_code == 200
    assert client.get(one["crop_url"]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all_of": []},
        {"none_of": [{"face_id": str(uuid4())}]},
        {"all_of": [{"face_id": str(uuid4())}] * 6},
        {"all_of": [{}]},
        {"all_of": [{"face_id": str(uuid4())}], "cursor": "x"},
        {"all_of": [{"face_id": str(uuid4())}], "group_by": "image"},
    ],
    ids=str,
)
def test_a_search_for_photos_that_makes_no_sense_is_refused(
    client, problem, crowd: str, body: dict[str, Any]
) -> None:
    problem(
        client.post(f"/v1/collections/{crowd}/images/search", json=body), 400, "invalid_request"
    )
