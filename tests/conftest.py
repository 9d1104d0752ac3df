"""Fixtures: real embedded servers, one migrated database per run, the folder of shared photos."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
import redis
from PIL import Image
from psycopg import sql

from core import collections
from core.db import pool
from core.db.collections import Collection
from core.db.migrate import upgrade
from core.errors import BadImage, PackNotInstalled
from core.faces import AnalysedFace, DetectedFace, Quality, unit_embedding
from core.images import Copies, PhotoHeader
from core.indexing import index_batch
from core.inference.contracts import FaceModels
from core.inference.install import install, show
from core.inference.loading import load_models
from core.inference.packs import load_manifest, read_manifest
from core.intake import accept
from core.local import temporary
from core.local.broker import Broker
from core.local.postgres import Postgres
from core.offers import Upload
from core.pipeline import AnalysedPhoto, SkippedFace
from core.pipelines import Pipelines
from core.services import Services, close_services, open_services
from core.settings import Device, Settings
from core.stages import Stage, Timings
from tests.clones import TEMPLATE, Clones

pytest_plugins = [
    "tests.worker_processes",
    "tests.queues",
    "tests.galleries",
    "tests.casts",
    "tests.graphs",
    "tests.histories",
    "tests.importing",
    "tests.crowds",
    "tests.object_storage",
]

MODELS = Path(__file__).parents[1] / "models"
TEST_PACKS = Path(__file__).parent / "data" / "packs.toml"


@dataclass(frozen=True, slots=True)
class LocalServers:
    """A running Postgres, whose template database is migrated, and a running broker."""

    postgres: Postgres
    broker: Broker
    clones: Clones


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of photos and weights that some tests need, outside the repository."""
    folder = os.environ.get("FACESEARCH_TEST_DATA")
    if folder is None:
        pytest.skip("FACESEARCH_TEST_DATA is not set")
    if not Path(folder).is_dir():
        pytest.fail(f"FACESEARCH_TEST_DATA names {folder}, which is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def scrfd_models(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceModels:
    """det_500m and mobilefacenet_ms1m_512, loaded on the CPU."""
    pack = read_manifest(TEST_PACKS).packs["test_scrfd"]
    folder = tmp_path_factory.mktemp("models")
    install(pack, folder, source=shared_data / "weights", accept_licence=True)
    return load_models(pack, Settings(models_dir=folder, device=Device.CPU))


@pytest.fixture(scope="session")
def local_servers() -> Iterator[LocalServers]:
    """Postgres and broker of this run, gone after it."""
    with temporary.postgres() as postgres, temporary.broker() as broker:
        _admin(postgres, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        upgrade(postgres.url_of(TEMPLATE))
        with Clones.of(postgres) as clones:
            yield LocalServers(postgres, broker, clones)


@pytest.fixture
def fresh_database(local_servers: LocalServers) -> Iterator[Callable[[], str]]:
    """Make a migrated, empty database of the test's own; returns its URL."""
    made: list[str] = []

    def make() -> str:
        made.append(local_servers.clones.take())
        return made[-1]

    yield make
    for url in made:
        name = sql.Identifier(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        _admin(local_servers.postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def empty_database(local_servers: LocalServers) -> Iterator[str]:
    """A database that was never migrated; returns its URL."""
    name = f"empty_{uuid4().hex}"
    _admin(local_servers.postgres, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield local_servers.postgres.url_of(name)
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    _admin(local_servers.postgres, drop)


@pytest.fixture(scope="session")
def database_url(local_servers: LocalServers) -> str:
    """The database that all tests of a run share; tests that commit use `fresh_database`."""
    return local_servers.clones.take()


@pytest.fixture
def conn(database_url: str) -> Iterator[pool.Connection]:
    """A connection as core uses it; whatever the test does is rolled back."""
    with pool.connect(database_url) as connection:
        connection.execute("SELECT 1")  # opens a transaction, so that those of core nest in it
        yield connection
        connection.rollback()


@pytest.fixture
def free_port() -> int:
    """A TCP port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def broker_url(local_servers: LocalServers) -> str:
    """The broker of this run, emptied."""
    with redis.Redis.from_url(local_servers.broker.url) as client:
        client.flushall()
    return local_servers.broker.url


@pytest.fixture
def settings(tmp_path: Path, fresh_database: Callable[[], str], broker_url: str) -> Settings:
    """Settings for a database, a data folder and a broker that nobody else uses."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=fresh_database(),
        broker_url=broker_url,
        models_dir=MODELS,
        device="cpu",
    )


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """The services of a process of its own, on empty stores."""
    opened = open_services(settings, connections=8)
    yield opened
    close_services(opened)


@pytest.fixture(scope="session")
def pipelines() -> Pipelines:
    """The real models; CPU."""
    settings = Settings(_env_file=None, models_dir=MODELS, device="cpu")
    manifest = load_manifest(settings)
    try:
        show(manifest.pack("open"), MODELS)
    except PackNotInstalled as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must install the model pack: {error}")
        pytest.skip(str(error))
    return Pipelines(manifest, settings)


@dataclass(slots=True)
class RecordingDoorbell:
    """A `core.doorbell.Doorbell` that only notes who rang."""

    ingests: int = 0
    searches: list[str] = field(default_factory=list)
    index_rings: int = 0
    import_rings: int = 0
    report_rings: int = 0

    def ingest(self) -> None:
        self.ingests += 1

    def search(self, request_id: str) -> None:
        self.searches.append(request_id)

    def indexes(self) -> None:
        self.index_rings += 1

    def imports(self) -> None:
        self.import_rings += 1

    def reports(self) -> None:
        self.report_rings += 1


@pytest.fixture
def doorbell() -> RecordingDoorbell:
    """A doorbell that nobody hears."""
    return RecordingDoorbell()


@dataclass(slots=True)
class FakePipeline:
    """Finds made-up faces at once; the same bytes always give the same ones.

    Attributes:
        faces: Found in each photo.
        skipped: Of them, not usable.
        refuse: Photos that turn out to be damaged.
        poison: Photos that break the whole batch.
        before: Called with the photos before each batch.
        batches: Sizes of the batches so far.
    """

    faces: int = 1
    skipped: int = 0
    refuse: set[bytes] = field(default_factory=set)
    poison: set[bytes] = field(default_factory=set)
    before: Callable[[Sequence[bytes]], None] = lambda photos: None
    batches: list[int] = field(default_factory=list)
    places: Mapping[Stage, int] = field(default_factory=dict)

    def analyse(
        self, photos: Sequence[bytes], *, copies: Copies = Copies.NONE
    ) -> list[AnalysedPhoto | BadImage]:
        self.batches.append(len(photos))
        self.before(photos)
        if self.poison & set(photos):
            raise RuntimeError("the model cannot stand this photo")
        return [
            BadImage("It is damaged.") if photo in self.refuse else self._photo(photo, copies)
            for photo in photos
        ]

    def _photo(self, photo: bytes, copies: Copies) -> AnalysedPhoto:
        detected = [
            DetectedFace((float(n), 0.0, float(n) + 4, 4.0), np.ones((5, 2), np.float32), 0.9)
            for n in range(self.faces + self.skipped)
        ]
        return AnalysedPhoto(
            header=PhotoHeader("png", 8, 8, len(photo)),
            faces=tuple(self._face(photo, n, detected[n]) for n in range(self.faces)),
            skipped=tuple(SkippedFace(face, "bad_landmarks") for face in detected[self.faces :]),
            thumbnail=b"thumbnail" if Copies.THUMBNAIL in copies else None,
            preview=b"preview" if Copies.PREVIEW in copies else None,
            picture_hash=hashlib.sha256(photo).digest() if Copies.HASH in copies else None,
            timings=Timings(0.1, 0.2, 0.3, 0.4),
        )

    def _face(self, photo: bytes, number: int, detected: DetectedFace) -> AnalysedFace:
        seed = int.from_bytes(hashlib.sha256(photo + bytes([number])).digest()[:8])
        raw = np.random.default_rng(seed).normal(size=128)
        embedding, norm = unit_embedding(raw, 128)
        quality = Quality(0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)
        return AnalysedFace(detected, embedding, norm, quality, np.zeros((150, 150, 3), np.uint8))


@pytest.fixture
def fake_pipeline() -> FakePipeline:
    """A pipeline without models, for the space of the open pack."""
    return FakePipeline()


@pytest.fixture(scope="session")
def photo() -> Callable[[int], bytes]:
    """Make a small photo that differs from those of other numbers."""

    def make(number: int) -> bytes:
        stream = BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
        return stream.getvalue()

    return make


@pytest.fixture
def collection(services: Services) -> Collection:
    """An empty collection of the open pack's space."""
    with services.pool.connection() as conn:
        return collections.create(conn, services.manifest.pack("open"), name="trip")


@pytest.fixture
def store(
    services: Services,
    collection: Collection,
    doorbell: RecordingDoorbell,
    fake_pipeline: FakePipeline,
) -> Callable[..., list[UUID]]:
    """Take photos in and index them with `fake_pipeline`; returns the ids of their images."""

    def take_in(*photos: bytes, into: Collection | None = None) -> list[UUID]:
        target = into or collection
        uploads = [Upload(f"{n}.png", photo) for n, photo in enumerate(photos)]
        receipt = accept(services, doorbell, target.id, uploads)
        while index_batch(services, {target.space_id: fake_pipeline}):
            pass
        return [item.image_id for item in receipt.items if item.image_id is not None]

    return take_in


def _admin(postgres: Postgres, statement: sql.Composed) -> None:
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement)
