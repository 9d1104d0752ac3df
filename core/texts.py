"""What callers may write of their own: names, external ids and metadata, and what Postgres stores.

Programs and people give them by requests, manifests and commands; the limits are the same for all.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from core.errors import InvalidRequest

LONGEST_NAME: Final = 200
LARGEST_METADATA: Final = 64 * 1024
DEEPEST_METADATA: Final = 32

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def storable(text: str) -> str:
    """Return a text that Postgres can store.

    Raises:
        InvalidRequest: It holds NUL or half of a character.
    """
    if "\0" in text:
        raise InvalidRequest("must not contain the character NUL")
    if _SURROGATE.search(text):
        raise InvalidRequest("must not contain half of a surrogate pair")
    return text


def clean_name(given: str) -> str:
    """Return a name as it is stored: without blanks around it.

    Raises:
        InvalidRequest: It is empty, too long or not `storable`.
    """
    return clean_external_id(given.strip())


def clean_external_id(given: str) -> str:
    """Return a caller's own key, which is stored as it is.

    Raises:
        InvalidRequest: It is empty, too long or not `storable`.
    """
    if not 1 <= len(given) <= LONGEST_NAME:
        raise InvalidRequest(f"must have 1 to {LONGEST_NAME} characters")
    return storable(given)


def clean_metadata(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata that can be stored.

    Raises:
        InvalidRequest: They are too large or too deep, or hold what JSON cannot say or Postgres
            cannot store.
    """
    metadata = dict(given)
    _require_plain(metadata, DEEPEST_METADATA)
    try:
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
    except ValueError:  # an integer of thousands of digits
        raise InvalidRequest("holds a number that is too long") from None
    if size > LARGEST_METADATA:
        raise InvalidRequest(f"has {size} bytes as JSON; at most {LARGEST_METADATA} are stored")
    return metadata


def _require_plain(value: Any, depth: int) -> None:
    if depth < 0:
        raise InvalidRequest(f"is nested more than {DEEPEST_METADATA} levels deep")
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, float) and value - value != 0:  # NaN or infinite
        raise InvalidRequest("may hold finite numbers only")
    elif isinstance(value, dict):
        for key, member in value.items():
            storable(key)
            _require_plain(member, depth - 1)
    elif isinstance(value, list):
        for member in value:
            _require_plain(member, depth - 1)
