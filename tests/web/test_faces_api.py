"""Faces through the API."""

from io import BytesIO
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image


def test_faces_are_listed_newest_first_and_filtered(client, team: str) -> None:
    one = client.add(team, (10, 0), (20, 0))["faces"]
    two = client.add(team, (30, 0))["faces"]
    ada = client.name(team, "Ada", one[1]["id"])
    path = f"/v1/collections/{team}/faces"

    def ids(query: str) -> set[str]:
        return {face["id"] for face in client.get(f"{path}?{query}").json["items"]}

    assert client.get(path).json["items"][0]["id"] == two[0]["id"]
    assert ids("") == {one[0]["id"], one[1]["id"], two[0]["id"]}
    assert ids("named=true") == {one[1]["id"]}
    assert ids("named=false") == {one[0]["id"], two[0]["id"]}
    assert ids(f"person_id={ada['id']}") == {one[1]["id"]}
    assert ids(f"person_id={uuid4()}") == set()
    assert ids("external_id=none") == set()


def test_an_embedding_is_shown_when_asked_for(client, team: str, embedding_of) -> None:
    face = client.add(team, (10, 30))["faces"][0]
    path = f"/v1/faces/{face['id']}"

    plain = client.get(path).json
    with_vector = client.get(f"{path}?include=embedding").json

    assert plain == face
    assert plain["embedding"] is None
    assert (
        with_vector["embedding"]["space_id"]
        == client.get(f"/v1/collections/{team}").json["space_id"]
    )
    vector = np.array(with_vector["embedding"]["vector"])
    np.testing.assert_allclose(vector, embedding_of(10, 30), atol=1e-3)


def test_a_crop_is_what_the_recogniser_saw(client, team: str) -> None:
    face = client.add(team, (10, 0))["faces"][0]

    response = client.get(face["crop_url"])

    assert response.mimetype in ("image/png", "image/webp")
    pixels = np.asarray(Image.open(BytesIO(response.data)).convert("RGB"))
    assert pixels.shape == (150, 150, 3)
    assert (pixels == 10).all()


def test_a_deleted_face_is_gone_and_its_image_stays(client, problem, team: str) -> None:
    image = client.add(team, (10, 0), (20, 0))
    path = f"/v1/faces/{image['faces'][0]['id']}"

    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 204

    problem(client.get(path), 404, "face_not_found")
    problem(client.get(f"{path}/crop"), 404, "face_not_found")
    left = client.get(f"/v1/images/{image['id']}").json
    assert [face["id"] for face in left["faces"]] == [image["faces"][1]["id"]]
    assert left["face_count"] == 1
    assert client.get(f"/v1/collections/{team}").json["face_count"] == 1


@pytest.mark.parametrize("query", ["named=perhaps", "person_id=7", "include=embedding", "limit=0"])
def test_a_wrong_filter_is_refused(client, problem, team: str, query: str) -> None:
    problem(client.get(f"/v1/collections/{team}/faces?{query}"), 400, "invalid_request")


def test_only_the_embedding_can_be_included(client, problem, team: str) -> None:
    face = client.add(team, (10, 0))["faces"][0]

    problem(client.get(f"/v1/faces/{face['id']}?include=all"), 400, "invalid_request")
