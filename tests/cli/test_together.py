"""``facesearch together``: photos with some people, and without others."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.services import Services
from web.cli import main
from web.cli.services import PARTLY

Run = Callable[..., Result]


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """P0 and P1 named together, then together without names, P0 with P2, and P1 alone."""
    made = crowd()
    made.photo(0, 1, named=[0, 1], noise=0.2)
    made.photo(0, 1, noise=0.2)
    made.photo(0, 2, named=[2], noise=0.2)
    made.photo(1, noise=0.2)
    return made


@pytest.fixture
def run(services: Services, album: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch together` in the album with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    asked = ["together", "-c", album.collection.name, "--threshold", "0.5"]
    return lambda *more: CliRunner().invoke(main, [*asked, *map(str, more)])


def images(result: Result) -> list[str]:
    assert result.exit_code in {0, PARTLY}, result.output
    return [image["filename"] for image in json.loads(result.stdout)["images"]]


def test_photos_with_several_people_are_found_surest_first(run: Run) -> None:
    result = run("--with", "P0", "--with", "p1", "--json")

    assert result.exit_code == 0
    assert images(result) == ["0.jpg", "2.jpg"]


def test_photos_of_one_person_without_another_are_found(run: Run, album: Any) -> None:
    by_name = run("--with", "P0", "--without", "P1", "--json")
    by_id = run("--with", album.people[0], "--without", album.people[1], "--json")

    assert images(by_name) == images(by_id) == ["4.jpg"]


def test_the_json_has_the_words_of_the_api_and_whom_it_is_about(run: Run, album: Any) -> None:
    told = json.loads(run("--with", "P0", "--with", "P1", "--without", "P2", "--json").stdout)

    assert told["all_of"][1] == {"id": str(album.people[1]), "name": "P1"}
    assert [each["name"] for each in told["none_of"]] == ["P2"]
    assert (told["exact"], told["cut_off"], told["more"]) == (True, False, False)
    assert told["threshold"] == 0.5
    first, second = told["images"]
    assert [face["named"] for face in first["faces"]] == [True, True]
    assert [face["named"] for face in second["faces"]] == [False, False]
    assert second["cosine"] == min(face["cosine"] for face in second["faces"])


def test_the_table_says_who_is_certain_and_what_was_looked_into(run: Run) -> None:
    printed = run("--with", "P0", "--with", "P1").output

    assert "Photos with P0 and P1" in printed
    assert printed.count("named") == 2
    assert "photos looked into: 3, none can be missing" in " ".join(printed.split())


def test_a_limit_says_that_there_are_more(run: Run) -> None:
    cut = run("--with", "P0", "--limit", "1")

    assert "raise --limit" in " ".join(cut.output.split())
    assert len(images(run("--with", "P0", "--limit", "1", "--json"))) == 1


def test_conditions_hold_for_the_photos(run: Run) -> None:
    assert images(run("--with", "P0", "--tag", "party", "--json")) == []
    assert len(images(run("--with", "P0", "--not-tag", "party", "--exact", "--json"))) == 3
    assert images(run("--with", "P0", "--min-quality", "0.6", "--json")) == []


def test_nobody_together_is_told_by_the_exit_code(run: Run) -> None:
    assert run("--with", "P1", "--with", "P2").exit_code == PARTLY


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--with", "Zoe"), "Nobody in this collection is called “Zoe”."),
        (("--with", "P0", "--without", "P0"), "P0 cannot be in a photo and not in it."),
        (("--with", "P5"), "P5 has no face to search with."),
        (tuple(part for each in range(6) for part in ("--with", f"P{each}")), "up to 5 people"),
    ],
)
def test_what_cannot_be_searched_for_is_one_line(
    run: Run, asked: tuple[str, ...], told: str
) -> None:
    result = run(*asked)

    assert result.exit_code == 1
    assert told in result.stderr


def test_without_somebody_who_must_be_there_it_is_a_usage_error(run: Run) -> None:
    assert run("--without", "P0").exit_code == 2
