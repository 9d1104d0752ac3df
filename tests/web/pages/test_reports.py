"""Reports on pages: made, looked at, cured, without scripts."""

import re
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from core import changes, people, reporting
from core.db import reports as rows
from core.db.reports import Report
from core.reports import registry
from tests.casts import Cast, directions, near

Make = Callable[[str], Report]
API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py


@pytest.fixture
def root(town: Cast) -> str:
    return f"/collections/{town.collection.id}"


@pytest.fixture
def make(visitor: Visitor, town: Cast, bell: Any) -> Make:
    """Ask for a report on its page, and be the worker who knows the town; return what was made."""
    bell.workers = False

    def ask(name: str) -> Report:
        visitor.post(f"/collections/{town.collection.id}/reports", report=name)
        reporting.work(town.services, lambda: None, Event())
        latest = rows.latest(town.conn, town.collection.id)
        return next(each for each in latest if each.name == name)

    return ask


def test_all_reports_are_made_by_one_button_and_say_how_they_stand(
    visitor: Visitor, bell: Any, town: Cast, root: str
) -> None:
    bell.workers = False
    before = visitor.read(visitor.get(f"{root}/reports"))
    visitor.post(f"{root}/reports")
    reporting.work(town.services, lambda: None, Event())
    after = visitor.get(f"{root}/reports")

    assert before.count("Not made yet.") == len(registry.REPORTS)
    assert "Make it" in before
    assert "1 finding " in visitor.read(after)
    assert "Numbers and plots" in visitor.read(after)
    assert "Review inbox 2" in visitor.read(after)
    assert "data-done" in after.text


def test_the_page_of_a_collection_leads_to_its_reports_and_to_what_is_to_be_decided(
    visitor: Visitor, make: Make, root: str
) -> None:
    make("two-names")

    page = visitor.get(root)

    assert f'href="{root}/reports"' in page.text
    assert "Review 1" in visitor.read(page)


def test_a_report_that_waits_can_be_cancelled_and_a_script_asks_how_far_it_is(
    visitor: Visitor, bell: Any, root: str
) -> None:
    bell.workers = False
    waiting = visitor.post(f"{root}/reports", report="health")
    fragment = visitor.get(f"{root}/reports", **{"X-Fragment": "1"})
    cancel = re.findall(r'action="(/reports/[^"]+/cancel)"', waiting.text)

    cancelled = visitor.post(cancel[0])

    assert "A worker makes it as soon as one is free." in visitor.read(waiting)
    assert '<meta http-equiv="refresh"' in waiting.text
    assert "X-Fragment" in fragment.headers
    assert "data-done" not in fragment.text
    assert "<html" not in fragment.text
    assert "The report is given up." in visitor.read(cancelled)


def test_a_broker_that_is_away_is_told_and_the_report_waits(
    visitor: Visitor, bell: Any, root: str
) -> None:
    bell.broker = False

    page = visitor.post(f"{root}/reports", report="health")

    assert page.status_code == 503
    assert "The broker does not answer" in visitor.read(page)
    assert "Waiting" in visitor.read(page)


def test_two_names_are_merged_from_their_finding_and_parted_again(
    visitor: Visitor, make: Make, town: Cast
) -> None:
    report = make("two-names")
    page = visitor.get(f"/reports/{report.id}")
    item = re.findall(r'name="item" value="([^"]+)"', page.text)[0]
    form = {"item": item, "report": str(report.id), "position": "0"}
    root = f"/collections/{town.collection.id}/review"

    merged = visitor.post(root, decision="same", **form)
    names = {each.name for each in _people(town)}
    undone = visitor.post(f"{root}/undo", **form)

    assert re.search("(Eve and Eva|Eva and Eve) look like one person", visitor.read(page))
    assert merged.request.path == f"/reports/{report.id}"
    assert "Decided" in visitor.read(merged)
    assert names in ({"Ann", "Bob", "Eve"}, {"Ann", "Bob", "Eva"})
    assert "it is asked again" in visitor.read(undone)
    assert {each.name for each in _people(town)} == {"Ann", "Bob", "Eva", "Eve"}
    assert changes.page(town.conn, town.collection.id, limit=1)[0].change.kind == "undo"


def test_what_is_new_and_what_is_gone_can_be_chosen(
    visitor: Visitor, make: Make, town: Cast
) -> None:
    make("two-names")
    ann = directions(4)[0]
    town.add(near(ann, 0.9, 4, seed=20), "Anna")
    second = make("two-names")
    fresh = visitor.read(visitor.get(f"/reports/{second.id}?new=1"))
    everything = visitor.read(visitor.get(f"/reports/{second.id}"))
    town.conn.execute("DELETE FROM people WHERE name = 'Anna'")

    third = make("two-names")
    gone = visitor.read(visitor.get(f"/reports/{third.id}?gone=1"))

    assert "2 findings 1 new" in everything
    assert "3 versions" not in everything
    assert "Anna" in fresh
    assert "Eva" not in fresh
    assert "3 versions" in gone
    assert "Gone since the last time 1" in gone
    assert "Anna" in gone
    assert "Not found any more." in gone


def test_findings_come_in_pages(
    visitor: Visitor, make: Make, town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.reports.PER_PAGE", 1)
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    report = make("two-names")

    first = visitor.get(f"/reports/{report.id}")
    following = re.findall(r'href="([^"]+from=1[^"]*)"', first.text)
    second = visitor.get(following[0].replace("&amp;", "&"))

    assert 'id="finding-0"' in first.text
    assert 'id="finding-1"' not in first.text
    assert 'id="finding-1"' in second.text
    assert "Show more" not in second.text
    assert visitor.get(f"/reports/{report.id}?kind=%00").status_code == 400


def test_a_group_without_a_name_gets_one(visitor: Visitor, make: Make, town: Cast) -> None:
    report = make("unnamed")
    address = f"/reports/{report.id}/findings/0/name"

    nameless = visitor.post(address, name=" ")
    named = visitor.post(address, name="Dora")
    again = visitor.post(address, name="Dora")

    assert nameless.status_code == 400
    assert "These faces have a name now." in visitor.read(named)
    [dora] = [each for each in _people(town) if each.name == "Dora"]
    assert dora.face_count == 3
    assert again.status_code == 409
    assert "was changed meanwhile" in visitor.read(again)


def test_faces_whose_pictures_are_not_kept_have_a_calm_place(
    visitor: Visitor, make: Make, town: Cast
) -> None:
    report = make("two-names")

    page = visitor.get(f"/reports/{report.id}")

    assert 'title="No picture is kept"' in page.text
    assert "/crop" not in page.text


def test_health_is_shown_as_numbers_and_plots_for_both_themes(
    visitor: Visitor, make: Make, town: Cast
) -> None:
    report = make("health")

    page = visitor.get(f"/reports/{report.id}")
    plots = sorted(set(re.findall(r"/reports/[^\"]+\.png", page.text)))
    pictures = [visitor.get(plot) for plot in plots]

    assert "Faces without a name" in visitor.read(page)
    assert [plot.rpartition("/")[2] for plot in plots] == [
        f"{name}-{theme}.png"
        for name in ("growth", "quality", "scores")
        for theme in ("dark", "light")
    ]
    assert all(each.data.startswith(b"\x89PNG") for each in pictures)
    assert all("immutable" in each.headers["Cache-Control"] for each in pictures)
    assert len({each.data for each in pictures}) == len(pictures)
    assert visitor.get(f"/reports/{report.id}/plots/secrets-dark.png").status_code == 404
    assert visitor.get(f"/reports/{report.id}/plots/growth-pink.png").status_code == 404


def test_a_version_is_forgotten(visitor: Visitor, make: Make, town: Cast) -> None:
    report = make("health")

    page = visitor.post(f"/reports/{report.id}/delete")

    assert "This version was forgotten." in visitor.read(page)
    assert visitor.get(f"/reports/{report.id}").status_code == 404


def test_a_report_that_failed_says_why(visitor: Visitor, make: Make, town: Cast, root: str) -> None:
    report = make("health")
    town.conn.execute(
        "UPDATE reports SET state = 'failed', detail = 'It was raining.' WHERE id = %s",
        [report.id],
    )

    overview = visitor.read(visitor.get(f"{root}/reports"))
    page = visitor.read(visitor.get(f"/reports/{report.id}"))

    assert "The last try failed: It was raining." in overview
    assert "Failed It was raining." in page


def test_of_two_copies_the_smaller_one_is_deleted_and_the_report_follows(
    visitor: Visitor, make: Make, bell: Any, client: API
) -> None:
    report = make("duplicates")
    bell.workers = True
    home = client.collection()["id"]
    image = client.add(home, (10, 0))

    page = visitor.post(f"/images/{image['id']}/delete", report=str(report.id), position="0")

    assert page.request.path == f"/reports/{report.id}"
    assert "The photo was deleted." in visitor.read(page)


def _people(town: Cast) -> list[Any]:
    return people.page(town.conn, town.collection.id, limit=50)
