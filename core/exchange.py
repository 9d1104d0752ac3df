"""Query photos on their way to a worker and back: Redis keys with a short life, never on disk."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import redis

from core import errors
from core.faces import DetectedFace, Embedding, Quality
from core.precedence import LATELY_S

ANSWER_TTL_S = 30
"""An answer is fetched at once or never: whoever asked is waiting for it, or gone."""

LAST_NOTE_S = 1.0
"""For which a process that ends waits for its last note."""

NOTED_EVERY_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class QueryFace:
    """A face of a query photo.

    Attributes:
        embedding: None when the face cannot be searched; then *reasons* says why.
    """

    face: DetectedFace
    quality: Quality | None
    norm: float | None
    embedding: Embedding | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class QueryPhoto:
    """An analysed query photo.

    Attributes:
        width: Of the upright image in pixels, as *height*.
        preview: A small JPEG of it; None unless it was asked for.
        seconds: Time per stage.
    """

    space_id: str
    format: str
    width: int
    height: int
    faces: tuple[QueryFace, ...]
    preview: bytes | None
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A query photo that waits for a worker."""

    space_id: str
    preview: bool
    photo: bytes


class Exchange:
    """Both ends of the counter: `ask` for whoever waits, `take` and `answer` for the worker."""

    def __init__(self, broker: redis.Redis) -> None:
        self._broker = broker
        self._noted = float("-inf")
        self._noting: threading.Thread | None = None
        self._closed = False

    def close(self) -> None:
        """Wait a moment for a note that is on its way; to be called before the broker is closed."""
        self._closed = True
        if self._noting is not None:
            self._noting.join(LAST_NOTE_S)

    def note_search(self) -> None:
        """Tell the workers that people search; at most every two seconds, and nobody waits for it."""
        now = time.monotonic()
        if now - self._noted >= NOTED_EVERY_S:
            self._noted = now
            self._noting = threading.Thread(target=self._note, name="note-search", daemon=True)
            self._noting.start()

    def _note(self) -> None:
        try:
            self._broker.set(_NOTE_KEY, b"", ex=LATELY_S)
        except redis.RedisError:
            pass  # without a note searches are slower beside batches
        except Exception:
            if not self._closed:  # else its connection was taken away while it read
                raise

    def searched_lately(self) -> bool:
        """Say whether people searched within the last seconds.

        Raises:
            redis.RedisError: The broker cannot be reached.
        """
        return bool(self._broker.exists(_NOTE_KEY))

    def ask(
        self,
        photo: bytes,
        *,
        space_id: str,
        preview: bool,
        timeout_s: float,
        ring: Callable[[str], None],
    ) -> QueryPhoto:
        """Have a photo analysed and wait for the answer.

        Args:
            ring: Tells a worker the id of the request (`core.doorbell.Doorbell.search`).

        Raises:
            WorkerUnavailable: No answer within *timeout_s*.
            BrokerUnavailable: Redis cannot be reached.
            BadImage, ModelError: What the worker found wrong.
        """
        request_id = secrets.token_hex(16)
        head = json.dumps({"space_id": space_id, "preview": preview}).encode()
        with _broker_errors():
            self._broker.set(_photo_key(request_id), head + b"\n" + photo, px=_ms(timeout_s))
        ring(request_id)
        with _broker_errors():
            reply = self._broker.blpop([_answer_key(request_id)], timeout=timeout_s)
            if reply is None:
                self._broker.delete(_photo_key(request_id))
        if reply is None:
            raise errors.WorkerUnavailable("No worker answered in time; is one running?")
        return _unpack_answer(_raw(reply[1]))

    def take(self, request_id: str) -> Request | None:
        """Fetch and remove a waiting photo; None when whoever asked has given up."""
        with _broker_errors():
            packed = self._broker.getdel(_photo_key(request_id))
        if packed is None:
            return None
        head, _, photo = _raw(packed).partition(b"\n")
        return Request(photo=photo, **json.loads(head))

    def answer(self, request_id: str, outcome: QueryPhoto | errors.FaceSearchError) -> None:
        """Give whoever waits the analysed photo, or what went wrong."""
        key = _answer_key(request_id)
        with _broker_errors(), self._broker.pipeline() as pipeline:
            pipeline.rpush(key, _pack_answer(outcome))
            pipeline.expire(key, ANSWER_TTL_S)
            pipeline.execute()


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise errors.BrokerUnavailable("The broker cannot be reached.") from error


_NOTE_KEY = "facesearch:searching"


def _photo_key(request_id: str) -> str:
    return f"facesearch:photo:{request_id}"


def _answer_key(request_id: str) -> str:
    return f"facesearch:answer:{request_id}"


def _raw(value: bytes | str) -> bytes:
    assert isinstance(value, bytes), "the client was opened without decoding"
    return value


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _pack_answer(outcome: QueryPhoto | errors.FaceSearchError) -> bytes:
    if isinstance(outcome, errors.FaceSearchError):
        message = {"code": outcome.code, "message": str(outcome), "details": dict(outcome.details)}
        return json.dumps({"error": message}).encode()
    photo: dict[str, Any] = {
        "space_id": outcome.space_id,
        "format": outcome.format,
        "width": outcome.width,
        "height": outcome.height,
        "faces": [_pack_face(face) for face in outcome.faces],
        "preview": None if outcome.preview is None else _text(outcome.preview),
        "seconds": outcome.seconds,
    }
    return json.dumps({"photo": photo}).encode()


def _pack_face(query: QueryFace) -> dict[str, Any]:
    return {
        "box": [float(side) for side in query.face.box],
        "landmarks": _text(np.asarray(query.face.landmarks, "<f4").tobytes()),
        "score": float(query.face.score),
        "quality": None if query.quality is None else asdict(query.quality),
        "norm": query.norm,
        "embedding": None
        if query.embedding is None
        else _text(np.asarray(query.embedding, "<f4").tobytes()),
        "reasons": list(query.reasons),
    }


def _unpack_answer(packed: bytes) -> QueryPhoto:
    answer = json.loads(packed)
    if "error" in answer:
        raise _known_error(**answer["error"])
    photo = answer["photo"]
    return QueryPhoto(
        space_id=photo["space_id"],
        format=photo["format"],
        width=photo["width"],
        height=photo["height"],
        faces=tuple(_unpack_face(face) for face in photo["faces"]),
        preview=None if photo["preview"] is None else base64.b64decode(photo["preview"]),
        seconds=photo["seconds"],
    )


def _unpack_face(packed: dict[str, Any]) -> QueryFace:
    return QueryFace(
        face=DetectedFace(
            box=tuple(packed["box"]),
            landmarks=_floats(packed["landmarks"]).reshape(5, 2),
            score=packed["score"],
        ),
        quality=None if packed["quality"] is None else Quality(**packed["quality"]),
        norm=packed["norm"],
        embedding=None if packed["embedding"] is None else _floats(packed["embedding"]),
        reasons=tuple(packed["reasons"]),
    )


def _known_error(code: str, message: str, details: dict[str, Any]) -> errors.FaceSearchError:
    """Rebuild what a worker raised; the families that can cross have one plain constructor."""
    known: dict[str, type[errors.FaceSearchError]] = {
        kind.code: kind
        for family in (errors.BadImage, errors.ModelError)
        for kind in (family, *family.__subclasses__())
    }
    return known.get(code, errors.FaceSearchError)(message, **details)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _floats(text: str) -> Embedding:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
