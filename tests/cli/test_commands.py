"""What a person at a terminal sees: the commands against real servers and a real worker."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from core.db import pool
from core.db.collections import Collection
from core.services import Services
from web.cli import main
from web.cli.services import PARTLY

SAMPLES = Path(__file__).parents[2] / "models" / "samples"

Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `facesearch` with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object, input: str | None = None) -> Result:
        return CliRunner().invoke(main, [str(each) for each in arguments], input=input)

    return invoke


@pytest.fixture
def samples(start_worker: Callable[..., Any], services: Services) -> Path:
    """The folder of sample photos, with a worker that waits for them."""
    start_worker(services.settings)
    return SAMPLES


def rows(result: Result) -> Any:
    assert result.exit_code in {0, PARTLY}, result.output
    return json.loads(result.stdout)


def test_a_collection_is_made_listed_changed_and_deleted(run: Run) -> None:
    made = rows(run("collections", "create", "family", "--json"))
    changed = rows(run("collections", "change", "family", "--threshold", "0.95", "--json"))
    listed = rows(run("collections", "list", "--json"))
    deleted = run("collections", "delete", "family", "--yes")

    new = ("threshold", "threshold_source", "fixed_threshold", "fixed_source", "updated_at")
    assert listed == [made | {key: changed[key] for key in new}]
    assert changed["threshold_source"] == changed["fixed_source"] == "set by hand"
    assert changed["threshold"] == pytest.approx(0.95)
    assert deleted.output == "Deleted 0 photos, 0 faces, 0 people.\n"
    assert rows(run("collections", "list", "--json")) == []


def test_a_budget_needs_a_calibration_and_excludes_a_threshold(
    run: Run, collection: Collection
) -> None:
    uncalibrated = run("collections", "change", collection.name, "--one-in", "100")
    both = run("collections", "change", collection.name, "--one-in", "9", "--threshold", "0.5")

    assert (uncalibrated.exit_code, both.exit_code) == (1, 2)
    assert 'facesearch calibrate "trip" --one-in 100 --apply' in uncalibrated.stderr


def test_a_quality_gate_is_chosen_and_changed(run: Run) -> None:
    made = rows(run("collections", "create", "staff", "--quality-gate", "strict", "--json"))
    changed = rows(run("collections", "change", "staff", "--quality-gate", "off", "--json"))
    wrong = run("collections", "change", "staff", "--quality-gate", "high")

    assert (made["quality_gate"], changed["quality_gate"]) == ("strict", "off")
    assert wrong.exit_code == 2


def test_deleting_asks_first_and_no_is_no(run: Run, collection: Collection) -> None:
    refused = run("collections", "delete", collection.name, input="n\n")

    assert refused.exit_code == 1
    assert len(rows(run("collections", "list", "--json"))) == 1


def test_an_expected_failure_is_one_sentence_and_exit_code_1(run: Run) -> None:
    result = run("collections", "show", "nowhere")

    assert result.exit_code == 1
    assert result.stderr == "facesearch: There is no collection 'nowhere'.\n"
    assert result.stdout == ""


def test_photos_go_in_a_face_is_named_and_found_in_another_photo(run: Run, samples: Path) -> None:
    obama = samples / "obama.jpg"
    ingested = rows(run("ingest", obama, samples / "biden.jpg", "-c", "team", "--create", "--json"))
    named = run("people", "create", "Barack Obama", "-c", "team", "--photo", obama, "--json")

    found = run("search", samples / "obama2.jpg", "-c", "team", "--json")

    [face] = rows(found)
    best, other = face["matches"]
    assert found.exit_code == 0
    assert ingested["states"] == {"indexed": 2}
    assert best["person"] == {"id": rows(named)["id"], "name": "Barack Obama"}
    assert best["filename"] == "obama.jpg"
    assert best["decision"] == "match"
    assert other["decision"] == "no_match"
    assert best["cosine"] > face["threshold"] > other["cosine"]
    assert set(face["box"]) == set(best["box"]) == {"left", "top", "width", "height"}


def test_a_photo_names_a_person_only_when_it_shows_one_face(run: Run, samples: Path) -> None:
    group = samples / "t1.jpg"
    run("ingest", group, "-c", "team", "--create")

    several = run("people", "create", "Somebody", "-c", "team", "--photo", group)
    absent = run("people", "create", "Biden", "-c", "team", "--photo", samples / "biden.jpg")

    assert (several.exit_code, absent.exit_code) == (1, 1)
    assert "t1.jpg shows 6 faces" in several.stderr
    assert "biden.jpg is not in this collection" in absent.stderr
    assert rows(run("people", "list", "-c", "team", "--json")) == []


def test_a_second_ingest_skips_what_is_there(run: Run, samples: Path) -> None:
    run("ingest", samples / "biden.jpg", "-c", "team", "--create")

    again = rows(run("ingest", samples / "biden.jpg", "-c", "team", "--json"))

    assert again["states"] == {"skipped": 1}
    assert again["reasons"] == {"duplicate_image": 1}


def test_refused_files_are_named_and_the_others_go_in(
    run: Run, samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    (folder / "deep" / ".hidden" / "secret.jpg").write_bytes(b"not looked at")
    (folder / "deep" / "Thumbs.db").write_bytes(b"not looked at")
    (folder / "deep" / "biden.jpg").write_bytes((samples / "biden.jpg").read_bytes())
    (folder / "letter.txt").write_text("Dear Sir or Madam")

    result = run("ingest", folder, "-c", "team", "--create")

    assert result.exit_code == PARTLY
    assert "2 photos: " in result.stdout
    assert "letter.txt" in result.stdout
    assert "unsupported_format" in result.stdout


def test_photos_without_a_stored_face_are_counted_by_reason(
    run: Run, samples: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (200, 200), "green").save(tmp_path / "meadow.png")

    result = run("ingest", tmp_path / "meadow.png", samples / "biden.jpg", "-c", "team", "--create")

    assert result.exit_code == 0
    assert "1 of them without a face that was stored: 1 no_face_found." in result.stdout


def test_nobody_above_the_threshold_is_exit_code_4(run: Run, samples: Path) -> None:
    run("ingest", samples / "biden.jpg", "-c", "team", "--create")

    result = run("search", samples / "obama.jpg", "-c", "team")

    assert result.exit_code == PARTLY
    assert "below threshold" in result.stdout


def test_people_are_listed_shown_renamed_and_deleted(run: Run, collection: Collection) -> None:
    made = rows(run("people", "create", "Ada", "-c", collection.name, "--json"))

    renamed = rows(run("people", "rename", made["id"], "Ada Lovelace", "--json"))
    listed = rows(run("people", "list", "-c", collection.name, "--json"))
    shown = rows(run("people", "show", made["id"], "--json"))
    deleted = run("people", "delete", made["id"], "--yes")

    assert renamed["name"] == "Ada Lovelace"
    assert [person["name"] for person in listed] == ["Ada Lovelace"]
    assert shown["faces"] == []
    assert deleted.output == "Ada Lovelace is deleted.\n"
    assert rows(run("people", "list", "-c", collection.name, "--json")) == []


def test_names_are_shown_as_they_are(run: Run) -> None:
    odd = "a [/x] :smile: [b]"
    rows(run("collections", "create", odd, "--json"))
    made = rows(run("people", "create", odd, "-c", odd, "--json"))

    for words in (
        ("collections", "list"),
        ("collections", "show", odd),
        ("people", "list", "-c", odd),
        ("people", "show", made["id"]),
    ):
        shown = run(*words)
        assert shown.exit_code == 0, shown.output
        assert odd in " ".join(shown.stdout.split())


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(run: Run) -> None:
    key = run("keys", "create", "laptop").stdout.strip()

    listed = run("keys", "list", "--json")

    assert key.startswith("fsk_")
    assert key not in listed.stdout
    assert rows(listed)[0]["name"] == "laptop"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", rows(listed)[0]["created_at"])
    assert run("keys", "revoke", "laptop").exit_code == 0
    assert run("keys", "revoke", "laptop").exit_code == 1


def test_a_login_link_names_the_page(run: Run, services: Services) -> None:
    link = run("login").stdout.strip()

    assert link.startswith(f"http://127.0.0.1:{services.settings.port}/login?token=")


def _commands(group: Any, path: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    yield tuple(path)
    for name in getattr(group, "list_commands", lambda _: [])(None):
        yield from _commands(group.get_command(None, name), (*path, name))


@pytest.mark.parametrize("command", list(_commands(main)), ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])

    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


def test_a_search_that_takes_too_long_is_one_line(
    services: Services, run: Run, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(run("collections", "create", "team", "--json"))
    run("ingest", samples / "obama.jpg", "--collection", "team")
    with services.pool.connection() as conn:
        conn.execute(
            "CREATE OR REPLACE FUNCTION cosine_distance(halfvec, halfvec) RETURNS float8 "
            "LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN 0; END'"
        )
    monkeypatch.setenv("FACESEARCH_SEARCH_TIMEOUT_S", "5")

    result = run("search", samples / "obama2.jpg", "--collection", "team")

    assert result.exit_code == 1
    assert result.stderr == "facesearch: The search took longer than 5 s.\n"


def test_a_database_that_is_too_busy_is_one_line(
    services: Services, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "POOLED", pool.POOLED.replace("30s", "100ms"))
    with services.pool.connection() as holder:
        holder.execute("LOCK TABLE collections")

        result = run("collections", "list")

    assert result.exit_code == 1
    assert result.stderr == "facesearch: The database cannot answer now.\n"
