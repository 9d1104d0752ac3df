"""Tags, times and external ids on the pages, as a browser without scripts sees them."""

import re
from io import BytesIO
from typing import Any

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py

ANNA, BEN = 10, 20
NOON = "2024-05-31T12:00:00Z"


def field(page: Any, name: str) -> str:
    """What stands in an input of a page."""
    [tag] = re.findall(f'<input[^>]*name="{name}"[^>]*>', page.text)
    [value] = re.findall('value="([^"]*)"', tag)
    return str(value)


def test_photos_are_tagged_as_they_are_uploaded(
    visitor: Visitor, client: API, picture: Any
) -> None:
    home = client.collection()["id"]
    photos = [(BytesIO(picture((who, 0))), f"{who}.png") for who in (ANNA, BEN)]

    visitor.post(f"/collections/{home}/images", photos=photos, tags="summer, two words")

    listed = client.get(f"/v1/collections/{home}/images").json["items"]
    assert [image["tags"] for image in listed] == [["summer", "two words"]] * 2


def test_a_tag_that_cannot_be_stored_is_said_and_nothing_is_uploaded(
    visitor: Visitor, client: API, picture: Any
) -> None:
    home = client.collection()["id"]
    photos = (BytesIO(picture((ANNA, 0))), "a.png")

    response = visitor.post(f"/collections/{home}/images", photos=photos, tags="x" * 101)

    assert response.status_code == 400
    assert "A tag has 1 to 100 characters." in visitor.read(response)
    assert field(response, "tags") == "x" * 101
    assert client.get(f"/v1/collections/{home}/images").json["items"] == []


def test_a_photo_shows_and_changes_its_tags_time_and_external_id(
    visitor: Visitor, client: API
) -> None:
    image = client.add(client.collection()["id"], (ANNA, 0))
    path = f"/images/{image['id']}"
    assert "Taken" not in visitor.read(visitor.get(path)).partition("Tags, time")[0]

    changed = visitor.post(path, tags="a, b c", captured_at="2024-05-31T12:00", external_id="HR-7")

    assert "Saved." in visitor.read(changed)
    assert "HR-7 Taken 31 May 2024, 12:00 UTC a b c" in visitor.read(changed)
    assert field(changed, "tags") == "a, b c"
    assert field(changed, "captured_at") == "2024-05-31T12:00:00"
    stored = client.get(f"/v1{path}").json
    assert (stored["tags"], stored["captured_at"], stored["external_id"]) == (
        *(["a", "b c"], NOON),
        "HR-7",
    )
    assert stored["faces"][0]["tags"] == ["a", "b c"]


def test_emptied_fields_clear_what_they_held(visitor: Visitor, client: API) -> None:
    image = client.add(client.collection()["id"], (ANNA, 0))
    path = f"/images/{image['id']}"
    client.patch(f"/v1{path}", json={"tags": ["a"], "captured_at": NOON, "external_id": "x"})

    visitor.post(path, tags="", captured_at="", external_id="")

    stored = client.get(f"/v1{path}").json
    assert (stored["tags"], stored["captured_at"], stored["external_id"]) == ([], None, None)


def test_a_form_sent_back_as_it_is_shown_changes_nothing(visitor: Visitor, client: API) -> None:
    image = client.add(client.collection()["id"], (ANNA, 0))
    path = f"/images/{image['id']}"
    exactly = {"tags": ["a", "b"], "captured_at": "2024-05-31T12:00:00.123456Z", "external_id": "x"}
    client.patch(f"/v1{path}", json=exactly)
    shown = visitor.get(path)

    visitor.post(path, **{name: field(shown, name) for name in exactly})

    stored = client.get(f"/v1{path}").json
    assert {name: stored[name] for name in exactly} == exactly


def test_a_form_that_is_wrong_keeps_what_was_typed(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    image, other = client.add(home, (ANNA, 0)), client.add(home, (BEN, 0))
    client.patch(f"/v1/images/{other['id']}", json={"external_id": "taken"})
    path = f"/images/{image['id']}"

    wrong = visitor.post(path, tags="typed", captured_at="1700-01-01T00:00", external_id="")
    conflict = visitor.post(path, tags="typed", captured_at="", external_id="taken")

    assert (wrong.status_code, conflict.status_code) == (400, 409)
    assert "No photo was taken then" in visitor.read(wrong)
    assert field(wrong, "tags") == field(conflict, "tags") == "typed"
    assert field(conflict, "external_id") == "taken"
    assert client.get(f"/v1{path}").json["tags"] == []


def test_a_tag_leads_to_the_photos_that_have_it(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    tagged, other = client.add(home, (ANNA, 0))["id"], client.add(home, (BEN, 0))["id"]
    client.patch(f"/v1/images/{tagged}", json={"tags": ["R&B"]})
    [link] = re.findall(
        r'href="(/collections/[^"]*tag=[^"]*)"', visitor.get(f"/images/{tagged}").text
    )

    narrowed = visitor.get(link.replace("&amp;", "&"))

    assert "Photos tagged “R&B”" in visitor.read(narrowed)
    assert f"/images/{tagged}" in narrowed.text
    assert f"/images/{other}" not in narrowed.text
    nothing = visitor.get(f"/collections/{home}?tag=none")
    assert "No photo has this tag." in visitor.read(nothing)
    assert visitor.get(f"/collections/{home}?tag=a,b").status_code == 400


def test_more_photos_of_a_tag_have_it_too(visitor: Visitor, client: API, picture: Any) -> None:
    home = client.collection()["id"]
    for who in range(1, 52):
        client.upload(home, picture((who, 0)), tags="many" if who > 2 else "few")

    first = visitor.get(f"/collections/{home}?tag=many")
    [more] = re.findall(r'href="([^"]*)" data-more', first.text)
    second = visitor.get(more.replace("&amp;", "&"))

    assert first.text.count('class="tile"') == 48
    assert second.text.count('class="tile"') == 1
