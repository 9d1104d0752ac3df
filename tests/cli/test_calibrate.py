"""``facesearch calibrate`` on the people of a real database."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from click.testing import CliRunner, Result

from core import collections
from core.db import faces, images, people
from core.db.collections import Collection
from core.db.faces import NewFace
from core.faces import AnalysedFace, DetectedFace, Quality
from core.services import Services
from web.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch calibrate` with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])

    return invoke


def store(services: Services, home: Collection, count: int, photos: int) -> None:
    """Name people, the faces of each around a direction of their own."""
    random = np.random.default_rng(4)
    with services.pool.connection() as conn:
        for number in range(count):
            direction = random.normal(size=128)
            vectors = direction + 0.5 * random.normal(size=(photos, 128))
            made = [store_face(conn, home.id, vector, random.bytes(32)) for vector in vectors]
            person = people.insert(
                conn, collection_id=home.id, name=f"p{number}", external_id=None, metadata={}
            )
            people.move_faces(conn, collection_id=home.id, face_ids=made, person_id=person)


def store_face(conn, home: UUID, vector: np.ndarray, sha256: bytes) -> UUID:  # type: ignore[no-untyped-def]
    image = images.insert(
        conn, collection_id=home, sha256=sha256, external_id=None, metadata={},
        filename="x.jpg", format="jpeg", bytes=1, width=9, height=9,
    )  # fmt: skip
    assert image is not None
    (face,) = faces.new_ids(conn, 1)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    detected = DetectedFace((0.0, 0.0, 9.0, 9.0), np.ones((5, 2), np.float32), 0.9)
    quality = Quality(0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)
    crop = np.zeros((1, 1, 3), np.uint8)
    faces.insert_many(
        conn, [NewFace(face, home, image, 0, AnalysedFace(detected, unit, 9.0, quality, crop))]
    )
    return face


def read(services: Services, home: Collection) -> Collection:
    with services.pool.connection() as conn:
        return collections.get(conn, home.id)


def test_a_collection_takes_the_threshold_that_was_found(
    run: Run, services: Services, collection: Collection
) -> None:
    store(services, collection, 150, 2)

    done = run(collection.name, "--fmr", "1e-3", "--apply", "--json")

    assert done.exit_code == 0, done.output
    found, now = json.loads(done.stdout), read(services, collection)
    assert (found["faces"], found["people"]) == (300, 150)
    assert found["impostor_pairs"] == 300 * 298 // 2
    assert found["wish"]["evidence"] == "measured"
    assert now.threshold == pytest.approx(found["wish"]["threshold"])
    assert now.threshold_source.startswith(
        "calibrated on 44,700 pairs of 150 named people here: FMR 1.0e-03, measured, 20"
    )
    assert found["threshold"] == now.threshold


def test_without_apply_nothing_changes(
    run: Run, services: Services, collection: Collection
) -> None:
    store(services, collection, 60, 2)

    done = run(collection.name)

    assert done.exit_code == 0, done.output
    now = read(services, collection)
    assert now.threshold == collection.threshold
    assert now.threshold_source == collection.threshold_source


def test_a_rate_that_nobody_can_know_is_refused_and_nothing_changes(
    run: Run, services: Services, collection: Collection
) -> None:
    store(services, collection, 20, 2)

    done = run(collection.name, "--fmr", "1e-6", "--apply")

    assert done.exit_code == 1
    assert "too few" in done.stderr
    now = read(services, collection)
    assert now.threshold == collection.threshold
    assert now.threshold_source == collection.threshold_source


def test_one_person_under_two_names_is_listed_first(
    run: Run, services: Services, collection: Collection
) -> None:
    store(services, collection, 20, 2)
    with services.pool.connection() as conn:
        vector = np.ones(128)
        for name in ("Ada", "Countess"):
            face = store_face(conn, collection.id, vector, name.encode().ljust(32))
            person = people.insert(
                conn, collection_id=collection.id, name=name, external_id=None, metadata={}
            )
            people.move_faces(conn, collection_id=collection.id, face_ids=[face], person_id=person)

    found = json.loads(run(collection.name, "--json").stdout)

    assert sorted(found["closest"][0]["people"]) == ["Ada", "Countess"]
    assert found["closest"][0]["cosine"] == pytest.approx(1, abs=1e-3)


def test_a_collection_without_names_says_what_is_missing(run: Run, collection: Collection) -> None:
    done = run(collection.name)

    assert done.exit_code == 1
    assert "Nobody in 'trip' has a name yet" in done.stderr


def test_a_budget_is_set_and_renewed(run: Run, services: Services, collection: Collection) -> None:
    store(services, collection, 150, 2)

    done = run(collection.name, "--one-in", "10", "--apply", "--json")
    again = run(collection.name, "--apply", "--json")

    for each in (done, again):
        assert each.exit_code == 0, each.output
        found, now = json.loads(each.stdout), read(services, collection)
        assert now.alarm_budget == 10
        assert now.budget is not None
        assert now.budget.kept
        assert now.calibration is not None
        assert now.calibration.people == 150
        assert (now.threshold, now.fixed_threshold) == (
            found["threshold"],
            collection.fixed_threshold,
        )
        assert found["wish"]["fmr"] == pytest.approx(now.budget.fmr)
        assert now.threshold == pytest.approx(found["wish"]["threshold"], abs=0.01)
        assert found["collection"]["calibration"]["pairs"] == 44_700


def test_a_cosine_ends_a_budget(run: Run, services: Services, collection: Collection) -> None:
    store(services, collection, 150, 2)
    run(collection.name, "--one-in", "10", "--apply")

    done = run(collection.name, "--fmr", "1e-3", "--apply")

    now = read(services, collection)
    assert done.exit_code == 0, done.output
    assert (now.alarm_budget, now.budget) == (None, None)
    assert now.threshold == now.fixed_threshold
    assert now.calibration is not None


@pytest.mark.parametrize(("count", "said"), [(3, "too few to say"), (40, "one false alarm in")])
def test_a_budget_beyond_the_calibration_is_refused_and_nothing_changes(
    run: Run, services: Services, collection: Collection, count: int, said: str
) -> None:
    store(services, collection, count, 2)

    done = run(collection.name, "--one-in", "1000000", "--apply")

    assert done.exit_code == 1
    assert said in done.stderr
    now = read(services, collection)
    assert (now.alarm_budget, now.impostors) == (None, None)
    assert now.threshold == collection.threshold


def test_a_budget_takes_no_other_gallery_than_the_collection(
    run: Run, services: Services, collection: Collection
) -> None:
    store(services, collection, 20, 2)

    done = run(collection.name, "--one-in", "10", "--gallery", "1000", "--apply")

    assert done.exit_code == 2
    assert "leave out --gallery" in done.stderr


def test_a_folder_takes_no_threshold(run: Run, tmp_path: object) -> None:
    done = run(tmp_path, "--apply")

    assert done.exit_code == 2
    assert "facesearch collections change" in done.stderr


def test_two_ways_to_say_how_rare_exclude_each_other(run: Run, collection: Collection) -> None:
    both = run(collection.name, "--fmr", "0.01", "--alarms", "0.01")
    other = run(collection.name, "--alarms", "0.01", "--one-in", "100")

    assert (both.exit_code, other.exit_code) == (2, 2)


def test_a_collection_has_its_pack(run: Run, collection: Collection) -> None:
    done = run(collection.name, "--pack", "open")

    assert done.exit_code == 2
    assert "a collection has its pack" in done.stderr


def test_a_limit_chooses_among_the_faces_and_says_so(
    run: Run, services: Services, collection: Collection
) -> None:
    store(services, collection, 60, 2)

    limited = run(collection.name, "--faces", "50")

    assert limited.exit_code == 0, limited.output
    assert "50 faces, evenly" in limited.stdout


def test_without_pictures_matplotlib_is_not_imported() -> None:
    modules = "web.cli.calibrate, web.cli.evaluate_lfw, web.cli.evaluate_identification"

    found = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print('matplotlib' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == "False"


@pytest.mark.parametrize("option", ["--report", "--plots"])
def test_what_cannot_be_written_is_said_before_the_work(
    run: Run, collection: Collection, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()

    done = run(collection.name, option, tmp_path / "file" / "below" / "x.html")

    assert done.exit_code == 2
    assert "cannot be made" in done.stderr


def test_a_report_goes_into_a_folder_that_is_not_there_yet(
    run: Run, services: Services, collection: Collection, tmp_path: Path
) -> None:
    store(services, collection, 60, 1)

    done = run(collection.name, "--fmr", "0.01", "--report", tmp_path / "new" / "x.html")

    assert done.exit_code == 0, done.output
    assert "no mates" in (tmp_path / "new" / "x.html").read_text()
