"""What a collection keeps of its photos, over the wire and by command."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from core.services import Services
from web.cli import main

Client = Any  # tests/web/conftest.py
Picture = Callable[..., bytes]

ADA = 10


def filled(client: Client, keeps: str) -> tuple[str, dict[str, Any]]:
    """Make a collection with one photo of one face; return its id and the image."""
    made = client.collection(keeps, keeps=keeps, threshold=0.8)["id"]
    return made, client.add(made, (ADA, 0))


def status_and_code(response: Any) -> tuple[int, str | None]:
    return response.status_code, response.json["code"] if response.is_json else None


@pytest.mark.parametrize("keeps", ["originals", "crops", "vectors"])
def test_a_collection_and_its_images_say_what_is_kept(client: Client, keeps: str) -> None:
    home, image = filled(client, keeps)

    assert client.get(f"/v1/collections/{home}").json["keeps"] == keeps
    assert image["kept"] == keeps
    (listed,) = client.get(f"/v1/collections/{home}/images").json["items"]
    assert (listed["kept"], listed["face_count"]) == (keeps, 1)


@pytest.mark.parametrize(
    ("keeps", "photo", "crop"),
    [
        ("originals", (200, None), (200, None)),
        ("crops", (404, "not_kept"), (200, None)),
        ("vectors", (404, "not_kept"), (404, "not_kept")),
    ],
)
def test_pictures_that_are_not_kept_have_a_code_of_their_own(
    client: Client, keeps: str, photo: tuple[int, str], crop: tuple[int, str]
) -> None:
    _, image = filled(client, keeps)

    for url in (
        image["original_url"],
        image["thumbnail_url"],
        image["thumbnail_url"] + "?size=large",
    ):
        assert status_and_code(client.get(url)) == photo
    assert status_and_code(client.get(image["faces"][0]["crop_url"])) == crop


def test_the_problem_says_that_it_is_on_purpose(client: Client) -> None:
    _, image = filled(client, "vectors")

    told = client.get(image["original_url"]).json

    assert told["detail"].startswith("This collection keeps no pictures")
    assert told["details"] == {"image_id": image["id"], "kept": "vectors"}
    assert not told["retryable"]


def test_a_photo_that_waits_can_be_fetched_before_it_goes(
    client: Client, bell: Any, picture: Picture
) -> None:
    bell.workers = False
    made = client.collection(keeps="crops")
    sent = client.upload(made["id"], picture((ADA, 0)))
    image = f"/v1/images/{sent.json['items'][0]['image_id']}"

    assert client.get(image).json["kept"] == "originals"
    assert client.get(f"{image}/original").data == picture((ADA, 0))
    assert status_and_code(client.get(f"{image}/thumbnail")) == (409, "not_ready")


def test_a_change_counts_from_the_next_photo_on(client: Client) -> None:
    home, before = filled(client, "originals")

    changed = client.patch(f"/v1/collections/{home}", json={"keeps": "vectors"})
    after = client.add(home, (ADA, 50))

    assert (changed.status_code, changed.json["keeps"]) == (200, "vectors")
    assert after["kept"] == "vectors"
    assert client.get(before["original_url"]).status_code == 200


@pytest.mark.parametrize("wrong", ["photos", None, 1, ""])
def test_what_is_made_up_is_refused(client: Client, wrong: Any) -> None:
    home = client.collection()["id"]

    made = client.post("/v1/collections", json={"name": "other", "keeps": wrong})
    changed = client.patch(f"/v1/collections/{home}", json={"keeps": wrong})

    assert status_and_code(made) == status_and_code(changed) == (400, "invalid_request")
    assert client.get(f"/v1/collections/{home}").json["keeps"] == "originals"


@pytest.mark.parametrize("keeps", ["crops", "vectors"])
def test_faces_without_pictures_are_searched_as_any_others(
    client: Client, picture: Picture, keeps: str
) -> None:
    home, image = filled(client, keeps)

    (result,) = client.search(home, picture((ADA, 20))).json["results"]
    (match,) = result["matches"]

    assert match["face_id"] == image["faces"][0]["id"]
    assert match["decision"] == "match"


def test_the_command_sets_and_changes_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)

    def told(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(main, ["collections", *arguments, "--json"])
        assert result.exit_code == 0, result.output
        made: dict[str, Any] = json.loads(result.stdout)
        return made

    assert told("create", "usual")["keeps"] == "originals"
    assert told("create", "shy", "--keeps", "vectors")["keeps"] == "vectors"
    assert told("change", "shy", "--keeps", "crops")["keeps"] == "crops"
    assert told("change", "shy", "--rename", "bold")["keeps"] == "crops"
    wrong = CliRunner().invoke(main, ["collections", "change", "bold", "--keeps", "nothing"])
    assert wrong.exit_code == 2
