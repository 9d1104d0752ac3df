"""Who is meant by findings and review items, as those are told to people."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

from core.db import changes as change_rows
from core.db.changes import Named
from core.db.pool import Connection
from core.reports.finding import Side
from core.reports.words import Names


class Told(Protocol):
    """A stored finding or a review item."""

    @property
    def sides(self) -> list[dict[str, Any]]:
        """What stands side by side, as `core.reports.finding.Side.to_json` wrote it."""
        ...


def sides(told: Told) -> tuple[Side, ...]:
    """Return what stands side by side."""
    return tuple(Side.from_json(each) for each in told.sides)


def people(conn: Connection, collection_id: UUID, told: Iterable[Told]) -> Mapping[UUID, Named]:
    """Return what everybody on any side is called, or was: they may be deleted since."""
    meant = {side.person_id for each in told for side in sides(each) if side.person_id}
    return change_rows.names(conn, collection_id, meant)


def names(people: Mapping[UUID, Named]) -> Names:
    """Return what `core.reports.words` calls them, also those who were deleted."""
    return {each.id: each.name for each in people.values() if each.name is not None}
