"""Spaces: the embedding contracts that decide which vectors may be compared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import SpaceMismatch

VERSION = "space-v1"
"""Changes when the meaning of a contract changes, so that old ids never mean something new."""


@dataclass(frozen=True, slots=True)
class Space:
    """All that makes two vectors comparable, and the id that stands for it.

    Attributes:
        id: ``sp_`` and 32 hex digits: the start of the SHA-256 of the contract.
        pack: Name of the pack that produces such vectors here; not part of the contract.
        contract: Digests of both networks, alignment, preprocessing and dimension.
    """

    id: str
    pack: str
    dimension: int
    contract: Mapping[str, Any]


def space(pack: str, dimension: int, contract: Mapping[str, Any]) -> Space:
    """Build the space of a contract; equal contracts give equal ids, whatever the key order."""
    whole = {"version": VERSION, "dimension": dimension, **contract}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Space(f"sp_{digest[:32]}", pack, dimension, whole)


def require_same(expected: str, given: str) -> None:
    """Refuse to compare vectors of different spaces.

    Raises:
        SpaceMismatch: The ids differ.
    """
    if expected != given:
        raise SpaceMismatch(expected=expected, given=given)
