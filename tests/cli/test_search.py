"""``facesearch search`` with what is stored: filters, several collections, reasons."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.db import activity
from core.services import Services
from web.cli import main
from web.cli.services import PARTLY

Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch search` with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(main, ["search", *map(str, arguments)])


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """P0 named once and unnamed twice, P1 unnamed."""
    made = crowd()
    made.photo(0, named=[0], noise=0.2)
    made.photo(0, noise=0.3)
    made.photo(0, 1, noise=0.4)
    return made


def found(result: Result) -> Any:
    assert result.exit_code in {0, PARTLY}, result.output
    [row] = json.loads(result.stdout)
    return row


def test_a_stored_face_finds_the_others_of_its_person(run: Run, album: Any) -> None:
    row = found(run("-c", album.collection.name, "--like-face", album.faces[1].id, "--json"))

    assert [match["decision"] for match in row["matches"]] == ["match", "match", "no_match"]
    assert str(album.faces[1].id) not in [match["face_id"] for match in row["matches"]]


def test_a_person_is_searched_with_and_others_who_look_alike_found(run: Run, album: Any) -> None:
    home = album.collection.name
    for use in ("centroid", "faces"):
        row = found(run("-c", home, "--like-person", album.people[0], "--use", use, "--json"))

        assert [match["decision"] for match in row["matches"]] == ["match", "match", "no_match"]


def test_several_faces_are_one_person(run: Run, album: Any) -> None:
    faces = [part for face in album.faces[:2] for part in ("--like-face", face.id)]
    for fuse in ("mean", "max"):
        row = found(run("-c", album.collection.name, *faces, "--fuse", fuse, "--json"))

        assert row["matches"][0]["face_id"] == str(album.faces[2].id)
        assert len(row["matches"]) == 2


def test_conditions_narrow_the_search(run: Run, album: Any) -> None:
    asked = ("-c", album.collection.name, "--like-face", album.faces[2].id, "--json")

    def people(*filters: object) -> list[bool]:
        row = found(run(*asked, *filters))
        return [match["person"] is not None for match in row["matches"]]

    assert people() == [True, False, False]
    assert people("--named") == [True]
    assert people("--unnamed") == [False, False]
    assert people("--person", album.people[0]) == [True]
    assert people("--person", album.people[1]) == []
    assert people("--tag", "party") == []
    assert people("--not-tag", "party") == [True, False, False]
    assert people("--since", "2020-01-01") == []
    assert people("--until", "2020-01-01T10:00+02:00") == []
    assert people("--min-quality", "0.6") == []
    assert people("--group-by", "image", "--exact") == [True, False, False]


def test_several_collections_are_searched_together(
    run: Run, album: Any, crowd: Callable[..., Any]
) -> None:
    other = crowd()
    other.photo(0, noise=0.1)

    row = found(
        run("-c", album.collection.name, "-c", other.collection.name, "--like-face",
            album.faces[0].id, "--json")
    )  # fmt: skip

    homes = {match["collection_id"] for match in row["matches"]}
    assert homes == {str(album.collection.id), str(other.collection.id)}


def test_reasons_are_printed_and_are_json_in_the_words_of_the_api(run: Run, album: Any) -> None:
    asked = ("-c", album.collection.name, "--like-face", album.faces[0].id, "--named", "--explain")

    printed, row = run(*asked), found(run(*asked, "--json"))

    assert printed.exit_code == PARTLY
    assert "person.named alone leaves out 3, the nearest (unnamed)" in printed.output
    assert "comparing every face gives the same" in printed.output
    assert row["explanation"]["filtering"]["removed"][0]["condition"] == "person.named"
    assert row["explanation"]["weakest"]["level"] == "fair"


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ("--like-person", "01a20e18-50d6-73d1-ad4a-beab7038cd42", "--like-face",
         "01a20e18-50d6-73d1-ad4a-beab7038cd42"),
        ("--like-face", "x"),
        (__file__, "--like-face", "01a20e18-50d6-73d1-ad4a-beab7038cd42"),
    ],
)  # fmt: skip
def test_a_search_for_nobody_or_for_two_is_a_usage_error(
    run: Run, album: Any, asked: tuple[str, ...]
) -> None:
    assert run("-c", album.collection.name, *asked).exit_code == 2


def test_a_search_is_counted_when_its_command_ends(
    run: Run, album: Any, services: Services
) -> None:
    run("-c", album.collection.name, "--like-face", album.faces[1].id, "--explain")

    with services.pool.connection() as conn:
        days = activity.by_day(conn, album.collection.id, date.min)
        finds = activity.most_found(conn, album.collection.id, date.min, limit=9)
    assert [(day.searches, day.hits) for day in days] == [(1, 1)]
    assert [(each.name, each.times) for each in finds] == [("P0", 1)]
