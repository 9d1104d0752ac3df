"""The real application on a real database and broker; only the two networks are stood in for.

A test picture is a row of coloured squares, each a face: red says who it is, green how much this
photo of them differs. Black squares are background.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from psycopg import sql
from werkzeug.test import TestResponse

from core import access, analysis, indexing, reporting
from core.errors import BadImage, BrokerUnavailable
from core.faces import AnalysedFace, DetectedFace, Embedding, Quality
from core.images import Copies, PhotoLimits, decode, small_copies
from core.import_reading import read_one
from core.picture_hash import picture_hash
from core.pipeline import AnalysedPhoto
from core.services import Services, close_services, open_services
from core.settings import Settings
from core.stages import Stage, Timings
from web.app import create_app

SQUARE = 100
DIMENSION = 128
SEARCH_TIMEOUT_S = 0.5


def picture(*people: tuple[int, int], format: str = "PNG", height: int = SQUARE) -> bytes:
    """Draw a face per (who, how different); (0, 0) is none."""
    pixels = np.zeros((height, SQUARE * max(1, len(people)), 3), dtype=np.uint8)
    for index, (who, difference) in enumerate(people):
        pixels[:, index * SQUARE : (index + 1) * SQUARE] = (who, difference, 0)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def embedding_of(who: int, difference: int) -> Embedding:
    """Return the unit vector of a square: cosine 1 / (1 + (difference / 255) ** 2) to its twin."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[who % DIMENSION] = 1
    vector[(who + difference) % DIMENSION] += difference / 255
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Squares:
    """A pipeline that decodes for real and sees coloured squares as faces."""

    limits: PhotoLimits
    places: Mapping[Stage, int] = field(default_factory=dict)

    def analyse(
        self, photos: Sequence[bytes], *, copies: Copies = Copies.NONE
    ) -> list[AnalysedPhoto | BadImage]:
        return [self._analyse(photo, copies) for photo in photos]

    def _analyse(self, photo: bytes, copies: Copies) -> AnalysedPhoto | BadImage:
        try:
            decoded = decode(photo, self.limits)
        except BadImage as error:
            return error
        pixels = decoded.pixels
        middles = pixels[SQUARE // 2, SQUARE // 2 :: SQUARE]
        found = [(at, int(red), int(green)) for at, (red, green, _) in enumerate(middles) if red]
        thumbnail, preview = small_copies(pixels, copies)
        return AnalysedPhoto(
            header=decoded.header,
            faces=tuple(_face(*each) for each in found),
            skipped=(),
            thumbnail=thumbnail,
            preview=preview,
            picture_hash=picture_hash(pixels) if Copies.HASH in copies else None,
            timings=Timings(decode=0.001, detect=0.002, align=0.003, embed=0.004),
        )


def _face(at: int, who: int, difference: int) -> AnalysedFace:
    left = float(at * SQUARE)
    size = SQUARE - 10.0 * (at == 0)  # the second is the largest
    points = [(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)]
    landmarks = np.array([(left + x, y) for x, y in points], dtype=np.float32)
    return AnalysedFace(
        face=DetectedFace((left, 0.0, left + size, size), landmarks, 0.99 - at / 100),
        embedding=embedding_of(who, difference),
        norm=20.0,
        quality=Quality(0.8, 0.7, 0.9, 0.6, -8.0, 2.0, 0.0),
        crop=np.full((150, 150, 3), who, dtype=np.uint8),
    )


class Bell:
    """A doorbell with the worker behind the door: it works at once, in the caller's thread.

    Attributes:
        workers: None is there to hear it while this is False.
        broker: It cannot be rung while this is False.
        spaces: The worker's pipelines by space id.
    """

    def __init__(self, services: Services) -> None:
        self.workers = True
        self.broker = True
        self._services = services
        squares = Squares(PhotoLimits.of(services.settings))
        self.spaces: dict[str, indexing.Analyser] = {
            pack.space.id: squares for pack in services.manifest
        }

    def ingest(self) -> None:
        self._require_broker()
        while self.workers and indexing.index_batch(self._services, self.spaces):
            pass

    def search(self, request_id: str) -> None:
        self._require_broker()
        if self.workers:
            analysis.answer(self._services.exchange, self.spaces, request_id)

    def indexes(self) -> None:
        self._require_broker()

    def imports(self) -> None:
        self._require_broker()
        ring = self.ingest
        while self.workers and read_one(self._services, self.spaces, ring, threading.Event()):
            pass

    def reports(self) -> None:
        self._require_broker()
        if self.workers:
            reporting.work(self._services, lambda: None, threading.Event())

    def _require_broker(self) -> None:
        if not self.broker:
            raise BrokerUnavailable("The broker cannot be reached.")


@pytest.fixture
def emptied_database(database_url: str) -> Iterator[str]:
    """The shared database; what a test leaves in it is deleted, which costs less than a new one."""
    yield database_url
    with psycopg.connect(database_url) as conn:
        for table in ("collections", "spaces", "api_keys", "login_links", "sessions", "secrets"):
            conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


@pytest.fixture
def settings(emptied_database: str, broker_url: str, tmp_path: Path) -> Settings:
    """Small limits, so that tests can reach them."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=emptied_database,
        broker_url=broker_url,
        search_timeout_s=SEARCH_TIMEOUT_S,
        max_photo_mib=1,
        max_request_mib=3,
        max_photos_per_request=5,
        max_megapixels=1,
    )


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    services = open_services(settings, connections=4)
    yield services
    close_services(services)


@pytest.fixture
def pgvector(services: Services) -> Iterator[Callable[[str], None]]:
    """Let the shared database say that it was made for another version of pgvector."""
    change = "UPDATE pg_extension SET extversion = %s WHERE extname = 'vector'"
    with services.pool.connection() as conn:
        [version] = conn.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchone()

    def pretend(other: str) -> None:
        with services.pool.connection() as conn:
            conn.execute(change, [other])

    yield pretend
    pretend(version)


@pytest.fixture
def slow(services: Services) -> Iterator[Callable[[], None]]:
    """Let Postgres take a second to compare two vectors, from then on."""
    name = "cosine_distance(halfvec, halfvec)"
    with services.pool.connection() as conn:
        [fast] = conn.execute(f"SELECT pg_get_functiondef('{name}'::regprocedure)").fetchone()

    def make() -> None:
        with services.pool.connection() as conn:
            conn.execute(
                f"CREATE OR REPLACE FUNCTION {name} RETURNS float8 LANGUAGE plpgsql "
                "AS 'BEGIN PERFORM pg_sleep(1); RETURN 0; END'"
            )

    yield make
    with services.pool.connection() as conn:
        conn.execute(fast)


@pytest.fixture
def bell(services: Services) -> Bell:
    return Bell(services)


@pytest.fixture
def app(services: Services, bell: Bell) -> Flask:
    return create_app(services, bell)


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A client that nobody let in."""
    return app.test_client()


class Client:
    """A program with an API key."""

    def __init__(self, app: Flask, key: str) -> None:
        self._client = app.test_client()
        self._key = {"Authorization": f"Bearer {key}"}

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> TestResponse:
        given = {**self._key, **(headers or {})}
        return self._client.open(path, method=method, headers=given, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> TestResponse:
        return self.request("POST", path, **more)

    def patch(self, path: str, **more: Any) -> TestResponse:
        return self.request("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        return self.request("DELETE", path, **more)

    def collection(self, name: str = "team", **more: Any) -> dict[str, Any]:
        """Make a collection."""
        response = self.post("/v1/collections", json={"name": name, **more})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json
        return made

    def upload(
        self, collection_id: str, *photos: bytes, wait: int | None = None, **fields: Any
    ) -> TestResponse:
        """Send photos named 0.png, 1.png, ..."""
        files = [(BytesIO(photo), f"{index}.png") for index, photo in enumerate(photos)]
        headers = {} if wait is None else {"Prefer": f"wait={wait}"}
        path = f"/v1/collections/{collection_id}/images"
        return self.post(path, data={"photos": files, **fields}, headers=headers)

    def add(self, collection_id: str, *people: tuple[int, int]) -> dict[str, Any]:
        """Add one photo and return its image with the faces."""
        response = self.upload(collection_id, picture(*people), wait=5)
        assert response.status_code == 201, response.text
        image: dict[str, Any] = response.json["items"][0]["image"]
        return image

    def name(self, collection_id: str, name: str, *face_ids: str) -> dict[str, Any]:
        """Make a person of faces."""
        path = f"/v1/collections/{collection_id}/people"
        response = self.post(path, json={"name": name, "face_ids": list(face_ids)})
        assert response.status_code == 201, response.text
        person: dict[str, Any] = response.json
        return person

    def search(self, collection_id: str, photo: bytes, **fields: Any) -> TestResponse:
        """Search with a photo."""
        data = {"photo": (BytesIO(photo), "query.png"), **fields}
        return self.post(f"/v1/collections/{collection_id}/search", data=data)


@pytest.fixture
def key(services: Services) -> str:
    with services.pool.connection() as conn:
        return access.create_key(conn, "tests")


@pytest.fixture
def client(app: Flask, key: str) -> Client:
    return Client(app, key)


@pytest.fixture
def team(client: Client) -> str:
    """The id of an empty collection."""
    made: str = client.collection()["id"]
    return made


@pytest.fixture
def asked(client: Client, team: str) -> Callable[..., dict[str, Any]]:
    """Make an import of the team by JSON."""

    def ask(source: str, **more: Any) -> dict[str, Any]:
        path = f"/v1/collections/{team}/imports"
        response = client.post(path, json={"source": source, **more})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json
        return made

    return ask


@pytest.fixture
def crowd(client: Client) -> str:
    """A collection of four faces: Ada twice, Eve, and somebody without a name."""
    made: str = client.collection(threshold=0.8)["id"]
    ada, eve, _ = client.add(made, (10, 0), (40, 0), (80, 0))["faces"]
    ada_again = client.add(made, (10, 100))["faces"][0]
    client.name(made, "Ada", ada["id"], ada_again["id"])
    client.name(made, "Eve", eve["id"])
    return made


def problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, whole and well-formed, and return it."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    document: dict[str, Any] = response.json
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"/problems/{code}"
    assert document["request_id"] == response.headers["X-Request-Id"]
    assert document["detail"]
    assert set(document) == {
        "type", "title", "status", "detail", "instance", "code", "retryable", "details",
        "request_id",
    }  # fmt: skip
    return document


@pytest.fixture(name="picture")
def _picture() -> Callable[..., bytes]:
    return picture


@pytest.fixture
def cut_off() -> bytes:
    """A photo whose header is fine: only a worker finds out."""
    return picture(*[(n, n) for n in range(1, 9)], height=400)[:-60]


@pytest.fixture(name="problem")
def _problem() -> Callable[[TestResponse, int, str], dict[str, Any]]:
    return problem


@pytest.fixture(name="embedding_of")
def _embedding_of() -> Callable[[int, int], Embedding]:
    return embedding_of
