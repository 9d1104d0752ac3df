"""People picked by what somebody types, for "photos with A and B, without C"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core import people
from core.db import people as rows
from core.db.people import Person
from core.db.pool import Connection
from core.errors import InvalidRequest
from core.together import MOST_SUBJECTS

MOST_TEXTS: Final = 4 * MOST_SUBJECTS
"""Read of one side; more than `MOST_SUBJECTS` people are refused with their names."""

MOST_NAMESAKES: Final = 12
"""Among whom one can choose; whoever shares a name with more is named by id."""


@dataclass(frozen=True, slots=True)
class Pick:
    """What one text says.

    Attributes:
        people: Whom it can mean, oldest first: nobody, one, or several of a name.
    """

    text: str
    people: tuple[Person, ...]

    @property
    def only(self) -> Person | None:
        """Whom it means, where that is one person."""
        return self.people[0] if len(self.people) == 1 else None

    @property
    def fault(self) -> str | None:
        """Why it does not mean one person, as a sentence; None where it does."""
        if not self.people:
            return f"Nobody in this collection is called “{self.text}”."
        if len(self.people) > 1:
            return f"Several people are called {self.people[0].name}."
        return None


@dataclass(frozen=True, slots=True)
class Party:
    """Who must be in a photo, and who must not."""

    present: tuple[Person, ...]
    absent: tuple[Person, ...]


def pick(conn: Connection, collection_id: UUID, texts: Sequence[str]) -> list[Pick]:
    """Look for people of a collection by id or by whole name, letter case aside.

    Texts that are blank, or mean somebody whom an earlier one means, are left out.

    Raises:
        InvalidRequest: There are more texts than anybody has a use for.
    """
    wanted = list(dict.fromkeys(text for each in texts if (text := " ".join(each.split()))))
    if len(wanted) > MOST_TEXTS:
        raise _too_many()
    picks: dict[UUID | str, Pick] = {}
    for text in wanted:
        made = Pick(text, _called(conn, collection_id, text))
        picks.setdefault(made.only.id if made.only else text, made)
    return list(picks.values())


def party(present: Sequence[Pick], absent: Sequence[Pick]) -> Party:
    """Take everybody who was picked.

    Raises:
        InvalidRequest: A text means nobody or several, somebody is on both sides, nobody must be
            there, or too many are named. ``details["errors"]`` has each fault.
    """
    unclear = [each for each in (*present, *absent) if each.only is None]
    if unclear:
        raise _refused([_with_ids(each) for each in unclear])
    sides = Party(
        present=tuple(each.only for each in present if each.only),
        absent=tuple(each.only for each in absent if each.only),
    )
    barred = {person.id for person in sides.absent}
    both = [person.name for person in sides.present if person.id in barred]
    if both:
        raise _refused([f"{name} cannot be in a photo and not in it." for name in both])
    if not sides.present:
        raise _refused(["Say who must be in the photo."])
    if max(len(sides.present), len(sides.absent)) > MOST_SUBJECTS:
        raise _too_many()
    return sides


def _called(conn: Connection, collection_id: UUID, text: str) -> tuple[Person, ...]:
    known = _by_id(conn, text)
    if known is not None and known.collection_id == collection_id:
        return (known,)
    if "\0" in text:  # Postgres cannot even be asked
        return ()
    return tuple(people.page(conn, collection_id, limit=MOST_NAMESAKES, name=text))


def _by_id(conn: Connection, text: str) -> Person | None:
    try:
        person_id = UUID(text)
    except ValueError:
        return None
    return rows.get(conn, person_id)


def _with_ids(unclear: Pick) -> str:
    ids = ", ".join(str(person.id) for person in unclear.people)
    return f"{unclear.fault} Choose one by id: {ids}." if ids else str(unclear.fault)


def _too_many() -> InvalidRequest:
    return _refused([f"Name up to {MOST_SUBJECTS} people on each side."])


def _refused(faults: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(" ".join(faults), errors=[{"message": fault} for fault in faults])
