"""Collections: galleries that are bound to one space for life."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from core.blobs import BlobStore
from core.budget import Effective, Impostors, threshold_at
from core.db import collections as rows
from core.db import recall as recall_rows
from core.db import removals
from core.db.collections import Collection
from core.db.pool import Connection, Pool
from core.errors import (
    CalibrationNeeded,
    CollectionNotFound,
    ConfirmationRequired,
    DatabaseBusy,
    InvalidRequest,
    NameTaken,
)
from core.gates import USUAL, Gate
from core.inference.packs import Pack
from core.keeping import USUAL as KEEPS_USUALLY
from core.keeping import Keeps
from core.promotion import discard
from core.removal import remove_files

CHOSEN = "set by hand"

LEAST_EF_SEARCH, MOST_EF_SEARCH = 10, 1000
NO_BUDGET = 0
"""Ends one; see `core.db.collections.update`."""

DROP_PATIENCE_S = 2.0
"""While somebody waits for a deletion."""

THRESHOLD_DIGITS = 6
"""As many as single precision keeps; Postgres refuses what would be lost there altogether."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a deletion took away."""

    collection_id: UUID
    images: int
    faces: int
    people: int


def create(
    conn: Connection,
    pack: Pack,
    *,
    name: str,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    alarm_budget: int | None = None,
    quality_gate: Gate = USUAL,
    keeps_queries: bool = True,
    keeps: Keeps = KEEPS_USUALLY,
) -> Collection:
    """Make a collection in the space of *pack*; without *threshold* it takes the pack's.

    Raises:
        CalibrationNeeded: A budget was asked for, and no face is there yet to calibrate with.
        NameTaken: The name or the external id is in use.
    """
    _not_both(threshold, alarm_budget)
    if alarm_budget is not None:
        raise _uncalibrated(name, alarm_budget)
    space = pack.space
    try:
        with conn.transaction():
            rows.keep_space(conn, space)
            made = rows.insert(
                conn,
                name=name,
                external_id=external_id,
                metadata=metadata or {},
                space_id=space.id,
                threshold=pack.threshold if threshold is None else _stored(threshold),
                threshold_source=pack.threshold_source if threshold is None else CHOSEN,
                quality_gate=quality_gate,
                keeps_queries=keeps_queries,
                keeps=keeps,
            )
    except UniqueViolation as error:
        raise _taken(error, name, external_id) from None
    return get(conn, made)


def get(conn: Connection, collection_id: UUID) -> Collection:
    """Return one collection.

    Raises:
        CollectionNotFound: There is none with this id.
    """
    found = rows.get(conn, collection_id)
    if found is None:
        raise CollectionNotFound(collection_id)
    return found


def find(conn: Connection, name_or_id: str) -> Collection:
    """Return the collection that a person typed.

    Raises:
        CollectionNotFound: Neither a name nor an id.
    """
    by_name = rows.id_by_name(conn, name_or_id)
    if by_name is not None:
        return get(conn, by_name)
    try:
        return get(conn, UUID(name_or_id))
    except ValueError:
        raise CollectionNotFound(repr(name_or_id)) from None


def page(
    conn: Connection, *, limit: int, after: UUID | None = None, external_id: str | None = None
) -> list[Collection]:
    """Return up to *limit* collections behind *after*, oldest first."""
    return rows.page(conn, limit=limit, after=after, external_id=external_id)


def change(
    conn: Connection,
    collection_id: UUID,
    *,
    name: str | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    threshold_source: str = CHOSEN,
    alarm_budget: int | None = None,
    impostors: Impostors | None = None,
    quality_gate: Gate | None = None,
    ef_search: int | None = None,
    keeps_queries: bool | None = None,
    keeps: Keeps | None = None,
) -> Collection:
    """Change what is given; an empty external id removes it, as an ef_search of 0 does.

    A new gate judges photos that are indexed from now on, and so much of them stays as *keeps* says;
    those of before keep what they have. Whoever keeps no queries any more loses those that were kept,
    at once. A threshold ends a budget.

    Args:
        alarm_budget: From now on the cosine counts that lets at most one in so many strangers pass.
        impostors: What a calibration has just found.

    Raises:
        CalibrationNeeded: No calibration reaches as far as the budget.
        CollectionNotFound: There is none with this id.
        NameTaken: The name or the external id is in use.
    """
    _not_both(threshold, alarm_budget)
    try:
        with conn.transaction():
            if alarm_budget is not None:
                _require_reach(get(conn, collection_id), alarm_budget, impostors=impostors)
            known = rows.update(
                conn,
                collection_id,
                name=name,
                external_id=external_id,
                metadata=metadata,
                threshold=None if threshold is None else _stored(threshold),
                threshold_source=None if threshold is None else threshold_source,
                alarm_budget=alarm_budget if threshold is None else NO_BUDGET,
                impostors=None if impostors is None else impostors.plain(),
                quality_gate=quality_gate,
                ef_search=ef_search,
                keeps_queries=keeps_queries,
                keeps=keeps,
            )
            if keeps_queries is False:
                # Behind the update, which waits for whoever is just keeping one.
                recall_rows.forget_queries(conn, collection_id)
    except UniqueViolation as error:
        raise _taken(error, name, external_id) from None
    if not known:
        raise CollectionNotFound(collection_id)
    return get(conn, collection_id)


def threshold_for(homes: Sequence[Collection], one_in: int) -> Effective:
    """Return the cosine that keeps a budget in one search of one or several collections.

    Their faces make one gallery; of several calibrations the one that asks for most counts.

    Raises:
        CalibrationNeeded: One of them is not calibrated, or not as far as this.
    """
    faces = sum(home.face_count for home in homes)
    return max(
        (_require_reach(home, one_in, faces=faces) for home in homes),
        key=lambda found: found.cosine,
    )


def delete(pool: Pool, blobs: BlobStore, collection_id: UUID, *, confirm: str | None) -> Receipt:
    """Delete a collection with all that is in it; *confirm* must repeat its id.

    Of a large one some files are left to the sweeper.

    Raises:
        ConfirmationRequired: *confirm* is something else.
        CollectionNotFound: There is none with this id.
    """
    if confirm != str(collection_id):
        raise ConfirmationRequired(
            "Deleting a collection takes every photo in it along; repeat its id as confirm.",
            confirm=str(collection_id),
        )
    deletion = uuid4()
    with pool.connection() as conn:
        rows.lock(conn, collection_id)
        removals.doom_collection(conn, deletion, collection_id)
        gone = rows.delete(conn, collection_id)
    if gone is None:
        raise CollectionNotFound(collection_id)
    if gone.layout == "own":
        _drop_partition(pool, collection_id)
    remove_files(pool, blobs, deletion)
    return Receipt(collection_id, gone.image_count, gone.face_count, gone.person_count)


def _drop_partition(pool: Pool, collection_id: UUID) -> None:
    """Drop the empty partition of a deleted collection, or leave it to those who maintain indexes."""
    with pool.connection() as conn, suppress(DatabaseBusy):
        discard(conn, collection_id, patience_s=DROP_PATIENCE_S)


def _stored(threshold: float) -> float:
    return round(threshold, THRESHOLD_DIGITS)


def _not_both(threshold: float | None, alarm_budget: int | None) -> None:
    if threshold is not None and alarm_budget is not None:
        raise InvalidRequest("Give a cosine or a budget of false alarms, not both.")


def _require_reach(
    home: Collection,
    one_in: int,
    *,
    impostors: Impostors | None = None,
    faces: int | None = None,
) -> Effective:
    found = impostors or home.calibration
    if found is None:
        raise _uncalibrated(home.name, one_in)
    now = threshold_at(found, one_in, home.face_count if faces is None else faces)
    if not now.kept:
        raise CalibrationNeeded(
            f"The calibration of {home.name!r} reaches one false alarm in {now.keeps_one_in:,} "
            f"strangers at most in a gallery of {now.faces:,} faces: calibrate it again with more "
            "named people, or ask for less.",
            one_in=one_in,
            keeps_one_in=now.keeps_one_in,
        )
    return now


def _uncalibrated(name: str, one_in: int) -> CalibrationNeeded:
    return CalibrationNeeded(
        f"A budget of false alarms needs a calibration on named people of {name!r}: run "
        f'`facesearch calibrate "{name}" --one-in {one_in} --apply`, which sets it too.',
        one_in=one_in,
        keeps_one_in=None,
    )


def _taken(error: UniqueViolation, name: str | None, external_id: str | None) -> NameTaken:
    if "external_id" in (error.diag.constraint_name or ""):
        return NameTaken(f"The external id {external_id!r} is in use.", field="external_id")
    return NameTaken(f"There is a collection named {name!r} already.", field="name")
