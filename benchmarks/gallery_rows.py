"""A gallery as rows of the product's tables, packed for binary COPY."""

from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.gallery import DIMENSION, Numbers, Vectors, chunks

NULL = b"\xff\xff\xff\xff"
"""A null, as COPY writes it."""

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

FIRST_MS = 1_600_000_000_000
"""Of the ids, which are of version 7: made a millisecond apart."""

DAY_US = 86_400_000_000
YEARS = 10
"""Over which photos were taken; each person within `PERSON_DAYS`."""
PERSON_DAYS = 90

SHARES = {"half": 0.5, "tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
"""What the tags of faces are for: `any-tenth` is on a tenth of them, drawn by lot; `near-tenth` on
the tenth whose vectors are most like one certain face."""

UUID_TYPE = np.dtype(("u1", (16,)))
FLOAT = np.dtype(">f4")
MICROSECONDS = np.dtype(">i8")
HALFVEC = np.dtype([("dimension", ">i2"), ("unused", ">i2"), ("numbers", ">f2", (DIMENSION,))])


def floats(count: int) -> np.dtype[np.void]:
    """Return how COPY writes an array of floats: its head, and a length before each number."""
    element = np.dtype([("length", ">i4"), ("value", ">f4")])
    return np.dtype([("head", "u1", (20,)), ("elements", element, (count,))])


FACE_TYPES = {
    "id": UUID_TYPE,
    "collection_id": UUID_TYPE,
    "image_id": UUID_TYPE,
    "position": np.dtype(">i2"),
    "box": floats(4),
    "landmarks": floats(10),
    **dict.fromkeys(("score", "norm", "quality", "sharpness", "brightness", "size"), FLOAT),
    **dict.fromkeys(("yaw", "pitch", "roll"), FLOAT),
    "captured_at": MICROSECONDS,
    "embedding": HALFVEC,
}
IMAGE_TYPES = {
    "id": UUID_TYPE,
    "collection_id": UUID_TYPE,
    "sha256": np.dtype(("u1", (32,))),
    "format": np.dtype("S4"),
    "bytes": np.dtype(">i8"),
    "width": np.dtype(">i4"),
    "height": np.dtype(">i4"),
    "state": np.dtype("S7"),
    "face_count": np.dtype(">i4"),
    "captured_at": MICROSECONDS,
}
FACE_COLUMNS = [*FACE_TYPES, "person_id", "tags"]
IMAGE_COLUMNS = [*IMAGE_TYPES, "tags"]

FACE, IMAGE, PERSON = 0, 1, 2

FLOAT_OID, TEXT_OID = 700, 25
BOX = (70, 70, 180, 180)


def ids(what: int, collection: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return ids, shape ``(n, 16)``, from which `row_of` reads the rows again."""
    made = np.zeros((len(rows), 2), ">u8")
    made[:, 0] = (np.uint64(FIRST_MS) + rows.astype(np.uint64)) << np.uint64(16)
    made[:, 0] |= np.uint64(0x7000 | what)
    made[:, 1] = rows.astype(np.uint64) | np.uint64(1 << 63 | collection << 32)
    return made.view(np.uint8)


def uuid_of(what: int, collection: int, row: int) -> UUID:
    """Return one id."""
    return UUID(bytes=ids(what, collection, np.array([row])).tobytes())


def row_of(made: UUID) -> int:
    """Return the row that an id was made of."""
    return made.int & 0xFFFFFFFF


def number_of(made: UUID) -> int:
    """Return the number of the collection that an id was made for."""
    return made.int >> 32 & 0x3FFFFFFF


class Faces(Protocol):
    """A gallery, seen from here: vectors, shape ``(n, 512)``, and the identity of each."""

    @property
    def vectors(self) -> Vectors: ...

    @property
    def owners(self) -> Numbers: ...


class Facets:
    """What each face of a gallery can be filtered by. Half of all people have names."""

    def __init__(self, each: Faces) -> None:
        """Draw everything, the same each time."""
        size = len(each.owners)
        random = np.random.default_rng(size)
        self.named = each.owners % 2 == 0
        self.quality = random.random(size, np.float32)
        lot = random.random(size)
        near = rank_by_likeness(each.vectors)
        self.tags = {f"any-{name}": lot < share for name, share in SHARES.items()} | {
            f"near-{name}": near < share for name, share in SHARES.items()
        }
        people = int(each.owners.max()) + 1
        begin = each.owners / people * (365 * YEARS - PERSON_DAYS)
        self.captured_us = ((begin + random.random(size) * PERSON_DAYS) * DAY_US).astype(np.int64)
        """Microseconds since 2000; the same time for the same people."""


def rank_by_likeness(vectors: Vectors) -> NDArray[np.float64]:
    """Return 0 for the face most like the first one, up to 1 for the least."""
    cosines = np.concatenate([vectors[rows] @ vectors[0] for rows in chunks(len(vectors))])
    ranks = np.empty(len(vectors))
    ranks[np.argsort(-cosines, kind="stable")] = np.arange(len(vectors)) / len(vectors)
    return ranks


def people(each: Faces) -> NDArray[np.int64]:
    """Return the identities that have names."""
    owners = np.unique(each.owners)
    return np.asarray(owners[owners % 2 == 0])


def face_rows(each: Faces, facets: Facets, collection: UUID, number: int) -> Iterator[bytes]:
    """Yield the faces in parts, as COPY wants them; *number* is the collection's among ours."""
    for part in chunks(len(each.owners)):
        rows = np.arange(part.start, part.stop)
        fixed = _like(FACE, len(rows))
        fixed["id"] = ids(FACE, number, rows)
        fixed["collection_id"] = np.frombuffer(collection.bytes, np.uint8)
        fixed["image_id"] = ids(IMAGE, number, rows)
        fixed["quality"] = facets.quality[part]
        fixed["captured_at"] = facets.captured_us[part]
        fixed["embedding"]["numbers"] = each.vectors[part]
        named = facets.named[part]
        owners = ids(PERSON, number, each.owners[part])
        persons = [
            _field(owner.tobytes()) if known else NULL
            for owner, known in zip(owners, named, strict=True)
        ]
        yield _joined(fixed, persons, _tags(facets, part))


def image_rows(each: Faces, facets: Facets, collection: UUID, number: int) -> Iterator[bytes]:
    """Yield one image for each face."""
    for part in chunks(len(each.owners)):
        rows = np.arange(part.start, part.stop)
        fixed = _like(IMAGE, len(rows))
        fixed["id"] = ids(IMAGE, number, rows)
        fixed["collection_id"] = np.frombuffer(collection.bytes, np.uint8)
        fixed["sha256"] = np.tile(ids(IMAGE, number, rows), 2)
        fixed["captured_at"] = facets.captured_us[part]
        yield _joined(fixed, _tags(facets, part))


def _like(what: int, count: int) -> NDArray[np.void]:
    """Return rows with every length, and with what is the same for all."""
    types, others = (FACE_TYPES, 2) if what == FACE else (IMAGE_TYPES, 1)
    parts: list[tuple[str, object]] = [("columns", np.dtype(">i2"))]
    for name, kind in types.items():
        parts += [(f"{name} length", np.dtype(">i4")), (name, kind)]
    rows = np.zeros(count, np.dtype(parts))
    rows["columns"] = len(types) + others
    for name, kind in types.items():
        rows[f"{name} length"] = kind.itemsize
    if what == FACE:
        for name, length in (("box", 4), ("landmarks", 10)):
            rows[name]["head"] = np.frombuffer(_numbers(1, 0, FLOAT_OID, length, 1), np.uint8)
            rows[name]["elements"]["length"] = FLOAT.itemsize
        rows["box"]["elements"]["value"] = BOX
        rows["embedding"]["dimension"] = DIMENSION
        rows["score"], rows["norm"], rows["size"] = 0.9, 20, 1
    else:
        rows["format"], rows["state"], rows["face_count"] = b"jpeg", b"indexed", 1
        rows["width"] = rows["height"] = 250
    return rows


def _joined(fixed: NDArray[np.void], *others: list[bytes]) -> bytes:
    size, raw = fixed.dtype.itemsize, fixed.tobytes()
    starts = range(0, len(raw), size)
    columns = zip(starts, *others, strict=True)
    return b"".join(
        piece for start, *rest in columns for piece in (raw[start : start + size], *rest)
    )


def _field(raw: bytes) -> bytes:
    return len(raw).to_bytes(4) + raw


def _tags(facets: Facets, part: slice) -> list[bytes]:
    """Return the array of tags of each face; there are few different ones."""
    columns = np.stack([marked[part] for marked in facets.tags.values()], axis=1)
    names = list(facets.tags)
    packed: dict[bytes, bytes] = {}
    found = []
    for row in columns:
        key = row.tobytes()
        if key not in packed:
            words = [name for name, marked in zip(names, row, strict=True) if marked]
            packed[key] = _field(_text_array(words))
        found.append(packed[key])
    return found


def _text_array(words: list[str]) -> bytes:
    head = _numbers(1, 0, TEXT_OID, len(words), 1) if words else _numbers(0, 0, TEXT_OID)
    return head + b"".join(_field(word.encode()) for word in words)


def _numbers(*values: int) -> bytes:
    return np.array(values, ">i4").tobytes()
