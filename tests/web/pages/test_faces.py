"""Pages of photos, faces and people, as a browser without scripts sees them."""

from typing import Any

from psycopg.types.json import Jsonb

from core.services import Services

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py

ANNA, BEN = 10, 20


def test_a_face_is_named_and_unnamed_on_the_page_of_its_photo(
    visitor: Visitor, client: API
) -> None:
    home = client.collection()["id"]
    image = client.add(home, (ANNA, 0))
    face = image["faces"][0]["id"]

    named = visitor.post(f"/faces/{face}/name", name="Anna")

    assert named.request.path == f"/images/{image['id']}"
    assert "The face has a name now." in visitor.read(named)
    assert "Anna" in visitor.read(visitor.get(f"/collections/{home}/people"))
    unnamed = visitor.post(f"/faces/{face}/unname")
    assert "The face has no name any more." in visitor.read(unnamed)
    assert "Who is this?" in unnamed.text


def test_a_known_name_means_the_same_person_unless_a_new_one_is_asked_for(
    visitor: Visitor, client: API
) -> None:
    home = client.collection()["id"]
    faces = [client.add(home, (ANNA, number))["faces"][0]["id"] for number in range(3)]

    visitor.post(f"/faces/{faces[0]}/name", name="Anna")
    visitor.post(f"/faces/{faces[1]}/name", name="ANNA")
    visitor.post(f"/faces/{faces[2]}/name", name="Anna", **{"as": "new"})

    people = client.get(f"/v1/collections/{home}/people").json["items"]
    assert [(person["name"], person["face_count"]) for person in people] == [
        ("Anna", 2),
        ("Anna", 1),
    ]


def test_naming_is_written_down_as_done_by_the_session(
    visitor: Visitor, client: API, services: Services
) -> None:
    home = client.collection()["id"]
    face = client.add(home, (ANNA, 0))["faces"][0]["id"]

    visitor.post(f"/faces/{face}/name", name="Anna")

    with services.pool.connection() as conn:
        assert conn.execute("SELECT actor FROM assignment_events").fetchall() == [("session",)]


def test_a_person_is_renamed_and_deleted(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    face = client.add(home, (ANNA, 0))["faces"][0]["id"]
    person = client.name(home, "Ana", face)["id"]

    assert "Renamed." in visitor.read(visitor.post(f"/people/{person}", name="Anna"))
    deleted = visitor.post(f"/people/{person}/delete")

    assert "their faces stay" in visitor.read(deleted)
    assert client.get(f"/v1/faces/{face}").json["person"] is None


def test_a_face_and_a_photo_are_deleted(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    image = client.add(home, (ANNA, 0), (BEN, 0))

    kept = visitor.post(f"/faces/{image['faces'][0]['id']}/delete")
    gone = visitor.post(f"/images/{image['id']}/delete")

    assert "The face was deleted; the photo stays." in visitor.read(kept)
    assert "The photo was deleted." in visitor.read(gone)
    assert client.get(f"/v1/images/{image['id']}").status_code == 404


def test_a_photo_shows_the_faces_that_were_left_out(
    visitor: Visitor, client: API, services: Services
) -> None:
    image = client.add(client.collection()["id"], (ANNA, 0))["id"]
    left_out = [
        {"box": [1, 2, 30, 40], "score": 0.5, "reason": "exceeds_max_faces"},  # before gates
        {
            "box": [9, 9, 20, 20],
            "score": 0.5,
            "reason": "blurred",
            "reasons": ["blurred", "low_embedding_norm"],
        },
    ]
    with services.pool.connection() as conn:
        conn.execute("UPDATE images SET skipped_faces = %s", [Jsonb(left_out)])

    response = visitor.get(f"/images/{image}")

    assert "Face 2, not stored: Beyond the most faces per photo" in visitor.read(response)
    assert "Face 3, not stored: Blurred; Hard to recognise" in visitor.read(response)
    assert "outline is-unsearched" in response.text
