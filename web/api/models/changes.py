"""Changes of people over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from core import changes, undoing
from core.changes import Kind, Now
from core.db.changes import Named
from core.db.constraints import Kind as Said
from core.db.people import Details
from core.undoing import Reason
from web.api.models.common import Answer, Body, Page, PageQuery
from web.api.models.faces import crop_url
from web.api.models.people import FaceIds


class ChangesQuery(PageQuery):
    """Which changes."""

    person_id: UUID | None = Field(
        None, description="Only those that are about this person, who may be deleted."
    )


class UndoWish(Body):
    """What to take back of a change."""

    face_ids: FaceIds | None = Field(
        None, min_length=1, description="Only what was done to these faces; left out, all of it."
    )


class Somebody(Answer):
    """A person, who may be deleted."""

    id: UUID
    name: str | None = Field(description="The last one that is known.")
    present: bool = Field(description="Whether there is such a person now.")

    @classmethod
    def of(cls, person_id: UUID | None, names: Mapping[UUID, Named]) -> Self | None:
        """Show who is meant; None stays nobody."""
        if person_id is None:
            return None
        known = names[person_id]
        return cls(id=known.id, name=known.name, present=known.present)


class Move(Answer):
    """Faces that went from one person to another."""

    previous_person: Somebody | None = Field(description="Null: they were unnamed.")
    person: Somebody | None = Field(description="Null: they are unnamed since.")
    faces: int


class PersonDetails(Answer):
    """What was said of a person."""

    name: str
    external_id: str | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, details: Details | None) -> Self | None:
        """Show details; None stays nobody."""
        return None if details is None else cls(**details.plain())


class PersonEdit(Answer):
    """A person before and after a change."""

    person_id: UUID
    before: PersonDetails | None = Field(description="Null: the person was made.")
    after: PersonDetails | None = Field(description="Null: the person was deleted.")


class Decision(Answer):
    """Something that was said of a face, or taken back."""

    kind: Said
    face_id: UUID
    other_face_id: UUID | None = Field(description="Of `must_link` and `cannot_link`.")
    person: Somebody | None = Field(description="Of `not_person`.")
    withdrawn: bool = Field(description="It was taken back by the change.")


class PeopleChange(Answer):
    """What one actor did to people at one time."""

    id: UUID
    collection_id: UUID
    kind: Kind
    actor: str
    created_at: datetime
    undoes: UUID | None = Field(description="The change that this one takes back.")
    undone_by: list[UUID] = Field(
        description="Changes that take this one back, wholly or in part, and stand themselves."
    )
    moves: list[Move]
    people: list[PersonEdit] = Field(description=f"The first {changes.MOST_PEOPLE}.")
    person_count: int
    decisions: list[Decision]

    @classmethod
    def of(cls, summary: changes.Summary) -> Self:
        """Show a change."""
        return cls(**_members(summary))


class ChangedFace(Answer):
    """A face that a change moved, and where it is now."""

    face_id: UUID
    previous_person: Somebody | None
    person: Somebody | None
    now: Now = Field(
        description="`left` where the change left it, taken `back`, `moved` since, or `gone`."
    )
    moved_by: UUID | None = Field(description="The change that moved it last, where it is known.")
    crop_url: str | None = Field(description="Null where the face is gone.")

    @classmethod
    def of(cls, face: changes.MovedFace, names: Mapping[UUID, Named]) -> Self:
        """Show a moved face."""
        return cls(
            face_id=face.face_id,
            previous_person=Somebody.of(face.previous_person_id, names),
            person=Somebody.of(face.person_id, names),
            now=face.now,
            moved_by=face.moved_by,
            crop_url=None if face.image_id is None else crop_url(face.face_id),
        )


class PeopleChangeWithFaces(PeopleChange):
    """A change with the faces that it moved."""

    faces: list[ChangedFace] = Field(description=f"The first {changes.MOST_FACES}.")
    face_count: int

    @classmethod
    def with_faces(cls, found: changes.Detailed) -> Self:
        """Show a change and its faces."""
        names = found.summary.names
        return cls(
            **_members(found.summary),
            faces=[ChangedFace.of(face, names) for face in found.faces],
            face_count=found.face_count,
        )


class PeopleChangePage(Page[PeopleChange]):
    """Changes, newest first."""


class Left(Answer):
    """Something that stays as it is, and why."""

    reason: Reason
    detail: str
    face_id: UUID | None
    person_id: UUID | None
    change_id: UUID | None = Field(description="The change that is in the way, where one is.")


class Undone(Answer):
    """What was taken back."""

    change_id: UUID | None = Field(
        description="The undo, a change itself; null: nothing could be taken back."
    )
    undoes: UUID
    faces: int = Field(description="Moved back.")
    people: int = Field(description="Made again, deleted again, or given their old details.")
    decisions: int = Field(description="That hold no longer, or hold again.")
    left: list[Left]

    @classmethod
    def of(cls, undone: undoing.Undone) -> Self:
        """Show what an undo did."""
        return cls(
            change_id=undone.change_id,
            undoes=undone.undoes,
            faces=undone.faces,
            people=undone.people,
            decisions=undone.decisions,
            left=[
                Left(
                    reason=each.reason,
                    detail=each.detail,
                    face_id=each.face_id,
                    person_id=each.person_id,
                    change_id=each.change_id,
                )
                for each in undone.left
            ],
        )


def _members(summary: changes.Summary) -> dict[str, Any]:
    change, names = summary.change, summary.names
    return {
        "id": change.id,
        "collection_id": change.collection_id,
        "kind": Kind(change.kind),
        "actor": change.actor,
        "created_at": change.created_at,
        "undoes": change.undoes,
        "undone_by": change.undone_by,
        "moves": [
            Move(
                previous_person=Somebody.of(flow.previous_person_id, names),
                person=Somebody.of(flow.person_id, names),
                faces=flow.faces,
            )
            for flow in summary.flows
        ],
        "people": [
            PersonEdit(
                person_id=person.person_id,
                before=PersonDetails.of(person.before),
                after=PersonDetails.of(person.after),
            )
            for person in summary.people
        ],
        "person_count": summary.person_count,
        "decisions": [
            Decision(
                kind=Said(each.kind),
                face_id=each.face_id,
                other_face_id=each.other_face_id,
                person=Somebody.of(each.person_id, names),
                withdrawn=each.withdrawn,
            )
            for each in summary.decided
        ],
    }
