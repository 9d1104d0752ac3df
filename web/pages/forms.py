"""Reading what a form or an address carries; whatever is wrong is one `InvalidRequest`."""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from core.budget import LEAST_STRANGERS, MOST_STRANGERS
from core.errors import InvalidRequest
from core.facets import clean_tag, read_captured, split_tags
from core.gates import Gate
from core.keeping import Keeps
from core.offers import Upload
from core.texts import LONGEST_NAME
from web.api import streams
from web.api.reading import clean_key

Choice = TypeVar("Choice", bound=StrEnum)

FRAGMENT_HEADER = "X-Fragment"


def wants_fragment() -> bool:
    """Say whether a script asks for the changing part of the page only."""
    return FRAGMENT_HEADER in request.headers


def id_in(values: Mapping[str, str], key: str) -> UUID | None:
    """Return the id that *values* may hold under *key*.

    Raises:
        InvalidRequest: It is not an id.
    """
    text = values.get(key, "").strip()
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise _wrong(key, "This is not an id.") from None


def ids_in(values: MultiDict[str, str], key: str) -> list[UUID]:
    """Return all ids that a form holds under *key*.

    Raises:
        InvalidRequest: One of them is not an id.
    """
    ids = [id_in({key: text}, key) for text in values.getlist(key)]
    return [each for each in ids if each is not None]


def required_id(values: Mapping[str, str], key: str) -> UUID:
    """Return the id that *values* must hold under *key*.

    Raises:
        InvalidRequest: It is missing or not an id.
    """
    found = id_in(values, key)
    if found is None:
        raise _wrong(key, f"Choose a {key}.")
    return found


def name_in(values: Mapping[str, str], key: str = "name") -> str:
    """Return a name of 1 to `LONGEST_NAME` characters.

    Raises:
        InvalidRequest: It is empty or too long.
    """
    name = " ".join(values.get(key, "").split())
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name:
        raise _wrong(key, f"A name has 1 to {LONGEST_NAME} characters.")
    return name


def cosine_in(values: Mapping[str, str], key: str) -> float | None:
    """Return a number from -1 to 1; None when nothing was filled in.

    Raises:
        InvalidRequest: It is something else.
    """
    text = values.get(key, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not -1 <= number <= 1:
        raise _wrong(key, "A cosine is a number from -1 to 1.")
    return number


def count_in(values: Mapping[str, str], key: str, *, default: int, most: int) -> int:
    """Return a whole number from 1 to *most*; *default* when there is none.

    Raises:
        InvalidRequest: It is something else.
    """
    text = values.get(key, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text[:9]) <= most:
        raise _wrong(key, f"This is a number from 1 to {most}.")
    return int(text)


def strangers_in(values: Mapping[str, str], key: str = "one_in") -> int | None:
    """Return N of a budget of one false alarm in N strangers; None where the cosine was chosen.

    Raises:
        InvalidRequest: It is no such number.
    """
    if values.get("policy", "cosine") != "budget":
        return None
    text = values.get(key, "").strip()
    if not text.isdecimal() or not LEAST_STRANGERS <= int(text[:12]) <= MOST_STRANGERS:
        raise _wrong(key, f"This is a number from {LEAST_STRANGERS} to {MOST_STRANGERS:,}.")
    return int(text)


def gate_in(values: Mapping[str, str], key: str = "quality_gate") -> Gate | None:
    """Return the quality gate that was chosen; None when the form has no such choice.

    Raises:
        InvalidRequest: There is no such gate.
    """
    return _chosen(values, key, Gate, "Choose one of the quality gates.")


def keeps_in(values: Mapping[str, str], key: str = "keeps") -> Keeps | None:
    """Return what the collection shall keep; None when the form has no such choice.

    Raises:
        InvalidRequest: There is no such choice.
    """
    return _chosen(values, key, Keeps, "Choose what is kept of photos.")


def tag_in(values: Mapping[str, str], key: str = "tag") -> str | None:
    """Return the tag that *values* may hold under *key*.

    Raises:
        InvalidRequest: No photo can have it.
    """
    text = values.get(key, "").strip()
    return clean_tag(text) if text else None


def captured_in(values: Mapping[str, str], key: str = "captured_at") -> datetime | None:
    """Return when a photo was taken; None when nothing was filled in.

    Raises:
        InvalidRequest: It is no time, or none at which a photo was taken.
    """
    text = values.get(key, "").strip()
    return read_captured(text) if text else None


def external_id_in(values: Mapping[str, str], key: str = "external_id") -> str:
    """Return an external id; empty when nothing was filled in.

    Raises:
        InvalidRequest: It is too long.
    """
    text = values.get(key, "").strip()
    if len(text) > LONGEST_NAME or "\0" in text:
        raise _wrong(key, f"An external id has up to {LONGEST_NAME} characters.")
    return text


def photo() -> bytes:
    """Return the one photo that was sent, from the file field or the camera's.

    Raises:
        InvalidRequest: None was chosen.
    """
    chosen = [file for file in _files("photo", "camera") if file.filename]
    if not chosen:
        raise _wrong("photo", "Choose a photo first.")
    return bytes(chosen[0].read())


def uploads(most: int) -> list[Upload]:
    """Return the photos that were sent, with the tags that all of them get.

    Raises:
        InvalidRequest: None was chosen, or more than *most*; or a tag cannot be stored.
    """
    with streams.place():
        chosen = [file for file in _files("photos") if file.filename]
    if not 1 <= len(chosen) <= most:
        raise _wrong("photos", f"Choose 1 to {most} photos at a time.")
    tags = split_tags(request.form.get("tags", ""))
    return [
        Upload(key=clean_key(file.filename or ""), data=file.read(), tags=tags) for file in chosen
    ]


def _files(*keys: str) -> list[FileStorage]:
    return [file for key in keys for file in request.files.getlist(key)]


def _chosen(values: Mapping[str, str], key: str, choices: type[Choice], told: str) -> Choice | None:
    text = values.get(key, "")
    if not text:
        return None
    try:
        return choices(text)
    except ValueError:
        raise _wrong(key, told) from None


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, errors=[{"field": field, "message": message}])
