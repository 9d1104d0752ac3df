"""Reports and the review inbox in a browser: made, decided by keyboard, undone, on a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

Visit = Any  # tests/browser/conftest.py

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

FILES = {
    "Barack Obama": ["obama.jpg", "obama2.jpg"],
    "B. Obama": ["obama3.jpg", "obama_partial_face.jpg"],
    "Joe Biden": ["biden.jpg"],
}


@pytest.fixture(scope="session")
def folders(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody under two names, and somebody else, each name in a folder of its own."""
    root = tmp_path_factory.mktemp("people")
    for name, files in FILES.items():
        (root / name).mkdir()
        for file in files:
            (root / name / file).write_bytes((samples / file).read_bytes())
    return root


@pytest.fixture
def reports(visit: Visit, folders: Path, couple: Path) -> str:
    """The address of the reports of a collection, all of which are made."""
    collection = visit.new_collection()
    home = collection.rpartition("/")[2]
    visit.site.command("ingest", "-c", home, "--people", str(folders))
    visit.site.command("ingest", "-c", home, str(couple))
    page = visit.go(f"{collection}/reports")
    page.click("text=Make all")
    page.wait_for_selector("#progress [data-done]")
    assert page.locator("text=Not made yet.").count() == 0
    return f"{collection}/reports"


@pytest.fixture
def inbox(visit: Visit, reports: str) -> str:
    """The address of an inbox of at least three questions."""
    address = reports.replace("/reports", "/review")
    assert open_count(visit.go(address)) >= 3
    return address


def open_count(page: Any) -> int:
    return int(page.locator(".tabs a").first.locator(".muted").inner_text())


def asked(page: Any) -> str:
    found: str = page.locator("[data-item]").get_attribute("data-item")
    return found


def press(page: Any, key: str) -> None:
    """Press a key and wait for what it brings."""
    with page.expect_response(lambda response: "/review" in response.url and response.ok):
        page.keyboard.press(key)
    expect(page.locator("#desk")).to_have_attribute("aria-busy", "false")


def test_questions_are_answered_undone_and_walked_through_by_keyboard(
    visit: Visit, inbox: str
) -> None:
    page = visit.go(inbox)
    total, first = open_count(page), asked(page)

    press(page, "ArrowRight")
    second = asked(page)
    press(page, "ArrowLeft")
    assert (asked(page), second != first) == (first, True)
    press(page, "d")
    assert "Different people" in page.inner_text("#said")
    assert page.evaluate("document.activeElement.id") == "question"
    assert asked(page) == second
    press(page, "u")
    assert asked(page) == first
    assert open_count(page) == total

    for _ in range(3):
        press(page, "l")
    assert open_count(page) == total - 3
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.click("text=Later")
    page.wait_for_selector(f'[data-item="{first}"]')


def test_several_are_decided_at_once_and_taken_back(visit: Visit, inbox: str) -> None:
    page = visit.go(inbox)
    total = open_count(page)
    page.click("text=Several at once")
    page.wait_for_selector(".several-row")

    page.keyboard.press("d")
    assert "Choose at least one question first." in page.inner_text("#said")
    for row in range(2):
        page.locator(".several-row").nth(row).click(position={"x": 500, "y": 12})
    press(page, "l")
    assert "2 questions put off." in page.inner_text("#said")
    assert open_count(page) == total - 2
    press(page, "u")
    assert open_count(page) == total


def test_a_finding_is_cured_on_its_report_and_the_cure_is_undone(
    visit: Visit, reports: str
) -> None:
    page = visit.go(reports)
    page.click("text=Two names")
    page.locator(".finding .button.primary").first.click()
    page.wait_for_selector(".finding .badge.is-match:text('Decided')")

    page.click(".finding >> text=Undo")
    page.wait_for_selector("text=it is asked again")

    assert page.locator(".finding .button.primary").count() >= 1


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_reaches_over_the_edge_and_plots_follow_the_theme(
    visiting: Callable[..., Visit], reports: str, size: dict[str, int]
) -> None:
    inbox = reports.replace("/reports", "/review")
    for theme in ("light", "dark"):
        visit = visiting(viewport=size, color_scheme=theme)
        links = visit.go(reports).locator(".report-card h2 a").all()
        versions = [link.get_attribute("href") for link in links]

        for address in (reports, *versions, inbox, f"{inbox}?view=list"):
            page = visit.go(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], address
            for plot in page.locator(".plot img").all():
                assert shown(plot).endswith(f"-{theme}.png")


def shown(picture: Any) -> str:
    """Bring a picture into view; return the address of what was loaded."""
    picture.scroll_into_view_if_needed()
    source: str = picture.evaluate("image => image.decode().then(() => image.currentSrc)")
    return source
