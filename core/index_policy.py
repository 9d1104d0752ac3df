"""What indexes want: by how many faces they have, how many are dead, and what is on its way."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.index_work import Action, State
from core.db.indexes import Kind
from core.estimates import links
from core.indexes import Status

LOAD_SHARE = 0.2
"""Faces on their way that make a load: an index that is built after it costs less than one that
each of them is put into."""

QUIET = timedelta(minutes=2)
"""Without uploads, after which a load is over."""

DEAD_SHARE = 0.1
"""Below the fifth from which autovacuum would repair the graph, which takes several times as long
as a new one; see docs/decisions.md."""

LEAST_DEAD = 5000
REST = timedelta(hours=1)
"""Between two rebuilds: an old transaction may keep the dead rows from going."""

AFTER_FAILURE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the policy wants."""

    action: Action
    kind: Kind = Kind.HNSW


def wish(status: Status, *, promote_faces: int, now: datetime) -> Wish | None:
    """Say what the policy wants for a collection; None: nothing, or not now."""
    if status.open or _failed_lately(status, now):
        return None
    if status.table.layout != "own":
        return Wish(Action.PROMOTE) if status.table.faces > promote_faces else None
    if not status.kinds:
        wanted = status.table.faces > promote_faces or _dropped_at(status) is not None
        return Wish(Action.BUILD) if wanted and not _waits_for_load(status, now) else None
    decayed = status.dead_share > DEAD_SHARE and status.table.dead > LEAST_DEAD
    if (decayed or _is_outgrown(status)) and not _rebuilt_lately(status, now):
        return Wish(Action.REBUILD, status.kinds[0])
    return None


def is_loading(status: Status) -> bool:
    """Say whether photos with more than `LOAD_SHARE` of the collection's faces are on their way."""
    indexed = max(1, status.table.images - status.incoming.photos)
    coming = status.incoming.photos * status.table.faces / indexed
    return coming > LOAD_SHARE * status.table.faces


def _waits_for_load(status: Status, now: datetime) -> bool:
    """Say whether a missing index should stay away: for a load, or for one that was announced.

    Who drops an index by hand wants it gone until the load is over that the dropping was for.
    """
    if is_loading(status):
        return True
    dropped = _dropped_at(status)
    if dropped is None:
        return False
    uploaded = status.incoming.last_upload
    over = uploaded is not None and dropped < uploaded < now - QUIET
    return not (over and status.incoming.photos == 0)


def _dropped_at(status: Status) -> datetime | None:
    """Return when somebody dropped the index, if nothing was done since."""
    last = next((work for work in status.history if work.state == State.DONE), None)
    return last.finished_at if last is not None and last.action == Action.DROP else None


def _failed_lately(status: Status, now: datetime) -> bool:
    last = status.history[0] if status.history else None
    return (
        last is not None
        and last.state == State.FAILED
        and last.finished_at is not None
        and now - last.finished_at < AFTER_FAILURE
    )


def _is_outgrown(status: Status) -> bool:
    """Say whether so many faces came that a graph wants more links."""
    faces = status.table.faces
    return any(
        index.valid and index.links < links(faces, Kind(index.kind)) for index in status.indexes
    )


def _rebuilt_lately(status: Status, now: datetime) -> bool:
    built = [status.built_at(kind) for kind in status.kinds]
    return any(at is not None and now - at < REST for at in built)
