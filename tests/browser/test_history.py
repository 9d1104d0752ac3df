"""Merging, splitting and undoing, on a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Visit = Any  # tests/browser/conftest.py

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def name_faces(visit: Visit, collection: str, name: str, *photos: str) -> str:
    """Give the face of each photo, by its file name, to somebody; return their page."""
    for photo in photos:
        page = visit.go(collection)
        page.click(f'.tile[title="{photo}"]')
        page.fill("input[name=name]", name)
        page.press("input[name=name]", "Enter")
        page.wait_for_selector("[data-note]")
    page.click(".card-title a")
    page.wait_for_url("**/people/*")
    return page.url.removeprefix(visit.site.url).partition("?")[0]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_two_names_become_one_person_and_two_again(
    visiting: Callable[..., Visit], samples: Path, size: dict[str, int]
) -> None:
    visit = visiting(viewport=size)
    names = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg")
    collection = visit.filled_collection(*(samples / name for name in names))
    name_faces(visit, collection, "B. Obama", "obama3.jpg")
    person = name_faces(visit, collection, "Barack Obama", "obama.jpg", "obama2.jpg", "biden.jpg")
    page = visit.go(person)
    page.fill("input[name=same]", "b. obama")
    page.press("input[name=same]", "Enter")
    page.click("text=Merge into Barack Obama")
    page.wait_for_selector("[data-note]")
    assert page.locator(".face-tile.can-be-chosen").count() == 4
    look(visit, "person", size)

    page.locator(".face-pick").first.click()
    page.fill("#split input[name=name]", "Joe Biden")
    page.click("text=Make a new person of them")
    page.wait_for_selector("text=This is the new person.")
    page.click("text=All changes of Joe Biden")
    page.wait_for_selector("text=History of Joe Biden")
    page.locator(".change button").first.click()
    page.wait_for_selector("text=Undone.")
    page.goto(visit.site.url + collection + "/history")
    look(visit, "history", size)
    page.click("text=Merged people")
    page.wait_for_selector("text=Undo all of it")
    look(visit, "change", size)
    page.click("text=Undo this face")

    page.wait_for_selector("text=Taken back")
    assert page.locator("text=B. Obama was deleted").count() == 1
    page.goto(visit.site.url + collection + "/people")
    assert sorted(page.locator(".person-card strong").all_inner_texts()) == [
        "B. Obama",
        "Barack Obama",
    ]


def look(visit: Visit, name: str, size: dict[str, int]) -> None:
    """Nothing reaches over the edge of the window."""
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"], name
