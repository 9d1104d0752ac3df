"""Photos with several people, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

Visit = Any  # tests/browser/conftest.py

pytestmark = pytest.mark.browser


def name_face(page: Page, photo: str, name: str) -> None:
    page.locator(".tile", has=page.get_by_alt_text(photo)).click()
    page.fill(".name-form input[name=name]", name)
    page.click(".name-form button[type=submit]")
    expect(page.locator("[data-note]")).to_be_visible()


def test_the_keyboard_is_enough_to_find_two_people(
    visit: Visit, samples: Path, couple: Path
) -> None:
    photos = (samples / "obama.jpg", samples / "biden.jpg", couple)
    collection = visit.filled_collection(*photos)
    page: Page = visit.page
    for photo, name in (("obama.jpg", "Barack"), ("biden.jpg", "Joe")):
        visit.go(collection)
        name_face(page, photo, name)
    visit.go(f"{collection}/together")

    page.locator("input[name=who]").first.focus()
    page.keyboard.type("barack")
    page.keyboard.press("Tab")
    page.keyboard.type("joe")
    page.keyboard.press("Enter")

    expect(page.locator(".together-tile")).to_have_count(1)
    expect(page.locator(".together-tile .line")).to_have_count(2)
    expect(page.get_by_role("checkbox", name="Barack")).to_be_checked()
    page.get_by_role("checkbox", name="Joe").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Find photos").press("Enter")
    expect(page.locator(".together-tile")).to_have_count(2)


def test_show_more_adds_photos_below(visit: Visit, samples: Path, tmp_path: Path) -> None:
    photos = [tmp_path / f"{quality}.jpg" for quality in range(70, 96)]
    with Image.open(samples / "obama.jpg") as portrait:
        portrait.thumbnail((400, 400))
        for photo in photos:
            portrait.save(photo, quality=int(photo.stem))
    collection = visit.filled_collection(*photos)
    page: Page = visit.page
    name_face(page, "95.jpg", "Barack")
    visit.go(f"{collection}/together?who=Barack")
    expect(page.locator(".together-tile")).to_have_count(24)

    page.get_by_role("link", name="Show more").press("Enter")

    expect(page.locator(".together-tile")).to_have_count(26)
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)
