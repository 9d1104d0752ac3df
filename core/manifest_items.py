"""What a line of a manifest says of a photo, field by field."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from core.archive_entries import LONGEST_NAME as LONGEST_KEY
from core.archive_entries import for_reports, printable
from core.errors import InvalidRequest, ItemInvalid
from core.facets import clean_tags, read_captured
from core.settings import BUCKET
from core.texts import clean_external_id, clean_metadata, clean_name, storable

LONGEST_ADDRESS: Final = 4096
"""Characters of a path, an object or a URL."""

_OBJECT: Final = re.compile(rf"s3://{BUCKET.pattern}/(.+)", re.DOTALL)
_LONGEST_OBJECT_KEY: Final = 1024
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")


class SourceKind(StrEnum):
    """Where the bytes of an item are."""

    FILE = "file"
    PATH = "path"
    OBJECT = "object"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of an item are.

    Attributes:
        name: Of a file: as the uploaded one is called, once it is `printable`. Of the others: a
            path on the server, ``s3://bucket/key`` or an http(s) address. Nothing was asked yet
            whether imports may read it.
    """

    kind: SourceKind
    name: str


@dataclass(frozen=True, slots=True)
class PersonNamed:
    """Who is in a photo: a name, the caller's own key, or both."""

    name: str | None
    external_id: str | None


@dataclass(frozen=True, slots=True)
class ManifestItem:
    """A photo that a line names.

    Attributes:
        line: From 1; of several lines, the first.
        bytes_read: Bytes of the manifest up to the end of this line.
        key: 1 to 1,000 characters that can be shown; not necessarily unique.
        sha256: What the 32 bytes of the photo's digest must be.
        tags: As `core.facets.clean_tags` leaves them.
    """

    line: int
    bytes_read: int
    key: str
    source: Source
    sha256: bytes | None = None
    person: PersonNamed | None = None
    tags: tuple[str, ...] = ()
    captured_at: datetime | None = None
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ManifestFault:
    """A line that names no photo.

    Attributes:
        line, bytes_read: As those of a `ManifestItem`.
        key: To be shown only; None where it could not be read.
        error: One sentence names the field and what is wrong with it; ``details["field"]`` too.
    """

    line: int
    bytes_read: int
    key: str | None
    error: ItemInvalid


def item(fields: Mapping[str, Any], *, line: int, bytes_read: int) -> ManifestItem:
    """Return the photo that the fields of a line name; null is as good as left out.

    Raises:
        ItemInvalid: A field is unknown or wrong, the key is missing, or there are two sources.
    """
    for name in fields:
        if name not in FIELDS:
            raise wrong(for_reports(name), f"is no field; there are {', '.join(FIELDS)}")
    given = {
        name: _read(name, value, FIELDS[name])
        for name, value in fields.items()
        if value is not None
    }
    if "key" not in given:
        raise wrong("key", "is missing")
    sources = [Source(kind, given.pop(kind)) for kind in SourceKind if kind in given]
    if len(sources) > 1:
        raise wrong(sources[1].kind, f"an item has one source, and {sources[0].kind} is there too")
    source = sources[0] if sources else Source(SourceKind.FILE, given["key"])
    return ManifestItem(line=line, bytes_read=bytes_read, source=source, **given)


def wrong(name: str, message: str) -> ItemInvalid:
    """Return the fault of one field."""
    return ItemInvalid(f"{name}: {message}", field=name)


def shown(key: object) -> str | None:
    """Return how a key is shown that may not even be one."""
    return for_reports(key) if isinstance(key, str) and key else None


def _read(name: str, value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except InvalidRequest as error:
        raise wrong(name, str(error)) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("must be text")
    return value


def _key(value: Any) -> str:
    key = printable(_text(value))
    if not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidRequest(f"must have 1 to {LONGEST_KEY:,} characters")
    return key


def _address(value: Any) -> str:
    address = storable(_text(value))
    if not 1 <= len(address) <= LONGEST_ADDRESS:
        raise InvalidRequest(f"must have 1 to {LONGEST_ADDRESS:,} characters")
    return address


def _object(value: Any) -> str:
    address = _address(value)
    found = _OBJECT.fullmatch(address)
    if found is None:
        raise InvalidRequest("must be s3://bucket/key")
    if len(found[1].encode()) > _LONGEST_OBJECT_KEY:
        raise InvalidRequest(f"the key of an object has {_LONGEST_OBJECT_KEY:,} bytes at most")
    return address


def _url(value: Any) -> str:
    address = _address(value)
    try:
        parts = urlsplit(address)
    except ValueError:  # half an IPv6 address
        raise InvalidRequest("is no address") from None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidRequest("must begin with https:// or http:// and a host")
    return address


def _sha256(value: Any) -> bytes:
    text = _text(value).strip()
    if not _SHA256.fullmatch(text):
        raise InvalidRequest("must be 64 hex digits")
    return bytes.fromhex(text)


def _person(value: Any) -> PersonNamed:
    if not isinstance(value, Mapping):
        raise InvalidRequest("must be an object with name, external_id or both")
    for name in value:
        if name not in {"name", "external_id"}:
            raise InvalidRequest(f"has name and external_id, and no {for_reports(name)}")
    name, external_id = value.get("name"), value.get("external_id")
    if name is None and external_id is None:
        raise InvalidRequest("must have a name, an external_id or both")
    return PersonNamed(
        name=None if name is None else _member("name", name, clean_name),
        external_id=None
        if external_id is None
        else _member("external_id", external_id, clean_external_id),
    )


def _member(name: str, value: Any, clean: Callable[[str], str]) -> str:
    try:
        return clean(_text(value))
    except InvalidRequest as error:
        raise InvalidRequest(f"its {name} {error}") from None


def _tags(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InvalidRequest("must be a list of texts")
    return clean_tags(map(_text, value))


def _metadata(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest("must be an object")
    return clean_metadata(value)


FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "key": _key,
    "file": _key,
    "path": _address,
    "object": _object,
    "url": _url,
    "sha256": _sha256,
    "person": _person,
    "tags": _tags,
    "captured_at": lambda value: read_captured(_text(value)),
    "external_id": lambda value: clean_external_id(_text(value)),
    "metadata": _metadata,
}
"""Every field of a line, and what reads it."""
