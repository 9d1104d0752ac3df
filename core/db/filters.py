"""The conditions of a filter as SQL on ``faces``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from core.db import queries
from core.filters import Filter

SQL = queries.load("filters")

INDEXED: Final = frozenset(
    {
        *("people", "person_prefix", "person_metadata", "tags_any", "tags_all"),
        *("captured_from", "captured_before", "created_from", "created_before"),
        *("image_prefix", "image_metadata"),
    }
)
"""Conditions whose faces an index finds; for the others every face is looked at."""

_RANDOM_BITS: Final = 80
"""Of a UUID of version 7, behind 48 bits of milliseconds."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition.

    Attributes:
        name: The field of `Filter` that asks for it.
        text: True or null or false of each row of ``faces``.
        indexed: An index finds the faces that meet it.
    """

    name: str
    text: sql.SQL
    params: Mapping[str, Any]
    indexed: bool


def clauses(wanted: Filter) -> list[Clause]:
    """Return the conditions that *wanted* asks for; some need ``collections`` as a parameter."""
    return [
        Clause(
            name,
            sql.SQL(SQL[name]),
            {f"f_{name}": _CONVERTED.get(name, _as_it_is)(value)},
            name in INDEXED,
        )
        for name, value in wanted.asked.items()
    ]


def narrowed(wanted: Sequence[Clause]) -> sql.Composed:
    """Return all conditions together, as the rest of a WHERE that has one already."""
    return sql.SQL("").join(sql.SQL(" AND ") + clause.text for clause in wanted)


def params(wanted: Sequence[Clause]) -> dict[str, Any]:
    """Return the parameters of all conditions."""
    return {name: value for clause in wanted for name, value in clause.params.items()}


def _as_it_is(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _first_id(moment: datetime) -> UUID:
    """Return the smallest id that can have been made at *moment* or later."""
    since = moment - datetime.fromtimestamp(0, moment.tzinfo)
    return UUID(int=max(0, -(-since // timedelta(milliseconds=1))) << _RANDOM_BITS)


_CONVERTED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "created_from": _first_id,
    "created_before": _first_id,
    "person_metadata": lambda value: Jsonb(dict(value)),
    "image_metadata": lambda value: Jsonb(dict(value)),
    "face_metadata": lambda value: Jsonb(dict(value)),
}
