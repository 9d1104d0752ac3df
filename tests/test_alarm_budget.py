"""A budget on real faces: of strangers who are searched for hardly more than it allows are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core import calibration, collections, finding
from core.db import collections as collection_rows
from core.db import faces, images, people
from core.db.collections import Collection
from core.db.faces import NewFace
from core.db.pool import Connection
from core.evaluation.calibration import calibrate
from core.evaluation.photos import analyse, find_people
from core.evaluation.scores import Share
from core.faces import AnalysedFace, DetectedFace, Embedding, Quality
from core.finding import Decision, Options
from core.inference.install import install
from core.inference.packs import Pack, load_manifest
from core.pipelines import Pipelines
from core.services import Services
from core.settings import Settings

pytestmark = pytest.mark.shared_data

TEST_PACKS = Path(__file__).parent / "data" / "packs.toml"
PEOPLE, PHOTOS = 300, 2
ONE_IN = 20


@dataclass(frozen=True, slots=True)
class Known:
    """The faces of some people of LFW, up to `PHOTOS` of each."""

    pack: Pack
    people: Sequence[Sequence[Embedding]]


@pytest.fixture(scope="module")
def known(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Photos through det_500m and mobilefacenet_ms1m_512."""
    folder = tmp_path_factory.mktemp("models")
    settings = Settings(_env_file=None, models_dir=folder, extra_packs=TEST_PACKS, device="cpu")
    manifest = load_manifest(settings)
    pack = manifest.pack("test_scrfd")
    install(pack, folder, source=shared_data / "weights", accept_licence=True)
    pipeline = Pipelines(manifest, settings)[pack.space.id]
    found = islice(find_people(shared_data / "faces" / "lfw").values(), PEOPLE)
    photos = [person[:PHOTOS] for person in found]
    samples = iter(
        analyse(
            pipeline, [path for each in photos for path in each], batch=16, progress=_quiet
        ).samples
    )
    vectors = [[sample.embedding for sample in islice(samples, len(each))] for each in photos]
    return Known(pack, [[each for each in person if each is not None] for person in vectors])


def _quiet(done: int) -> None:
    """Show no progress."""


def enrol(conn: Connection, home: Collection, person: Sequence[Embedding], name: str) -> None:
    """Store the faces of somebody, who gets a name unless it is empty."""
    made = faces.new_ids(conn, len(person))
    for number, (face, embedding) in enumerate(zip(made, person, strict=True)):
        image = images.insert(
            conn, collection_id=home.id, sha256=face.bytes * 2, external_id=None, metadata={},
            filename=f"{number}.jpg", format="jpeg", bytes=1, width=250, height=250,
        )  # fmt: skip
        assert image is not None
        faces.insert_many(conn, [NewFace(face, home.id, image, 0, _analysed(embedding))])
    collection_rows.count(conn, home.id, images=len(made), faces=len(made))
    if name:
        owner = people.insert(conn, collection_id=home.id, name=name, external_id=None, metadata={})
        people.move_faces(conn, collection_id=home.id, face_ids=made, person_id=owner)


def _analysed(embedding: Embedding) -> AnalysedFace:
    face = DetectedFace((80.0, 80.0, 170.0, 170.0), np.ones((5, 2), np.float32), 0.9)
    crop: NDArray[np.uint8] = np.zeros((1, 1, 3), np.uint8)
    return AnalysedFace(face, embedding, 20.0, Quality(0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0), crop)


def alarms(services: Services, home: Collection, strangers: Sequence[Embedding]) -> Share:
    """Count the strangers who are taken for somebody."""
    best = [
        finding.find(services, [home], [each], Options(limit=1)).matches[0] for each in strangers
    ]
    return Share(sum(each.decision is Decision.MATCH for each in best), len(best))


def test_a_budget_holds_as_the_gallery_grows(services: Services, known: Known) -> None:
    named = [each for number, each in enumerate(known.people) if number % 4 < 2]
    others = known.people[2::4]
    strangers = [embedding for person in known.people[3::4] for embedding in person]
    with services.pool.connection() as conn:
        home = collections.create(conn, known.pack, name="lfw")
        for number, person in enumerate(named):
            enrol(conn, home, person, f"person {number}")
        given = calibration.named_faces(conn, home, limit=10_000)
        found = calibrate(given.embeddings, given.owners, gallery=1, progress=_quiet)
        small = calibration.apply_budget(conn, home, found, ONE_IN, date(2026, 11, 24))
    at_first = alarms(services, small, strangers)
    with services.pool.connection() as conn:
        for person in others:
            enrol(conn, home, person, "")
        large = collections.get(conn, home.id)
    later = alarms(services, large, strangers)

    assert small.face_count < large.face_count
    assert small.threshold < large.threshold
    for home, raised in ((small, at_first), (large, later)):
        assert home.budget is not None
        assert home.budget.kept
        # The promise lies within what these searches say with a confidence of 95 %, or above it.
        assert raised.interval[0] <= 1 / ONE_IN
        assert raised.count > 0
