"""The picture of the README: a search on sample photos, made anew by ``make screenshot``."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

Visit = Any  # tests/browser/conftest.py
TARGET = "FACESEARCH_TEST_SCREENSHOT"
MOST_BYTES = 300_000

pytestmark = pytest.mark.browser


def name_faces(visit: Visit, collection: str, names: dict[str, str]) -> None:
    for photo, name in names.items():
        page = visit.go(collection)
        page.click(f".tile[title='{photo}']")
        page.fill(".name-form input", name)
        page.click(".name-form button")
        expect(page.locator("[data-note]")).to_be_visible()


def picture_of(page: Page) -> bytes:
    """Take a screenshot of few colours, which is small and looks the same."""
    with Image.open(BytesIO(page.screenshot())) as shot:
        few = shot.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    stream = BytesIO()
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def test_the_picture_of_the_readme_can_be_made(
    visiting: Callable[..., Visit], samples: Path, couple: Path, tmp_path: Path
) -> None:
    visit = visiting(viewport={"width": 1280, "height": 680}, reduced_motion="reduce")
    photos = ("obama.jpg", "obama3.jpg", "biden.jpg")
    collection = visit.filled_collection(*(samples / name for name in photos))
    obama = dict.fromkeys(("obama.jpg", "obama3.jpg"), "Barack Obama")
    name_faces(visit, collection, {**obama, "biden.jpg": "Joe Biden"})
    visit.go(collection)
    visit.page.click("details.settings > summary")
    visit.page.fill(".settings-form input[name=name]", "Official portraits")
    visit.page.click(".settings-form button")
    page = visit.search_in(collection)
    page.set_input_files("#photo", couple)
    expect(page.locator(".outline.is-match")).to_have_count(2)
    page.locator(".outline[aria-label*='Obama']").click()
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")

    picture = picture_of(page)

    Path(os.environ.get(TARGET) or tmp_path / "search.png").write_bytes(picture)
    assert len(picture) < MOST_BYTES
