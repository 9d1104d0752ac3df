"""Where a search goes on: what its next page needs waits in the broker for a while, never on a disk.

A page cannot be found again by "behind cosine 0.61": faces come and go between two pages, and an index
may order near ties another way each time. So a position holds the groups that were shown, and the next
page is the search without them: nothing comes twice and nothing that stays is passed over.
"""

import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from uuid import UUID

import redis
from pydantic import TypeAdapter

from core import errors
from core.db import collections as collection_rows
from core.db.collections import Collection
from core.finding import Found, Options
from core.services import Services
from core.subjects import Subject
from core.together import FoundTogether

logger = logging.getLogger(__name__)

TTL_S: Final = 15 * 60
"""How long a position is kept, from when it was given out."""

MOST_SHOWN: Final = 10_000
"""Groups behind which nothing is paged any more: filters lead further than pages."""

OWNER_BYTES: Final = 32
"""Of what stands for whoever got a cursor: a digest of their key or session."""

Place = TypeVar("Place", "Position", "TogetherPosition")


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """What the next page of a search is found with.

    Attributes:
        collections: In which it searches.
        options: `Options.shown` names the groups of all pages before.
        about: What the shell wants to remember of the query.
    """

    collections: tuple[UUID, ...]
    subject: Subject
    options: Options
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class TogetherPosition:
    """The same of a search for photos with several people; *options.shown* are photos."""

    collections: tuple[UUID, ...]
    all_of: tuple[Subject, ...]
    none_of: tuple[Subject, ...]
    options: Options


_SEARCH: Final = TypeAdapter(Position)
_TOGETHER: Final = TypeAdapter(TogetherPosition)


def behind(services: Services, owner: bytes, position: Position, found: Found) -> str | None:
    """Return the cursor to the page behind *found*, the one at *position*; None where none follows.

    Without the broker none follows either: the answer at hand is worth more than its sequel, and says
    that there is *more*.
    """
    shown = position.options.shown + tuple(match.neighbour.key for match in found.matches)
    if not found.more or len(shown) > MOST_SHOWN:
        return None
    following = replace(position, options=replace(position.options, shown=shown))
    return _keep(services.broker, owner, _SEARCH, following)


def behind_together(
    services: Services, owner: bytes, position: TogetherPosition, found: FoundTogether
) -> str | None:
    """Return the cursor to the photos behind *found*, as `behind` does."""
    if not found.more or len(found.seen) > MOST_SHOWN:
        return None
    following = replace(position, options=replace(position.options, shown=found.seen))
    return _keep(services.broker, owner, _TOGETHER, following)


def keep(services: Services, owner: bytes, position: Position) -> str | None:
    """Return a cursor to the page at *position* itself; None without the broker."""
    return _keep(services.broker, owner, _SEARCH, position)


def find_position(services: Services, owner: bytes, cursor: str) -> Position:
    """Return where *cursor* leads. It may be followed again: a lost answer can be asked for twice.

    Raises:
        CursorExpired: It leads nowhere any more, never did, or belongs to somebody else.
        BrokerUnavailable: Nobody can say.
    """
    return _find(services.broker, owner, _SEARCH, cursor)


def find_together(services: Services, owner: bytes, cursor: str) -> TogetherPosition:
    """Return where *cursor* of a search for photos leads, as `find_position` does."""
    return _find(services.broker, owner, _TOGETHER, cursor)


def homes_of(services: Services, position: Position | TogetherPosition) -> list[Collection]:
    """Return the collections of a position.

    Raises:
        CollectionNotFound: One was deleted meanwhile.
    """
    homes = []
    with services.pool.connection() as conn:
        for collection_id in position.collections:
            home = collection_rows.get(conn, collection_id)
            if home is None:
                raise errors.CollectionNotFound(collection_id)
            homes.append(home)
    return homes


def _keep(
    broker: redis.Redis, owner: bytes, adapter: TypeAdapter[Place], place: Place
) -> str | None:
    cursor = secrets.token_urlsafe(24)
    try:
        broker.set(_key(adapter, cursor), owner + adapter.dump_json(place), ex=TTL_S)
    except redis.RedisError as error:
        logger.warning("a search cannot be gone on with: %s", error)
        return None
    return cursor


def _find(broker: redis.Redis, owner: bytes, adapter: TypeAdapter[Place], cursor: str) -> Place:
    try:
        kept = broker.get(_key(adapter, cursor))
    except redis.RedisError as error:
        raise errors.BrokerUnavailable("The broker cannot be reached.") from error
    assert kept is None or isinstance(kept, bytes), "the client was opened without decoding"
    if kept is None or not hmac.compare_digest(kept[:OWNER_BYTES], owner):
        raise errors.CursorExpired(
            f"This cursor leads nowhere any more: it works for {TTL_S // 60} minutes, and for "
            "whoever got it. Search again."
        )
    return adapter.validate_json(kept[OWNER_BYTES:])


def _key(adapter: TypeAdapter[Place], cursor: str) -> str:
    kind = "search" if adapter is _SEARCH else "together"
    return f"facesearch:page:{kind}:{cursor}"
