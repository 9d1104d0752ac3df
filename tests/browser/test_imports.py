"""Imports in a real browser: sent in parts and in batches, cut off, followed and stopped."""

import io
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import FileChooser, Page, Request, Route, expect
from playwright.sync_api import TimeoutError as NothingHappened

Visit = Any  # tests/browser/conftest.py
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
MIB = 2**20
PART = 8 * MIB

pytestmark = pytest.mark.browser


@pytest.fixture
def archive(samples: Path, tmp_path: Path) -> Path:
    """Two photos, and what makes the archive three parts long; no other test has the same one."""
    path = tmp_path / "trip.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("obama.jpg", "biden.jpg"):
            file.write(samples / name, f"album/{name}")
        file.writestr("album/notes.bin", uuid4().bytes * MIB)
    return path


def imports_of(visit: Visit) -> Page:
    """Make a collection, and go to its imports by the link of its page."""
    visit.new_collection()
    visit.page.get_by_role("link", name="Imports", exact=True).click()
    expect(visit.page.locator("h1")).to_have_text("Imports")
    return visit.page


def choose(page: Page, *files: Path, field: str = "#files") -> None:
    page.set_input_files(field, files[0] if field == "#folder" else list(files))
    expect(page.locator("[data-chosen]")).to_be_visible()


def begin(page: Page) -> None:
    page.locator("#new-import button[type=submit]").click()


def watch_parts(page: Page) -> list[int]:
    """Return the list that the offsets of all parts will be in."""
    offsets: list[int] = []

    def heard(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", heard)
    return offsets


def expect_outcome(page: Page, state: str, done: str) -> None:
    page.wait_for_url("**/imports/*-*")
    expect(page.locator("#import .badge:visible")).to_have_text(state)
    expect(page.locator("#import .import-done")).to_have_text(done)


def api(page: Page, method: str, path: str, body: Any = None) -> Any:
    """Ask the API as a script of the page does."""
    return page.evaluate(
        """async ([method, path, body]) => {
          const json = body !== null && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
          return (await fetch(path, { method, ...json })).json();
        }""",
        [method, path, body],
    )


def send_content(page: Page, import_id: str, data: bytes, offset: int = 0) -> None:
    answer = page.evaluate(
        """async ([id, letters, offset]) => {
          const body = Uint8Array.from(letters);
          const headers = { "Upload-Offset": String(offset), "Content-Type": "application/octet-stream" };
          return (await fetch(`/v1/imports/${id}/content`, { method: "PATCH", headers, body })).status;
        }""",
        [import_id, list(data), offset],
    )
    assert answer == 204


def open_import(visit: Visit, **wish: Any) -> str:
    """Make an import that waits for its archive, and go to its page; return its id."""
    page = imports_of(visit)
    home = page.url.split("/collections/")[1].split("/")[0]
    given = {"source": "archive", "name": "trip.zip", **wish}
    made: str = api(page, "POST", f"/v1/collections/{home}/imports", given)["id"]
    visit.go(f"/imports/{made}")
    return made


def small_archive(*photos: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for photo in photos:
            file.write(photo, photo.name)
    return stream.getvalue()


def test_an_archive_is_sent_in_parts_and_a_cut_is_waited_out(visit: Visit, archive: Path) -> None:
    page = imports_of(visit)
    offsets = watch_parts(page)
    visit.expected.append("ERR_FAILED")
    cuts = []

    def cut_once(route: Route) -> None:
        if route.request.method == "PATCH" and len(offsets) == 2 and not cuts:
            cuts.append(route.request)
            route.abort()
        else:
            route.fallback()

    page.route("**/content", cut_once)
    choose(page, archive)
    expect(page.locator("[data-chosen]")).to_contain_text("trip.zip, 16.")

    begin(page)

    expect_outcome(page, "Done", "3 of 3")
    assert cuts
    assert offsets == [0, PART, PART, 2 * PART]
    expect(page.locator("[data-count=indexed]")).to_have_text("2 indexed")
    expect(page.locator("[data-count=rejected]")).to_have_text("1 refused")
    expect(page.locator(".result.is-indexed img")).to_have_count(2)
    expect(page.locator(".result.is-rejected")).to_contain_text("not a picture")


def test_the_same_file_goes_on_where_it_was_after_a_reload(visit: Visit, archive: Path) -> None:
    page = imports_of(visit)
    offsets = watch_parts(page)
    page.on("dialog", lambda dialog: dialog.accept())

    hung: list[Route] = []

    def hang_once(route: Route) -> None:
        if route.request.method == "PATCH" and len(offsets) == 2 and not hung:
            hung.append(route)  # never answered: what stops sending aborts it
        else:
            route.fallback()

    page.route("**/content", hang_once)
    choose(page, archive)
    page.check("input[name=people_by_folder]")
    begin(page)
    expect(page.locator("[data-sent]")).to_contain_text("8.0 MiB of 16.")
    while not hung:
        page.wait_for_timeout(50)
    page.get_by_role("button", name="Stop sending").click()
    expect(page.locator("[data-said]")).to_have_text("Stopped. What arrived stays.")
    page.reload()
    expect(page.locator(".import-row")).to_contain_text("There is more to come: 8.0 MiB of 16.")

    choose(page, archive)
    expect(page.locator("[data-known]")).to_contain_text("8.0 MiB of it came before")
    expect(page.locator("input[name=people_by_folder]")).to_be_checked()
    expect(page.locator("input[name=people_by_folder]")).to_be_disabled()
    page.get_by_role("button", name="Go on").click()

    expect_outcome(page, "Done", "3 of 3")
    assert offsets == [0, PART, PART, 2 * PART]
    expect(page.locator(".page-head")).to_contain_text("folders name people")


def test_sending_is_stopped_and_goes_on(visit: Visit, archive: Path) -> None:
    page = imports_of(visit)
    offsets = watch_parts(page)
    held = []

    def hang_once(route: Route) -> None:
        if route.request.method == "PATCH" and len(offsets) == 2:
            held.append(route)
            return
        route.fallback()

    page.route("**/content", hang_once)
    choose(page, archive)
    begin(page)
    while not held:
        page.wait_for_timeout(50)

    page.get_by_role("button", name="Stop sending").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()
    page.keyboard.press("Enter")

    expect_outcome(page, "Done", "3 of 3")
    assert offsets == [0, PART, PART, 2 * PART]


def test_a_folder_is_sent_in_batches_and_names_people(
    visit: Visit, samples: Path, tmp_path: Path
) -> None:
    for person, photo in (("Barack_Obama", "obama.jpg"), ("Joe Biden", "biden.jpg")):
        (tmp_path / "people" / person).mkdir(parents=True)
        (tmp_path / "people" / person / photo).write_bytes((samples / photo).read_bytes())
    (tmp_path / "people" / ".DS_Store").write_bytes(b"junk")
    page = imports_of(visit)
    collection = page.url.removesuffix("/imports").removeprefix(visit.site.url)
    choose(page, tmp_path / "people", field="#folder")
    expect(page.locator("[data-chosen]")).to_contain_text("people: 2 photos")
    expect(page.locator("input[name=dry_run]")).to_be_disabled()
    page.check("input[name=people_by_folder]")

    begin(page)

    expect_outcome(page, "Done", "2 of 2")
    expect(page.locator("h1")).to_have_text("people")
    expect(page.locator(".result-name").first).to_contain_text("people/")
    visit.go(f"{collection}/people")
    expect(page.locator(".person-card strong")).to_have_text(["Barack Obama", "Joe Biden"])


def test_photos_that_were_begun_are_not_sent_twice(visit: Visit, samples: Path) -> None:
    photos = [samples / name for name in ("obama.jpg", "obama2.jpg", "biden.jpg")]
    page = imports_of(visit)
    page.on("dialog", lambda dialog: dialog.accept())
    visit.expected += ["ERR_FAILED", "404"]
    sent: list[str] = []

    def lose_the_end(route: Route) -> None:
        sent.append(route.request.url)
        route.abort()

    page.route("**/start", lose_the_end)
    choose(page, *photos)
    begin(page)
    expect(page.locator("#sending [data-count=indexed]")).to_have_text("3 indexed")
    page.reload()
    page.unroute("**/start")
    batches: list[str] = []
    page.on("request", lambda asked: batches.append(asked.url) if "/photos" in asked.url else None)

    choose(page, *photos)
    expect(page.locator("[data-known]")).to_contain_text("it goes on there")
    page.get_by_role("button", name="Go on").click()

    expect_outcome(page, "Done", "3 of 3")
    assert sent
    assert batches == []


@pytest.mark.parametrize("events", [True, False])
def test_an_import_is_followed_without_a_reload(
    visit: Visit, samples: Path, *, events: bool
) -> None:
    page = visit.page
    asked: list[str] = []
    visit.expected.append("503")  # where others listen, too
    if not events:
        page.route("**/events", lambda route: route.fulfill(status=503, body="{}"))
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    sent = small_archive(samples / "obama.jpg", samples / "biden.jpg")
    made = open_import(visit, bytes=len(sent))
    page.evaluate("window.stayed = true")
    expect(page.locator("#import .badge:visible")).to_have_text("Being sent")

    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#import .badge:visible")).to_have_text("Paused")
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#import .badge:visible")).to_have_text("Being sent")
    send_content(page, made, sent[:1000])
    expect(page.locator("[data-fact=received] dd")).to_contain_text("1000 bytes of")
    send_content(page, made, sent[1000:], offset=1000)

    expect(page.locator("#import .badge:visible")).to_have_text("Done")
    expect(page.locator("#import .import-done")).to_have_text("2 of 2")
    expect(page.locator("#import [data-said]")).to_have_text("Done")
    expect(page.locator("[data-part=indexed]")).to_have_attribute("width", "100.000")
    expect(page.locator(".result.is-indexed img")).to_have_count(2)
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    assert page.evaluate("window.stayed") is True
    assert "events" in asked
    assert events or asked.count(made) > 2


def test_an_import_is_cancelled_and_forgotten_by_keyboard(visit: Visit) -> None:
    open_import(visit)
    page = visit.page

    page.locator("summary", has_text="Cancel").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel this import")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#import .badge:visible")).to_have_text("Cancelled")
    expect(page.locator("summary", has_text="Forget")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_url("**/imports?note=*")
    expect(page.locator("[data-note]")).to_contain_text("The import was forgotten")
    expect(page.locator(".import-row")).to_have_count(0)


def chooser_by_keyboard(page: Page) -> FileChooser:
    """Open the choice of files with Enter; a browser drops keys until it has painted a page once."""
    for _ in range(10):
        page.locator("#files").focus()
        with suppress(NothingHappened):
            with page.expect_file_chooser(timeout=3_000) as chooser:
                page.keyboard.press("Enter")
            return chooser.value
    raise AssertionError("Enter opens no choice of files")


def test_a_file_is_chosen_and_sent_by_keyboard(visit: Visit, samples: Path) -> None:
    page = imports_of(visit)
    chooser_by_keyboard(page).set_files([samples / "obama.jpg"])
    expect(page.locator("[data-chosen]")).to_contain_text("1 photo")

    for _ in range(12):
        if page.evaluate("document.activeElement.type") == "submit":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect_outcome(page, "Done", "1 of 1")


def test_a_wrong_file_says_why(visit: Visit, samples: Path, tmp_path: Path) -> None:
    notes, empty = tmp_path / "notes.zip", tmp_path / "empty.zip"
    notes.write_text("not an archive")
    empty.touch()
    page = imports_of(visit)

    page.set_input_files("#files", [empty])
    expect(page.get_by_role("alert")).to_contain_text("This file is empty.")
    page.set_input_files("#files", [notes, samples / "obama.jpg"])
    expect(page.get_by_role("alert")).to_contain_text("An archive is imported alone")
    choose(page, notes)
    expect(page.get_by_role("alert")).to_be_hidden()
    begin(page)

    expect_outcome(page, "Ended early", "0 of 0")
    expect(page.locator("#details .alert")).to_contain_text("This is no archive that can be read")


def test_a_tag_that_is_refused_can_be_mended(visit: Visit, samples: Path) -> None:
    visit.expected.append("400")
    page = imports_of(visit)
    choose(page, samples / "obama.jpg")
    page.fill("#new-import input[name=tags]", "x" * 101)
    begin(page)
    expect(page.get_by_role("alert")).to_contain_text("characters")

    page.fill("#new-import input[name=tags]", "president")
    begin(page)

    expect_outcome(page, "Done", "1 of 1")
    expect(page.locator(".page-head")).to_contain_text("tagged president")


def test_a_manifest_goes_with_the_photos_that_it_names(
    visit: Visit, samples: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("key,person_name\nobama.jpg,Barack Obama\nnobody.jpg,\n")
    page = imports_of(visit)

    choose(page, manifest, samples / "obama.jpg")
    begin(page)

    expect_outcome(page, "Done", "2 of 2")
    expect(page.locator(".result.is-indexed")).to_contain_text("obama.jpg")
    expect(page.locator(".result.is-rejected")).to_contain_text("was uploaded")


def test_a_manifest_in_a_folder_goes_with_it_and_only_what_is_missing_is_sent_again(
    visit: Visit, samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "given"
    (folder / "album").mkdir(parents=True)
    (folder / "list.csv").write_text("key\nalbum/obama.jpg\nalbum/biden.jpg\n")
    for name in ("obama.jpg", "biden.jpg"):
        (folder / "album" / name).write_bytes((samples / name).read_bytes())
    page = imports_of(visit)
    page.on("dialog", lambda dialog: dialog.accept())
    put: list[str] = []
    page.on(
        "request",
        lambda asked: put.append(asked.url.rpartition("/")[2]) if asked.method == "PUT" else None,
    )
    hung: list[Route] = []
    page.route("**/content", lambda route: hung.append(route))  # noqa: PLW0108  Playwright cannot mark a method
    choose(page, folder, field="#folder")
    expect(page.locator("[data-chosen]")).to_contain_text("list.csv")
    begin(page)
    while not hung:
        page.wait_for_timeout(50)
    page.reload()
    page.unroute("**/content")  # before, it would let the hung request go on beside the reload

    choose(page, folder, field="#folder")
    page.get_by_role("button", name="Go on").click()

    expect_outcome(page, "Done", "2 of 2")
    expect(page.locator("[data-count=indexed]")).to_have_text("2 indexed")
    assert sorted(put) == ["biden.jpg", "obama.jpg"]


def test_an_answer_that_breaks_off_does_not_stop_the_sending(visit: Visit, samples: Path) -> None:
    page = imports_of(visit)
    page.route("**/imports?limit=100", lambda route: route.fulfill(body="{"))
    choose(page, samples / "obama.jpg")

    begin(page)

    expect_outcome(page, "Done", "1 of 1")


def test_the_focus_is_seen_at_the_button_that_has_it(visit: Visit) -> None:
    page = imports_of(visit)

    page.locator("#files").focus()
    page.keyboard.press("Tab")

    outlines = page.evaluate(
        """[...document.querySelectorAll(".pick")].map((each) => getComputedStyle(each).outlineStyle)"""
    )
    assert outlines == ["none", "solid"]


def test_a_dry_run_says_what_would_be_and_leads_to_the_import(
    visit: Visit, samples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "try.zip"
    path.write_bytes(small_archive(samples / "obama.jpg"))
    page = imports_of(visit)
    choose(page, path)
    page.check("input[name=dry_run]")
    begin(page)
    page.wait_for_url("**/imports/*-*")
    expect(page.locator("#forecast-title")).to_have_text("What it would come to")
    expect(page.locator("table.narrow tr").first).to_have_text(re.compile(r"Faces\s*1"))

    page.get_by_role("button", name="Import it now").click()

    expect_outcome(page, "Done", "1 of 1")


def test_an_import_under_way_moves_on_the_page_of_its_collection(
    visit: Visit, samples: Path
) -> None:
    sent = small_archive(samples / "obama.jpg")
    made = open_import(visit, bytes=len(sent))
    page = visit.page
    page.locator(".crumbs a").nth(1).click()
    line = page.locator(".import-line")
    expect(line).to_contain_text("trip.zip")
    expect(line.locator(".badge:visible")).to_have_text("Being sent")

    send_content(page, made, sent)

    expect(line.locator(".badge:visible")).to_have_text("Done")
    expect(line.locator(".import-done")).to_have_text("1 of 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone(
    visiting: Callable[..., Visit], samples: Path, tmp_path: Path, scheme: str
) -> None:
    visit = visiting(**PHONE, color_scheme=scheme)
    path = tmp_path / f"{'wolfeschlegelsteinhausenbergerdorff' * 3}.zip"
    path.write_bytes(small_archive(samples / "obama.jpg", samples / "biden.jpg"))
    page = imports_of(visit)
    listed = page.url
    choose(page, path)
    assert sideways(page) == 0
    begin(page)
    expect_outcome(page, "Done", "2 of 2")

    assert sideways(page) == 0
    page.goto(listed)
    assert sideways(page) == 0


def sideways(page: Page) -> int:
    """Pixels that a page is wider than its window."""
    wider: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wider
