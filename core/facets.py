"""What photos and their faces can be narrowed by: tags, and the time a photo was taken.

Faces repeat both from their photo, since a filter beside the vector is tried on each candidate of
an index scan and one behind a join is not. Whoever changes a photo changes its faces with it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from core.errors import InvalidRequest

MOST_TAGS: Final = 50
LONGEST_TAG: Final = 100

SEPARATOR: Final = ","
"""Between tags where they are one text: a form, an address, a command. So it is in none of them."""

_NEVER: Final = re.compile(rf"[{SEPARATOR}\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Postgres cannot store some of them. Joiners, which Persian and emoji need, are none of these."""

FIRST_PHOTO: Final = datetime(1826, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)
"""No photo is taken earlier, or later from now. A day leaves room for clocks without a zone."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What the faces of a photo repeat of it.

    Attributes:
        tags: As `clean_tags` leaves them.
    """

    tags: Sequence[str] = ()
    captured_at: datetime | None = None


NO_FACETS: Final = Facets()


def clean_tags(given: Iterable[str]) -> tuple[str, ...]:
    """Return tags as they are stored: blanks around them dropped, each once, in the order given.

    Raises:
        InvalidRequest: There are more than `MOST_TAGS`, or one of them cannot be stored.
    """
    tags = tuple(dict.fromkeys(clean_tag(tag) for tag in given))
    if len(tags) > MOST_TAGS:
        raise InvalidRequest(f"These are {len(tags)} tags; a photo has {MOST_TAGS} at most.")
    return tags


def clean_tag(given: str) -> str:
    """Return one tag as it is stored.

    Raises:
        InvalidRequest: It is empty, too long, or has a character that no tag has.
    """
    tag = given.strip()
    if not 1 <= len(tag) <= LONGEST_TAG:
        raise InvalidRequest(f"A tag has 1 to {LONGEST_TAG} characters.")
    if _NEVER.search(tag):
        raise InvalidRequest("A tag has neither commas nor control characters in it.")
    return tag


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags of one text, in which commas separate them; nothing between two is no tag.

    Raises:
        InvalidRequest: See `clean_tags`.
    """
    return clean_tags(part for part in text.split(SEPARATOR) if part.strip())


def read_moment(text: str) -> datetime:
    """Read an ISO 8601 date or time; one that names no zone is in UTC, a date is its first moment.

    Raises:
        InvalidRequest: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            "Give a date or a time, as 2024-05-31 or 2024-05-31T18:30:00+02:00."
        ) from None


def read_captured(text: str) -> datetime:
    """Read the time at which a photo was taken.

    Raises:
        InvalidRequest: See `read_moment`; or no photo can have been taken then.
    """
    moment = read_moment(text)
    if not can_be_captured(moment):
        raise InvalidRequest("No photo was taken then: give a time from 1826 until now.")
    return moment


def can_be_captured(moment: datetime) -> bool:
    """Say whether a photo can have been taken at this time."""
    return FIRST_PHOTO <= moment <= datetime.now(UTC) + AHEAD
