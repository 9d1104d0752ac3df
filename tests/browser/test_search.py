"""Filters, further results and reasons on the search page, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Any  # tests/browser/conftest.py

pytestmark = pytest.mark.browser


@pytest.fixture
def crowd(visit: Visit, samples: Path, couple: Path) -> Page:
    """The search page with a photo searched in a collection of 14 faces, one with a name."""
    collection = visit.filled_collection(*sorted(samples.glob("*.jpg")), couple)
    page: Page = visit.page
    page.locator(".tile", has=page.get_by_alt_text("biden.jpg")).click()
    page.fill(".name-form input[name=name]", "Joe")
    page.click(".name-form button[type=submit]")
    visit.search_in(collection).set_input_files("#photo", samples / "obama2.jpg")
    expect(page.locator(".card")).to_have_count(12)
    return page


def test_show_more_adds_results_below_and_back_shows_them_again(crowd: Page) -> None:
    crowd.get_by_role("link", name="Show more").click()

    expect(crowd.locator(".card")).to_have_count(14)
    expect(crowd.get_by_role("link", name="Show more")).to_have_count(0)
    expect(crowd.locator(".divider")).to_have_count(1)
    expect(crowd.locator("#status")).to_have_text("2 more results.")
    faces = crowd.locator(".card > .crop").evaluate_all("all => all.map((each) => each.src)")
    assert len(set(faces)) == 14
    crowd.locator(".card .from").last.click()
    crowd.go_back()
    expect(crowd.locator(".card")).to_have_count(14)


def test_filters_search_again_with_the_same_photo(crowd: Page) -> None:
    crowd.locator(".filters summary").click()

    crowd.get_by_label("Who").select_option("People with a name")
    expect(crowd.locator(".card")).to_have_count(1)
    expect(crowd.locator(".card-title")).to_contain_text("Joe")
    crowd.get_by_label("Who").select_option("Everybody")
    expect(crowd.locator(".card")).to_have_count(12)
    crowd.get_by_label("With one of the tags").fill("party")
    crowd.keyboard.press("Tab")

    expect(crowd.locator(".answer")).to_contain_text("No other face meets the filters")


def test_why_opens_and_closes_in_its_place_by_keyboard(crowd: Page) -> None:
    asked = crowd.get_by_role("link", name="Why these?")
    asked.focus()
    crowd.keyboard.press("Enter")

    expect(crowd.locator(".why")).to_contain_text("Each of the 14 faces was compared")
    expect(crowd.locator(".why .small-face")).to_have_count(3)
    expect(asked).to_have_attribute("aria-expanded", "true")
    asked.focus()
    crowd.keyboard.press("Enter")
    expect(crowd.locator(".why")).to_have_count(0)


def test_a_filter_that_makes_no_sense_says_so_and_can_be_mended(crowd: Page, visit: Visit) -> None:
    visit.expected.append("400")
    crowd.locator(".filters summary").click()

    crowd.get_by_label("Without the tags").fill("x" * 101)
    crowd.keyboard.press("Tab")
    expect(crowd.get_by_role("alert")).to_contain_text("A tag has 1 to 100 characters")
    crowd.get_by_label("Without the tags").fill("private")
    crowd.keyboard.press("Tab")

    expect(crowd.locator(".card")).to_have_count(12)


def test_filters_of_a_stored_face_are_sent_in_the_address(crowd: Page) -> None:
    crowd.locator(".card").first.get_by_role("link", name="Search with this face").click()
    crowd.wait_for_url("**/?collection=*&face=*")
    crowd.locator(".filters summary").click()
    crowd.locator("[name=group]").select_option("Photos")

    crowd.get_by_role("button", name="Search again").click()

    crowd.wait_for_url("**group=image**")
    assert "photo=" not in crowd.url
    assert "face=" in crowd.url
    expect(crowd.locator("[name=group]")).to_have_value("image")
    expect(crowd.locator(".card").first).to_be_visible()


def test_results_too_old_to_go_on_with_say_so(crowd: Page, visit: Visit) -> None:
    visit.expected.append("410")
    more = crowd.get_by_role("link", name="Show more")
    more.evaluate("link => { link.href = '/more?cursor=gone'; }")

    more.click()

    expect(crowd.locator("h1")).to_contain_text("too old to go on with")
