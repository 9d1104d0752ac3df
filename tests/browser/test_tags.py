"""Tags of photos that are added with a script."""

from pathlib import Path
from typing import Any

import pytest

Visit = Any  # tests/browser/conftest.py

pytestmark = pytest.mark.browser


def test_photos_are_tagged_and_a_tag_that_is_refused_can_be_mended(
    visit: Visit, samples: Path
) -> None:
    visit.expected.append("status of 400")
    collection = visit.new_collection()
    page = visit.page

    page.fill("#upload input[name=tags]", "x" * 101)
    page.set_input_files("#photos", [samples / "obama.jpg"])
    page.wait_for_selector(".file-row.is-failed")
    refused = page.inner_text(".file-row")
    page.fill("#upload input[name=tags]", "president, two words")
    page.click("[data-retry]")
    page.wait_for_selector(".file-row.is-indexed")

    assert "A tag has 1 to 100 characters." in refused
    visit.go(f"{collection}?tag=two+words")
    page.click(".tile")
    page.wait_for_selector(".pills")
    assert page.locator(".pills a").all_inner_texts() == ["president", "two words"]


def test_the_time_and_the_tags_of_a_photo_are_changed_on_its_page(
    visit: Visit, samples: Path
) -> None:
    visit.filled_collection(samples / "obama.jpg")
    page = visit.page
    page.click(".tile")
    page.click("text=Tags, time and external id")

    page.fill("input[name=tags]", "later")
    page.fill("input[name=captured_at]", "2013-01-20T17:00:05")
    page.click("text=Save")

    page.wait_for_selector("[data-note]")
    assert "Taken 20 Jan 2013, 17:00 UTC" in page.inner_text(".page-head")
    assert page.locator(".pills a").all_inner_texts() == ["later"]
    assert page.input_value("input[name=captured_at]") == "2013-01-20T17:00:05"
