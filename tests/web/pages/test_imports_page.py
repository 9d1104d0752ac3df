"""The pages of imports, as a browser without scripts meets them."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from core.services import Services, close_services, open_services
from core.settings import Settings
from web.pages.imports import RESULTS

API = Any  # tests/web/conftest.py: Client
Bell = Any  # tests/web/conftest.py
Visitor = Any  # tests/web/pages/conftest.py
Picture = Callable[..., bytes]

ANNA, BEN = 10, 20


def archive(**photos: bytes) -> bytes:
    """Pack photos into a ZIP; ``__`` in a name is a slash."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in photos.items():
            file.writestr(f"{name.replace('__', '/')}.png", data)
    return stream.getvalue()


def send(visitor: Visitor, home: str, *files: tuple[bytes, str], **fields: Any) -> TestResponse:
    """Send the form of a new import, and go to the page of what it made."""
    given = [(BytesIO(data), name) for data, name in files]
    return visitor.post(f"/collections/{home}/imports", files=given, **fields)


def seen(page: TestResponse) -> str:
    """Return what a person reads, without what is hidden."""
    text = re.sub(r"<(\w+)\b[^>]* hidden>.*?</\1>", " ", page.text, flags=re.DOTALL)
    text = re.sub(r"<(title|head|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def path_of(page: TestResponse) -> str:
    return str(page.request.path)


def test_an_archive_is_imported_and_each_entry_has_its_outcome(
    visitor: Visitor, client: API, team: str, picture: Picture
) -> None:
    photos = {
        "anna": picture((ANNA, 0)),
        "again": picture((ANNA, 0)),
        "none": picture(),
        "bad": b"x",
    }

    page = send(visitor, team, (archive(**photos), "trip.zip"))

    read = seen(page)
    assert re.fullmatch(r"/imports/[0-9a-f-]{36}", path_of(page))
    assert "trip.zip An archive" in read
    assert "Done" in read
    assert "4 of 4" in read
    assert "2 indexed 1 skipped 1 refused" in read
    assert "anna.png Indexed 1 face" in read
    assert "again.png Skipped Already here" in read
    assert "none.png Indexed 0 faces No face was found" in read
    assert "bad.png Refused This is not a picture of a format that is read" in read
    image = client.get(f"/v1/collections/{team}/images").json["items"][0]["id"]
    assert f"/v1/images/{image}/thumbnail?size=small" in page.text
    assert f'href="/images/{image}"' in page.text


def test_several_photos_are_imported_with_the_options_of_the_form(
    visitor: Visitor, client: API, team: str, picture: Picture
) -> None:
    photos = ((picture((ANNA, 0)), "Anna Lee/1.png"), (picture((BEN, 0)), "Ben/2.png"))

    page = send(visitor, team, *photos, people_by_folder="yes", tags="trip, 2026")

    read = seen(page)
    assert "2 photos Photos sent one by one" in read
    assert "folders name people · tagged trip, 2026" in read
    assert "2 of 2" in read
    people = client.get(f"/v1/collections/{team}/people").json["items"]
    assert {person["name"] for person in people} == {"Anna Lee", "Ben"}
    images = client.get(f"/v1/collections/{team}/images").json["items"]
    assert [image["tags"] for image in images] == [["trip", "2026"]] * 2


def test_what_was_refused_says_so_and_leaves_no_import(
    visitor: Visitor, team: str, picture: Picture
) -> None:
    nothing = send(visitor, team)
    empty = send(visitor, team, (b"", "trip.zip"))
    many = send(visitor, team, *((picture((ANNA, each)), f"{each}.png") for each in range(6)))
    wrong = send(visitor, team, (picture(), "1.png"), on_duplicate="forget")
    long_tag = send(visitor, team, (picture(), "1.png"), tags="x" * 101)
    other = send(visitor, team, (picture(), "1.png"), server_folder="/etc", dry_run="yes")

    for page, words in (
        (nothing, "Choose an archive, a manifest, or 1 to 5 photos."),
        (empty, "Nothing was sent."),
        (many, "Choose an archive, a manifest, or 1 to 5 photos."),
        (wrong, "There is no such way to treat duplicates."),
        (long_tag, "A tag has 1 to 100 characters."),
        (other, "All photos must be there at once"),
    ):
        assert page.status_code == 400
        assert words in seen(page)
    assert 'value="' + "x" * 101 in long_tag.text
    listed = visitor.get(f"/collections/{team}/imports").text
    assert 'class="panel import-row"' not in listed


def test_a_manifest_that_names_nothing_that_is_here_tells_each_reason(
    visitor: Visitor, team: str
) -> None:
    page = send(visitor, team, (b"key\nanna.png\n", "list.csv"))

    read = seen(page)
    assert "list.csv A manifest" in read
    assert "There is no such file Look at the name or the address. 1" in read
    assert "1 refused" in read


def test_an_archive_that_is_none_ended_early_and_says_why(visitor: Visitor, team: str) -> None:
    page = send(visitor, team, (b"no archive at all", "trip.zip"))

    read = seen(page)
    assert "Ended early" in read
    assert "This is no archive that can be read" in read
    assert "ZIP, TAR, TAR.GZ and TAR.ZST are." in read


def test_results_are_filtered_by_state_and_paged(
    visitor: Visitor, client: API, team: str, picture: Picture
) -> None:
    photos = {f"p{number:03}": b"no picture" for number in range(RESULTS + 1)}
    made = path_of(send(visitor, team, (archive(**photos, z=picture((ANNA, 0))), "trip.zip")))

    first = visitor.get(f"{made}?state=rejected")
    [following] = re.findall(r'href="([^"]*)" data-place="more"', first.text)
    second = visitor.get(following.replace("&amp;", "&"))
    beyond = visitor.get(f"{made}?state=indexed&after=90")

    assert first.text.count('class="result is-rejected"') == RESULTS
    assert second.text.count('class="result is-rejected"') == 1
    assert "p050.png" in second.text
    assert 'is-indexed" data-place="item' not in first.text
    assert "There are none any more." in seen(beyond)
    assert "format=csv&amp;state=rejected" in first.text
    for kind, lines in (("csv", RESULTS + 2), ("ndjson", RESULTS + 1)):
        link = f"/v1{made}/results?format={kind}&state=rejected"
        assert len(visitor.get(link).text.splitlines()) == lines
    assert visitor.get(f"{made}?state=lost").status_code == 400


def test_an_import_is_paused_resumed_cancelled_and_forgotten(
    visitor: Visitor, client: API, team: str, picture: Picture, bell: Bell
) -> None:
    bell.workers = False
    made = path_of(send(visitor, team, (picture((ANNA, 0)), "1.png")))

    assert "1 waiting" in seen(visitor.get(made))
    paused = seen(visitor.post(f"{made}/pause"))
    resumed = seen(visitor.post(f"{made}/resume"))
    early = visitor.post(f"{made}/delete")
    cancelled = seen(visitor.post(f"{made}/cancel"))
    over = visitor.post(f"{made}/pause")
    forgotten = visitor.post(f"{made}/delete")

    assert "The import waits until it is resumed." in paused
    assert "Nothing of it is read or indexed" in paused
    assert "The import goes on. " in resumed
    assert early.status_code == 409
    assert "cancel it first" in seen(early)
    assert "The import was cancelled" in cancelled
    assert "1.png Skipped Cancelled" in cancelled
    assert over.status_code == 409
    assert path_of(forgotten) == f"/collections/{team}/imports"
    assert "The import was forgotten; its photos stay." in seen(forgotten)
    assert visitor.get(made).status_code == 404


def test_buttons_are_those_of_the_state(
    visitor: Visitor, team: str, picture: Picture, bell: Bell
) -> None:
    def offered(page: TestResponse) -> set[str]:
        acts = re.findall(r'data-act="(\w+)" data-in="[^>]*?"( hidden)?>', page.text)
        asked = re.findall(
            r'<details class="ask" [^>]*?"( hidden)?>.*?data-act="(\w+)"', page.text, re.DOTALL
        )
        return {verb for verb, hidden in acts if not hidden} | {
            verb for hidden, verb in asked if not hidden
        }

    bell.workers = False
    made = path_of(send(visitor, team, (picture((ANNA, 0)), "1.png"), (b"x", "2.png")))

    assert offered(visitor.get(made)) == {"pause", "cancel"}
    assert offered(visitor.post(f"{made}/pause")) == {"resume", "cancel"}
    bell.workers = True
    assert offered(visitor.post(f"{made}/resume")) == {"delete"}


def test_what_failed_or_was_given_up_is_tried_again(
    visitor: Visitor, services: Services, team: str, picture: Picture, bell: Bell
) -> None:
    bell.workers = False
    made = path_of(send(visitor, team, (picture((ANNA, 0)), "1.png"), (picture((BEN, 0)), "2.png")))
    give_up = "UPDATE items SET state = %s, reason = 'worker_lost' WHERE key = %s"
    with services.pool.connection() as conn:
        for given in (("failed", "1.png"), ("dead", "2.png")):
            conn.execute(give_up, given)
        conn.execute("UPDATE images SET state = 'dead'")

    before = seen(visitor.get(made))
    some = seen(visitor.post(f"{made}/retry"))
    all_of_them = seen(visitor.post(f"{made}/retry", dead="yes"))

    assert "Try the failed ones again Try those given up again" in before
    assert "They are tried again." in some
    assert "1 given up 1 waiting" in some
    assert "2 waiting" in all_of_them


def test_an_import_whose_sender_is_away_tells_how_to_go_on(
    visitor: Visitor, client: API, team: str, picture: Picture
) -> None:
    sent = archive(anna=picture((ANNA, 0)))
    wish = {"source": "archive", "name": "trip.zip", "bytes": len(sent)}
    made = client.post(f"/v1/collections/{team}/imports", json=wish).json["id"]
    client.patch(f"/v1/imports/{made}/content", data=sent[:40], headers={"Upload-Offset": "0"})

    page = seen(visitor.get(f"/imports/{made}"))
    listed = seen(visitor.get(f"/collections/{team}/imports"))

    assert "Being sent It begins when all of it is here." in page
    assert f"Received 40 bytes of {len(sent)} bytes" in page
    assert "If nobody sends it any more, choose the same file again : sending goes on" in page
    assert f"There is more to come: 40 bytes of {len(sent)} bytes are here." in listed


def test_photos_that_were_all_are_closed_by_hand(
    visitor: Visitor, client: API, team: str, picture: Picture
) -> None:
    wish = {"source": "files", "name": "album"}
    made = client.post(f"/v1/collections/{team}/imports", json=wish).json["id"]
    photo = {"photos": (BytesIO(picture((ANNA, 0))), "1.png")}
    assert client.post(f"/v1/imports/{made}/photos", data=photo).status_code == 200

    assert "That was all of it" in seen(visitor.get(f"/imports/{made}"))
    closed = seen(visitor.post(f"/imports/{made}/start"))

    assert "Done" in closed
    assert "1 of 1" in closed


def test_an_import_under_way_is_a_line_on_the_page_of_its_collection(
    visitor: Visitor, client: API, team: str, picture: Picture, bell: Bell
) -> None:
    bell.workers = False
    made = path_of(send(visitor, team, (picture((ANNA, 0)), "1.png")))

    during = visitor.get(f"/collections/{team}")
    visitor.post(f"{made}/cancel")
    after = visitor.get(f"/collections/{team}")

    assert re.search(rf'class="import-line" href="{made}"', during.text)
    assert "1.png Running 0 of 1" in seen(during)
    assert "import-line" not in after.text
    assert f'href="/collections/{team}/imports"' in after.text


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    folder = tmp_path / "albums"
    folder.mkdir()
    return folder


class TestServerFolders:
    """Imports of folders that the settings allow."""

    @pytest.fixture
    def settings(self, settings: Settings, albums: Path) -> Settings:
        return settings.model_copy(update={"import_folders": str(albums)})

    @pytest.fixture
    def services(self, settings: Settings) -> Iterator[Services]:
        opened = open_services(settings, connections=4)
        yield opened
        close_services(opened)

    def test_a_folder_of_the_server_is_tried_and_then_imported(
        self, visitor: Visitor, client: API, team: str, albums: Path, picture: Picture
    ) -> None:
        (albums / "trip").mkdir()
        (albums / "trip" / "1.png").write_bytes(picture((ANNA, 0), (BEN, 0)))
        (albums / "trip" / "2.png").write_bytes(b"no picture")
        form = visitor.get(f"/collections/{team}/imports").text
        assert f"below {albums}" in form

        tried = send(visitor, team, server_folder=str(albums / "trip"), dry_run="yes")
        read = seen(tried)
        before = client.get(f"/v1/collections/{team}/images").json["items"]
        imported = visitor.post(f"{path_of(tried)}/confirm")

        assert "2 entries of 2 were tried. Nothing is in the collection yet." in read
        assert "Faces 2 Refused 1 Already here, or twice in it 0" in read
        assert before == []
        assert "1.png Indexed 2 faces" in seen(imported)
        assert path_of(imported) == path_of(tried)

    def test_a_folder_elsewhere_is_refused(self, visitor: Visitor, team: str) -> None:
        page = send(visitor, team, server_folder="/etc")

        assert page.status_code == 403
        assert "Imports may not read this" in seen(page)
        assert 'name="server_folder"' in page.text


def test_without_the_setting_no_folder_of_the_server_is_asked_for(
    visitor: Visitor, team: str
) -> None:
    assert 'name="server_folder"' not in visitor.get(f"/collections/{team}/imports").text


def test_a_dry_run_of_an_archive_is_imported_without_sending_it_again(
    visitor: Visitor, client: API, team: str, picture: Picture
) -> None:
    sent = archive(Anna__1=picture((ANNA, 0)))
    tried = send(visitor, team, (sent, "trip.zip"), dry_run="yes", people_by_folder="yes", tags="a")
    assert "1 entry of 1 were tried" in seen(tried)
    assert client.get(f"/v1/collections/{team}/images").json["items"] == []

    imported = visitor.post(f"{path_of(tried)}/confirm")

    assert "1 face" in seen(imported)
    assert "What it would come to" not in seen(imported)
    [image] = client.get(f"/v1/collections/{team}/images").json["items"]
    assert image["tags"] == ["a"]
    [person] = client.get(f"/v1/collections/{team}/people").json["items"]
    assert person["name"] == "Anna"


def test_a_script_gets_the_tables_alone(visitor: Visitor, team: str, picture: Picture) -> None:
    made = path_of(send(visitor, team, (picture((ANNA, 0)), "1.png")))

    part = visitor.get(made, **{"X-Fragment": "1"})

    assert part.headers["X-Fragment"] == "1"
    assert "<html" not in part.text
    assert "1.png" in part.text


def test_names_are_never_markup_and_the_policy_is_kept(
    visitor: Visitor, team: str, picture: Picture
) -> None:
    nasty = "<script>alert(1)</script>"
    made = send(visitor, team, (picture((ANNA, 0)), f"{nasty}.png"), tags=nasty)

    for page in (
        made,
        visitor.get(f"/collections/{team}/imports"),
        visitor.get(f"/collections/{team}/imports?like={path_of(made).rpartition('/')[2]}"),
    ):
        assert page.status_code == 200
        assert nasty not in page.text
        assert "&lt;script&gt;" in page.text
        assert not re.search(r"<[^>]+\s(style|on\w+)=", page.text)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style", page.text)
        assert not re.search(r"(src|href)=\"(https?:)?//", page.text)


def test_what_is_not_there_says_so(visitor: Visitor, team: str) -> None:
    for path in (f"/imports/{uuid4()}", f"/collections/{uuid4()}/imports"):
        assert visitor.get(path).status_code == 404
    gone = visitor.post(f"/imports/{uuid4()}/pause")
    assert gone.status_code == 404
    assert "There is no such import" in seen(gone)


def test_a_form_of_another_site_is_refused(visitor: Visitor, team: str) -> None:
    for path in (f"/collections/{team}/imports", f"/imports/{uuid4()}/cancel"):
        assert visitor.post(path, site="cross-site").status_code == 403


def test_a_form_that_is_sent_twice_makes_one_import(
    visitor: Visitor, team: str, picture: Picture
) -> None:
    form = visitor.get(f"/collections/{team}/imports").text
    mark = re.search(r'name="mark" value="(\w+)"', form)[1]  # type: ignore[index]
    other_mark = uuid4().hex
    for name, data in (
        ("trip.zip", archive(anna=picture((ANNA, 0)))),
        ("1.png", picture((BEN, 0))),
    ):
        first = path_of(send(visitor, team, (data, name), mark=mark))
        again = path_of(send(visitor, team, (data, name), mark=mark))
        anew = path_of(send(visitor, team, (data, name), mark=other_mark))

        assert first == again
        assert anew != first
    assert mark not in visitor.get(f"/collections/{team}/imports").text
