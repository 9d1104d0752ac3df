"""Paging: a cursor says where to go on, is opaque, signed, and bound to the list it came from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer

from core import access
from web.api.models.common import PageQuery
from web.api.reading import invalid
from web.services import services

SECRET = "cursors"  # noqa: S105  the name of one
SECRET_KEPT = "facesearch-cursors"  # noqa: S105

Row = TypeVar("Row")


def after_id(query: PageQuery) -> UUID | None:
    """Return the id behind which the page begins.

    Raises:
        InvalidRequest: The cursor was changed, or is of another list.
    """
    after = _after(query)
    return None if after is None else UUID(after)


def after_position(query: PageQuery) -> int:
    """Return the position behind which the page begins; -1 is the beginning.

    Raises:
        InvalidRequest: The cursor was changed, or is of another list.
    """
    after = _after(query)
    return -1 if after is None else int(after)


def after_score(query: PageQuery) -> tuple[float, UUID] | None:
    """Return the score and the id behind which the page begins; see `by_score`.

    Raises:
        InvalidRequest: The cursor was changed, or is of another list.
    """
    after = _after(query)
    if after is None:
        return None
    score, _, row_id = after.partition(" ")
    return float(score), UUID(row_id)


def by_score(score: float, row_id: UUID) -> str:
    """Return the place in a list of the largest scores first, as `after_score` reads it."""
    return f"{score!r} {row_id}"


def page(
    query: PageQuery, rows: Sequence[Row], key: Callable[[Row], object]
) -> tuple[Sequence[Row], str | None]:
    """Cut *rows*, of which one more than the limit was asked for, to a page and its next cursor."""
    if len(rows) <= query.limit:
        return rows, None
    kept = rows[: query.limit]
    return kept, _serializer(query).dumps(str(key(kept[-1])))


def _after(query: PageQuery) -> str | None:
    if query.cursor is None:
        return None
    try:
        after: str = _serializer(query).loads(query.cursor)
    except BadData:
        raise invalid("cursor", "It is not one that this list gave out.") from None
    return after


def _serializer(query: PageQuery) -> URLSafeSerializer:
    """Sign with a salt of the list: its address and its filters, not the size of its pages."""
    filters = query.model_dump(mode="json", exclude={"cursor", "limit"})
    return URLSafeSerializer(_secret(), salt=f"{request.path}?{_canonical(filters)}")


def _canonical(filters: Mapping[str, Any]) -> str:
    return repr(sorted(filters.items()))


def _secret() -> bytes:
    kept: bytes | None = current_app.extensions.get(SECRET_KEPT)
    if kept is None:
        with services().pool.connection() as conn:
            kept = access.shared_secret(conn, SECRET)
        current_app.extensions[SECRET_KEPT] = kept
    return kept
