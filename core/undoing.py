"""Taking changes back, wholly or for some faces, at once or later. That is a change, too."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Rollback
from psycopg.errors import UniqueViolation

from core import changes, moves
from core.changes import Kind
from core.constraints import OPPOSITE
from core.db import changes as rows
from core.db import collections as collection_rows
from core.db import constraints as constraint_rows
from core.db import faces as face_rows
from core.db import people as people_rows
from core.db import reviews as review_rows
from core.db.changes import Change, ChangedPerson
from core.db.constraints import Kind as Said
from core.db.constraints import Statement
from core.db.people import Details, Moved, Place
from core.db.pool import Connection
from core.errors import AlreadyUndone, ChangeNotFound, InvalidRequest, NameTaken


class Reason(StrEnum):
    """Why something stays as it is."""

    GONE = "gone"
    MOVED_SINCE = "moved_since"
    DECIDED_SINCE = "decided_since"
    PERSON_GONE = "person_gone"
    HAS_FACES = "has_faces"
    CHANGED_SINCE = "changed_since"
    EXTERNAL_ID_TAKEN = "external_id_taken"


SENTENCES: Mapping[Reason, str] = {
    Reason.GONE: "The face was deleted.",
    Reason.MOVED_SINCE: "Another change moved the face since.",
    Reason.DECIDED_SINCE: "Somebody decided otherwise about the face since.",
    Reason.PERSON_GONE: "The person whose face it was has been deleted.",
    Reason.HAS_FACES: "The person has faces that came from elsewhere.",
    Reason.CHANGED_SINCE: "Another change edited or deleted the person since.",
    Reason.EXTERNAL_ID_TAKEN: "Somebody else has the external id now.",
}


@dataclass(frozen=True, slots=True)
class Left:
    """A face, or with *face_id* None a person, that stays as it is, and why.

    Attributes:
        change_id: The change that is in the way, and would have to be undone first; None: there is none,
            or it is not known.
    """

    reason: Reason
    face_id: UUID | None = None
    person_id: UUID | None = None
    change_id: UUID | None = None

    @property
    def detail(self) -> str:
        """A sentence for people."""
        return SENTENCES[self.reason]


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back.

    Attributes:
        change_id: Of the undo, which can be undone itself; None: nothing could be taken back.
        faces: How many were moved back.
        people: How many were made again, deleted again or given their old details.
        decisions: How many hold no longer, or hold again.
        left: What stays as it is.
    """

    change_id: UUID | None
    undoes: UUID
    faces: int
    people: int
    decisions: int
    left: tuple[Left, ...]


def undo(
    conn: Connection, change_id: UUID, *, actor: str, face_ids: Sequence[UUID] | None = None
) -> Undone:
    """Take a change back, as far as nobody has changed the same since.

    Faces go back to whom they were taken from, people who were deleted are made again with the same id,
    those who were made are deleted again when no face is theirs any more, those who were edited get
    back what is still as the edit left it, and decisions hold no longer or hold again. What the inbox
    asked and the change decided is asked again.

    Args:
        face_ids: Take back only what was done to these faces; of people, make only those again
            who get one of them back, and what was decided stays decided.

    Raises:
        ChangeNotFound: There is none with this id.
        AlreadyUndone: Nothing is left of it to undo.
        InvalidRequest: It is a baseline, or did nothing to one of *face_ids*.
        NameTaken: Somebody has taken an external id at this moment.
    """
    home = rows.home(conn, change_id)
    if home is None:
        raise ChangeNotFound(change_id)
    try:
        with conn.transaction() as whole:
            collection_rows.hold(conn, [home])
            work = _Work.on(conn, change_id, actor, face_ids)
            work.run()
            if not work.did_something:
                raise Rollback(whole)
            if face_ids is None:  # what it decided is asked again
                review_rows.reopen(conn, change_id)
    except UniqueViolation:
        raise NameTaken("An external id of the people concerned is in use.") from None
    if not work.did_something and not work.left:
        raise AlreadyUndone("Nothing is left of this change to undo.", change_id=str(change_id))
    return work.told()


@dataclass(slots=True)
class _Work:
    """One undo under way.

    Attributes:
        alike: Changes that did the same, *against*: that took it back (see `core.changes.sides`).
        only: Take back only what was done to these faces; None: all.
        present: People who are there, and locked.
        last: The change that last made, edited or deleted each person.
    """

    conn: Connection
    change: Change
    undo_id: UUID
    alike: frozenset[UUID]
    against: frozenset[UUID]
    only: frozenset[UUID] | None
    moved: list[Moved]
    people: list[ChangedPerson]
    present: set[UUID] = field(default_factory=set)
    last: dict[UUID, UUID] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    faces_back: int = 0
    people_back: int = 0
    decisions_back: int = 0
    faces_counted: int = 0
    people_counted: int = 0

    @classmethod
    def on(
        cls, conn: Connection, change_id: UUID, actor: str, face_ids: Sequence[UUID] | None
    ) -> "_Work":
        """Lock the change and read what it did."""
        rows.lock(conn, change_id)
        change = rows.get(conn, change_id)
        if change is None:
            raise ChangeNotFound(change_id)
        if change.kind == Kind.BASELINE:
            raise InvalidRequest("What was there before changes were kept cannot be undone.")
        moved = rows.moved_faces(conn, change_id)
        if face_ids is not None:
            _require_part(conn, change_id, moved, face_ids)
            moved = [face for face in moved if face.face_id in set(face_ids)]
        alike, against = changes.sides(conn, change_id)
        return cls(
            conn,
            change,
            changes.begin(conn, change.collection_id, Kind.UNDO, actor, undoes=change_id),
            alike,
            against,
            None if face_ids is None else frozenset(face_ids),
            moved,
            rows.changed_people(conn, change_id),
        )

    @property
    def home(self) -> UUID:
        return self.change.collection_id

    @property
    def did_something(self) -> bool:
        return bool(self.faces_back or self.people_back or self.decisions_back)

    def told(self) -> Undone:
        return Undone(
            self.undo_id if self.did_something else None,
            self.change.id,
            self.faces_back,
            self.people_back,
            self.decisions_back,
            tuple(self.left),
        )

    def run(self) -> None:
        """Lock in the order of everybody (images, people, faces), then take back step by step."""
        face_rows.hold_images(
            self.conn, self.home, constraint_rows.faces_made(self.conn, self.change.id)
        )
        owners = {face.previous_person_id for face in self.moved if face.previous_person_id}
        involved = owners | {person.person_id for person in self.people}
        self.present = people_rows.lock_many(self.conn, self.home, involved)
        self.last = rows.last_of_people(self.conn, self.home, involved)
        # Somebody's external id may be free only after others gave it back, or are deleted again.
        edits_last = any(person.before is None for person in self.people)
        if self.only is None and not edits_last:
            self._edit_back()
        self._make_again(owners)
        self._withdraw()
        self._move_back()
        self._say_again()
        if self.only is None:
            self._delete_again()
            if edits_last:
                self._edit_back()
        collection_rows.count(
            self.conn, self.home, faces=self.faces_counted, people=self.people_counted
        )

    def _make_again(self, owners: set[UUID]) -> None:
        for person in self.people:
            is_wanted = self.only is None or person.person_id in owners
            if person.before is None or person.after is not None or not is_wanted:
                continue
            if person.person_id in self.present:
                continue
            last = self.last[person.person_id]
            if last not in self.alike:
                self._leave_person(Reason.CHANGED_SINCE, person.person_id)
                continue
            details = self._with_free_id(person.person_id, person.before)
            moves.make(self.conn, self.home, self.undo_id, details, person_id=person.person_id)
            self.present.add(person.person_id)
            self.people_back += 1
            self.people_counted += 1

    def _withdraw(self) -> None:
        said = constraint_rows.withdraw_made(
            self.conn,
            self.change.id,
            alike=list(self.alike),
            face_ids=None if self.only is None else list(self.only),
            undo_id=self.undo_id,
        )
        faces = [each.face_id for each in said if each.kind is Said.NOT_FACE]
        self.faces_counted += moves.show(self.conn, self.home, faces)
        self.decisions_back += len(said)

    def _move_back(self) -> None:
        ids = [face.face_id for face in self.moved]
        places = people_rows.lock_faces(self.conn, self.home, ids)
        last = rows.last_moves(self.conn, self.home, ids)
        refused = {
            (each.said.face_id, each.said.person_id): each.change_id
            for each in constraint_rows.of_faces(self.conn, self.home, ids)
            if each.said.kind in (Said.NOT_PERSON, Said.NOT_FACE)
        }
        going: defaultdict[UUID | None, list[UUID]] = defaultdict(list)
        for face in self.moved:
            if last[face.face_id] in self.against:
                continue
            obstacle = self._obstacle(face, places.get(face.face_id), last, refused)
            if obstacle is not None:
                self.left.append(obstacle)
            else:
                going[face.previous_person_id].append(face.face_id)
        for owner, faces in going.items():
            self.faces_back += len(moves.give(self.conn, self.home, self.undo_id, faces, owner))

    def _obstacle(
        self,
        face: Moved,
        place: Place | None,
        last: Mapping[UUID, UUID | None],
        refused: Mapping[tuple[UUID, UUID | None], UUID],
    ) -> Left | None:
        owner = face.previous_person_id
        if place is None:
            return Left(Reason.GONE, face.face_id)
        if last[face.face_id] not in self.alike:
            return Left(Reason.MOVED_SINCE, face.face_id, change_id=last[face.face_id])
        if owner is None:
            return None
        if owner not in self.present:
            return Left(Reason.PERSON_GONE, face.face_id, owner, self.last.get(owner))
        decided = refused.get((face.face_id, owner)) or refused.get((face.face_id, None))
        return Left(Reason.DECIDED_SINCE, face.face_id, owner, decided) if decided else None

    def _say_again(self) -> None:
        """Let decisions hold again that the change had ended."""
        said = constraint_rows.withdrawn_by(
            self.conn, self.change.id, face_ids=None if self.only is None else list(self.only)
        )
        places = people_rows.lock_faces(self.conn, self.home, [each.face_id for each in said])
        for each in said:
            if constraint_rows.holds(self.conn, self.home, each):
                continue
            obstacle = self._contradiction(each, places.get(each.face_id))
            if obstacle is not None:
                self.left.append(obstacle)
                continue
            constraint_rows.insert(self.conn, self.home, each, self.undo_id)
            self.decisions_back += 1
            if each.kind is Said.NOT_FACE:
                hidden = moves.hide(self.conn, self.home, self.undo_id, [each.face_id])
                self.faces_counted -= hidden

    def _contradiction(self, said: Statement, place: Place | None) -> Left | None:
        if place is None:
            return Left(Reason.GONE, said.face_id)
        is_theirs = place.person_id is not None and said.person_id == place.person_id
        if is_theirs or (said.kind is Said.NOT_FACE and place.person_id):
            return Left(Reason.MOVED_SINCE, said.face_id, place.person_id)
        opposite = OPPOSITE.get(said.kind)
        if opposite is None:
            return None
        against = Statement(opposite, said.face_id, said.other_face_id)
        decided = constraint_rows.holds(self.conn, self.home, against)
        return Left(Reason.DECIDED_SINCE, said.face_id, change_id=decided) if decided else None

    def _edit_back(self) -> None:
        for person in self.people:
            if person.before is None or person.after is None:
                continue
            now = people_rows.details(self.conn, person.person_id)
            if now is None:
                self._leave_person(Reason.CHANGED_SINCE, person.person_id)
                continue
            old = self._old_details(person.person_id, person.before, person.after, now)
            if old:
                moves.alter(self.conn, self.undo_id, person.person_id, **old)
                self.people_back += 1

    def _old_details(
        self, person_id: UUID, before: Details, after: Details, now: Details
    ) -> dict[str, Any]:
        """Return what to write: the fields that the change wrote and nobody else since."""
        was, written, current = before.plain(), after.plain(), now.plain()
        edited = [name for name in was if was[name] not in (written[name], current[name])]
        old = {name: was[name] for name in edited if current[name] == written[name]}
        if len(old) < len(edited):
            self._leave_person(Reason.CHANGED_SINCE, person_id)
        if "external_id" in old:
            free = self._with_free_id(person_id, before).external_id
            if free == old["external_id"]:
                old["external_id"] = free or ""
            else:
                del old["external_id"]
        return old

    def _delete_again(self) -> None:
        for person in self.people:
            if person.before is not None or person.person_id not in self.present:
                continue
            if people_rows.faces_of(self.conn, self.home, person.person_id):
                self._leave_person(Reason.HAS_FACES, person.person_id)
                continue
            moves.remove(self.conn, self.undo_id, person.person_id)
            self.people_back += 1
            self.people_counted -= 1

    def _with_free_id(self, person_id: UUID, details: Details) -> Details:
        """Return *details* without an external id that somebody else has now, which is told."""
        wanted = details.external_id
        if wanted is None:
            return details
        owners = people_rows.page(self.conn, self.home, limit=1, external_id=wanted)
        if not owners or owners[0].id == person_id:
            return details
        self._leave_person(Reason.EXTERNAL_ID_TAKEN, person_id)
        return Details(details.name, None, details.metadata)

    def _leave_person(self, reason: Reason, person_id: UUID) -> None:
        by = self.last.get(person_id) if reason is Reason.CHANGED_SINCE else None
        self.left.append(Left(reason, person_id=person_id, change_id=by))


def _require_part(
    conn: Connection, change_id: UUID, moved: Sequence[Moved], face_ids: Sequence[UUID]
) -> None:
    concerned = {face.face_id for face in moved}
    for each in rows.decided(conn, [change_id]):
        concerned |= {each.face_id, each.other_face_id or each.face_id}
    for face_id in face_ids:
        if face_id not in concerned:
            raise InvalidRequest(f"Face {face_id} is no part of this change.", face_id=str(face_id))
