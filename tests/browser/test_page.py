"""The page in a real browser, on a real system with real models."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Any  # tests/browser/conftest.py
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

pytestmark = pytest.mark.browser

GIVE_FILE = """
([kind, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}
"""


def give(page: Page, kind: str, photo: Path) -> None:
    """Paste or drop a photo, as a person would."""
    data = base64.b64encode(photo.read_bytes()).decode()
    page.evaluate(GIVE_FILE, [kind, photo.name, data])


def test_a_login_link_works_once(visiting: Callable[..., Visit]) -> None:
    visit = visiting()
    expect(visit.page.locator("nav[aria-label=Main]")).to_be_visible()
    link = visit.site.login_link()
    visit.expected.append("401")

    visit.page.goto(link)
    visit.page.goto(link)

    expect(visit.page.locator("h1")).to_have_text("Welcome to facesearch")
    expect(visit.page.get_by_role("alert")).to_contain_text("does not work any more")


def test_photos_are_added_and_each_tells_what_became_of_it(
    visit: Visit, samples: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a picture")
    path = visit.new_collection()
    page = visit.page

    visit.upload(samples / "obama.jpg", samples / "biden.jpg", notes)

    expect(page.locator("[data-indexed]")).to_have_text("3 of 3")
    expect(page.locator("#uploads [data-summary]")).to_have_text("2 indexed, 1 refused")
    expect(page.locator(".file-row.is-indexed")).to_have_count(2)
    expect(page.locator(".file-row.is-rejected")).to_contain_text("not a picture")
    page.click("[data-refresh]")
    expect(page.locator(".tile")).to_have_count(2)
    assert page.url == visit.site.url + path
    visit.upload(samples / "obama.jpg")
    expect(page.locator("#uploads [data-summary]")).to_have_text("1 already here")


def test_a_photo_is_searched_and_a_named_face_found_by_its_name(
    visit: Visit, samples: Path
) -> None:
    collection = visit.filled_collection(samples / "obama.jpg", samples / "biden.jpg")
    page = visit.page
    visit.search_in(collection).set_input_files("#photo", samples / "obama2.jpg")
    expect(page.locator(".answer h2")).to_have_text("1 unnamed match")

    page.locator(".card.is-match").get_by_role("link", name="Name").click()
    page.fill(".face-row.is-chosen input[name=name]", "Barack Obama")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("The face has a name now.")
    visit.search_in(collection).set_input_files("#photo", samples / "obama2.jpg")

    expect(page.locator(".answer h2")).to_have_text("Barack Obama")
    expect(page.locator(".card.is-match")).to_have_count(1)
    expect(page.locator(".card.is-other")).to_contain_text("Below threshold")


def test_each_face_of_a_photo_has_its_own_result(visit: Visit, samples: Path, couple: Path) -> None:
    collection = visit.filled_collection(samples / "obama.jpg", samples / "obama3.jpg")
    page = visit.search_in(collection)
    page.set_input_files("#photo", couple)
    expect(page.locator(".outline")).to_have_count(2)
    expect(page.locator("#face-1")).to_be_visible()
    expect(page.locator("#face-2")).to_be_hidden()

    page.locator(".outline[data-face='2']").click()

    expect(page.locator("#face-1")).to_be_hidden()
    expect(page.locator("#face-2")).to_be_visible()
    expect(page.locator(".chip.is-chosen")).to_have_attribute("data-face", "2")
    assert page.url.endswith("#face-2")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#face-1")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#face-2")).to_be_visible()


def test_a_photo_can_be_pasted_or_dropped(visit: Visit, samples: Path) -> None:
    collection = visit.filled_collection(samples / "obama.jpg")
    page = visit.search_in(collection)

    give(page, "paste", samples / "obama2.jpg")
    expect(page.locator(".card.is-match")).to_have_count(1)
    give(page, "dragenter", samples / "biden.jpg")
    expect(page.locator("#search")).to_have_class("search has-results is-over")
    give(page, "drop", samples / "biden.jpg")

    expect(page.locator(".card.is-match")).to_have_count(0)
    expect(page.locator(".card.is-other")).to_have_count(1)
    expect(page.locator("#search")).to_have_class("search has-results")


def test_photos_can_be_dropped_on_a_collection(visit: Visit, samples: Path) -> None:
    visit.new_collection()

    give(visit.page, "drop", samples / "obama.jpg")

    expect(visit.page.locator("#uploads [data-summary]")).to_have_text("1 indexed")


def test_photos_can_be_dropped_on_imports(visit: Visit, samples: Path) -> None:
    visit.new_collection()
    page = visit.page
    page.get_by_role("link", name="Imports", exact=True).click()
    page.wait_for_url("**/imports")  # and for its script

    give(page, "dragenter", samples / "obama.jpg")
    expect(page.locator("#new-import .drop")).to_have_class(re.compile("is-over"))
    give(page, "drop", samples / "obama.jpg")
    expect(page.locator("[data-chosen]")).to_contain_text("1 photo")
    page.locator("#new-import button[type=submit]").click()

    page.wait_for_url("**/imports/*-*")
    expect(page.locator("#import .badge:visible")).to_have_text("Done")


def test_back_leads_to_the_result_and_then_to_the_empty_form(visit: Visit, samples: Path) -> None:
    collection = visit.filled_collection(samples / "obama.jpg")
    page = visit.search_in(collection)
    page.set_input_files("#photo", samples / "obama2.jpg")
    page.locator(".card .from").first.click()
    expect(page.locator("h1")).to_have_text("obama.jpg")

    page.go_back()
    expect(page.locator(".card")).to_have_count(1)
    page.go_back()

    expect(page.locator(".outcome")).to_have_count(0)
    expect(page.locator("h1")).to_be_visible()


def test_what_cannot_be_searched_says_why(visit: Visit, samples: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a picture")
    collection = visit.filled_collection(samples / "obama.jpg")
    visit.expected += ["415", "ERR_INTERNET_DISCONNECTED"]
    page = visit.search_in(collection)

    page.set_input_files("#photo", notes)
    expect(page.get_by_role("alert")).to_contain_text("This is not a picture that can be read")
    page.context.set_offline(True)
    page.set_input_files("#photo", samples / "obama2.jpg")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()

    expect(page.locator(".card.is-match")).to_have_count(1)


def test_the_keyboard_is_enough(visit: Visit, samples: Path, couple: Path) -> None:
    collection = visit.filled_collection(samples / "obama.jpg")
    page = visit.search_in(collection)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("id", "collection")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("id", "photo")
    page.set_input_files("#photo", couple)
    expect(page.locator(".outline")).to_have_count(2)

    page.keyboard.press("ArrowRight")
    expect(page.locator("#face-2")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#face-1")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Filters")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("data-face", "1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#face-2")).to_be_visible()


def test_an_outline_on_a_stored_photo_leads_to_its_row(visit: Visit, samples: Path) -> None:
    visit.filled_collection(samples / "t1.jpg")
    page = visit.page
    page.click(".tile")
    expect(page.locator(".outline")).to_have_count(6)

    page.locator(".outline").nth(3).click()

    chosen = page.locator(".face-row.is-chosen")
    expect(chosen).to_have_count(1)
    expect(chosen.locator("input[name=name]")).to_be_focused()


def test_without_scripts_photos_are_added_and_searched(
    visiting: Callable[..., Visit], samples: Path, couple: Path
) -> None:
    visit = visiting(java_script_enabled=False)
    page = visit.page
    collection = visit.new_collection()
    page.set_input_files("#photos", [samples / "obama.jpg", samples / "biden.jpg"])
    page.get_by_role("button", name="Upload").click()
    # The page reloads itself until everything is done.
    expect(page.locator("progress")).to_have_attribute("value", "2", timeout=30_000)

    visit.search_in(collection).set_input_files("#photo", couple)
    page.locator("button.submit").click()

    expect(page.locator("#face-1")).to_be_visible()
    expect(page.locator("#face-2")).to_be_visible()
    expect(page.locator(".keys")).to_be_hidden()
    expect(page.locator("#face-1 .card.is-match")).to_have_count(1)
    page.locator(".chip[data-face='2']").click()
    assert page.url.endswith("#face-2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone(
    visiting: Callable[..., Visit], samples: Path, scheme: str
) -> None:
    visit = visiting(**PHONE, color_scheme=scheme)
    collection = visit.filled_collection(samples / "obama.jpg", samples / "t1.jpg")
    page = visit.page
    image = page.locator(".tile").first.get_attribute("href")
    album = [collection, f"{collection}/people", f"{collection}/together", image]
    paths = ["/", "/collections", *album, "/system", "/none"]
    visit.expected.append("404")

    for path in paths:
        visit.go(str(path))
        assert sideways(page) == 0, path
    visit.search_in(collection).set_input_files("#photo", samples / "t1.jpg")
    expect(page.locator(".chip")).to_have_count(6)

    assert sideways(page) == 0
    expect(page.locator("label.camera")).to_be_visible()


def sideways(page: Page) -> int:
    """Pixels that a page is wider than its window."""
    wider: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wider


def test_who_fills_in_a_cosine_means_it(visit: Visit) -> None:
    visit.new_collection()
    page = visit.page
    page.locator("details.settings summary").click()
    page.evaluate("document.querySelector('#policy-budget').disabled = false")
    page.check("#policy-budget")

    page.fill("input[name=threshold]", "0.5")

    expect(page.locator("#policy-cosine")).to_be_checked()


def test_a_name_of_any_length_fits(visit: Visit, samples: Path) -> None:
    collection = visit.filled_collection(samples / "obama.jpg")
    page = visit.page
    page.click(".tile")
    name = "Wolfeschlegelsteinhausenbergerdorff" * 5
    page.fill(".name-form input", name)
    page.click(".name-form button")

    page.set_viewport_size({"width": 360, "height": 740})
    for path in (collection, f"{collection}/people", f"{collection}/together?who={name}"):
        visit.go(path)
        assert sideways(page) == 0, path
    visit.search_in(collection).set_input_files("#photo", samples / "obama2.jpg")
    expect(page.locator(".card.is-match")).to_have_count(1)

    assert sideways(page) == 0
