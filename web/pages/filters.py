"""What a search is narrowed to, as the form and the addresses of the page carry it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self

from core.db.search import GroupBy
from core.errors import InvalidRequest
from core.facets import split_tags
from core.filters import Filter
from core.finding import Options
from core.routing import Mode
from web.pages.pictures import FAIR_QUALITY, GOOD_QUALITY

NAMED: Final = {"": "Everybody", "yes": "People with a name", "no": "Faces without a name"}
QUALITY: Final = {"": "Any quality", "fair": "Fair or better", "good": "Good"}
GROUPS: Final = {
    GroupBy.PERSON: "People",
    GroupBy.IMAGE: "Photos",
    GroupBy.FACE: "Every face",
}

_LEAST_QUALITY: Final = {"": None, "fair": FAIR_QUALITY, "good": GOOD_QUALITY}
_NAMED: Final = {"": None, "yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Filters:
    """The fields of the form as they were filled in; empty ones ask nothing."""

    named: str = ""
    tags: str = ""
    without: str = ""
    since: str = ""
    until: str = ""
    quality: str = ""
    group: str = GroupBy.PERSON.value
    exact: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Take the fields out of a form or an address."""
        return cls(
            **{name: given for name in cls.__slots__ if (given := values.get(name, "").strip())}
        )

    @property
    def given(self) -> dict[str, str]:
        """The fields that say something."""
        return {
            name: getattr(self, name)
            for name in self.__slots__
            if getattr(self, name) != getattr(NO_FILTERS, name)
        }

    def options(self, *, limit: int, threshold: float | None) -> Options:
        """Return how to search.

        Raises:
            InvalidRequest: A field holds what it cannot hold.
        """
        return Options(
            limit=limit,
            threshold=threshold,
            group_by=GroupBy(_one_of("group", self.group, [each.value for each in GROUPS])),
            mode=Mode.EXACT if self.exact else Mode.AUTO,
            filter=Filter(
                named=_NAMED[_one_of("named", self.named, NAMED)],
                tags_any=_tags("tags", self.tags),
                tags_none=_tags("without", self.without),
                captured_from=_midnight("since", self.since),
                captured_before=_midnight("until", self.until, days=1),
                min_quality=_LEAST_QUALITY[_one_of("quality", self.quality, QUALITY)],
            ),
        )


NO_FILTERS: Final = Filters()


def _one_of(field: str, text: str, known: Collection[str]) -> str:
    if text not in known:
        raise _wrong(field, "Choose one of the values of this field.")
    return text


def _tags(field: str, text: str) -> tuple[str, ...]:
    try:
        return split_tags(text)
    except InvalidRequest as error:
        raise _wrong(field, str(error)) from None


def _midnight(field: str, text: str, *, days: int = 0) -> datetime | None:
    """Return the first moment of a day, or of one so many *days* later; None for no text."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise _wrong(field, "Give a day, as 2024-05-31.") from None
    return datetime.combine(day, time(), UTC)


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, errors=[{"field": field, "message": message}])
