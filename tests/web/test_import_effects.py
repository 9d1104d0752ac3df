"""What imports leave in their collection: once, twice, with duplicates, and as a dry run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.services import Services
from tests.importing import archive


@pytest.fixture
def content(client, team: str) -> dict[str, Callable[[], Any]]:
    """What a collection has: to be compared before and after."""

    def look() -> dict[str, Any]:
        root = f"/v1/collections/{team}"
        return {
            "counts": client.get(root).json["image_count"],
            "faces": client.get(f"{root}/faces").json["items"],
            "images": client.get(f"{root}/images").json["items"],
            "people": client.get(f"{root}/people").json["items"],
        }

    return look


def test_sending_the_same_import_twice_changes_nothing(client, team, picture, content) -> None:
    data = archive({"Ada/1.png": picture((10, 0)), "Eve/1.png": picture((40, 0), (50, 0))})
    path = f"/v1/collections/{team}/imports?people_by_folder=true&external_id=once&tags=a,b"
    first = client.post(path, data=data, content_type="application/zip")
    before = content()

    same = client.post(path, data=data, content_type="application/zip")
    other = client.post(path.replace("once", "twice"), data=data, content_type="application/zip")

    assert (first.status_code, same.status_code, other.status_code) == (202, 200, 202)
    assert same.json == first.json
    assert other.json["counts"]["skipped"] == 2
    assert other.json["reasons"] == {"duplicate_image": 2}
    assert content() == before
    assert before["counts"] == 2
    assert [person["name"] for person in before["people"]] == ["Ada", "Eve"]


def test_duplicates_can_be_errors_or_updates(client, team: str, picture) -> None:
    photo = {"1.png": picture((10, 0))}
    path = f"/v1/collections/{team}/imports"
    send = {"data": archive(photo), "content_type": "application/zip"}
    client.post(f"{path}?tags=old", **send)

    refused = client.post(f"{path}?on_duplicate=error", **send).json
    updated = client.post(
        path,
        query_string={"on_duplicate": "update", "tags": "new", "metadata": '{"roll": 2}'},
        **send,
    ).json

    assert refused["counts"]["rejected"] == 1
    assert updated["counts"]["skipped"] == 1
    [image] = client.get(f"/v1/collections/{team}/images").json["items"]
    assert (image["tags"], image["metadata"]) == (["new"], {"roll": 2})


def test_a_dry_run_stores_nothing_and_says_what_would_be(client, team, picture, content) -> None:
    photos = {f"{n}.png": picture((n, 0), (n + 100, 0)) for n in range(1, 6)}
    client.upload(team, photos["5.png"], wait=5)
    before = content()
    data = archive({**photos, "twice.png": photos["1.png"], "x.png": b"no photo"})

    made = client.post(
        f"/v1/collections/{team}/imports?dry_run=true", data=data, content_type="application/zip"
    ).json

    done = client.get(made["urls"]["self"]).json
    forecast = done["forecast"]
    assert (done["state"], sum(done["counts"].values())) == ("done", 0)
    assert (forecast["entries"], forecast["sampled"]) == (7, 7)
    assert (forecast["faces"], forecast["refused"], forecast["duplicates"]) == (8, 1, 2)
    assert forecast["reasons"] == {"unsupported_format": 1}
    assert forecast["bytes"] > 0
    assert content() == before


def test_what_a_dry_run_tried_is_imported_when_it_is_confirmed(client, team, picture) -> None:
    data = archive({"1.png": picture((1, 0)), "x.png": b"no photo"})
    made = client.post(
        f"/v1/collections/{team}/imports?dry_run=true", data=data, content_type="application/zip"
    ).json

    told_again = client.post(f"{made['urls']['self']}/start").json
    assert sum(told_again["counts"].values()) == 0, "that all was sent is no wish to import it"
    confirmed = client.post(f"{made['urls']['self']}/confirm")

    assert confirmed.status_code == 200
    done = client.get(made["urls"]["self"]).json
    assert (done["state"], done["options"]["dry_run"]) == ("done", False)
    assert (done["counts"]["indexed"], done["counts"]["rejected"]) == (1, 1)
    again = client.post(f"{made['urls']['self']}/confirm").json
    assert again["counts"] == done["counts"]


def test_the_forecast_of_a_sample_is_that_of_the_whole(client, asked, services: Services) -> None:
    made = asked("archive", dry_run=True)
    sums = {
        "entries": 1000, "sampled": 200, "duplicates": 4, "refused": 3, "faces": 250,
        "seconds": 10.0, "bytes": 12345, "reasons": {"no_face_found": 7},
    }  # fmt: skip
    with services.pool.connection() as conn:
        conn.execute("UPDATE imports SET forecast = %s", [json.dumps(sums)])

    assert client.get(made["urls"]["self"]).json["forecast"] == {
        "entries": 1000, "sampled": 200, "faces": 1250, "refused": 15, "duplicates": 20,
        "reasons": {"no_face_found": 35}, "seconds": 50.0, "bytes": 61725,
    }  # fmt: skip
