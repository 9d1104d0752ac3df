"""Changes of people in words, for pages and commands."""

from typing import Final
from uuid import UUID

from core.changes import Kind, Summary
from core.counting import counted
from core.db.changes import ChangedPerson, Decided, Flow
from core.db.constraints import Kind as Said

TITLES: Final = {
    Kind.BASELINE: "Noted who was there",
    Kind.CREATE: "Made a person",
    Kind.EDIT: "Edited a person",
    Kind.DELETE: "Deleted a person",
    Kind.ASSIGN: "Named faces",
    Kind.UNASSIGN: "Took names from faces",
    Kind.MERGE: "Merged people",
    Kind.SPLIT: "Split a person",
    Kind.DECIDE: "Decided about faces",
    Kind.ENROL: "Named faces of new photos",
    Kind.UNDO: "Undid a change",
}

MOST_LINES: Final = 12
"""Of people, flows and decisions each; a baseline has thousands."""

NOBODY: Final = "nobody"

SAID: Final = {
    Said.MUST_LINK: "are one person",
    Said.CANNOT_LINK: "are two people",
    Said.NOT_FACE: "is no face",
}


def title(summary: Summary) -> str:
    """Return what was done, in a few words."""
    return TITLES[Kind(summary.change.kind)]


def lines(summary: Summary) -> list[str]:
    """Return who was made, edited or deleted, whose faces went to whom, and what was decided."""
    parts = (
        [_person(each) for each in summary.people[:MOST_LINES]]
        + _more(summary.person_count, "person", "people"),
        [_flow(summary, flow) for flow in summary.flows[:MOST_LINES]]
        + _more(len(summary.flows), "move"),
        [_decision(summary, each) for each in summary.decided[:MOST_LINES]]
        + _more(len(summary.decided), "decision"),
    )
    return [line for part in parts for line in part]


def name_of(summary: Summary, person_id: UUID | None) -> str:
    """Return what somebody is called, or was."""
    if person_id is None:
        return NOBODY
    return summary.names[person_id].name or f"somebody ({person_id})"


def _more(number: int, one: str, many: str | None = None) -> list[str]:
    hidden = number - MOST_LINES
    return [f"and {counted(hidden, f'more {one}', many and f'more {many}')}"] if hidden > 0 else []


def _person(person: ChangedPerson) -> str:
    before, after = person.before, person.after
    name = next(each.name for each in (before, after) if each)
    if before is None or after is None:
        return f"{name} was {'made' if after else 'deleted'}"
    told = []
    if before.name != after.name:
        told.append(f"is called {after.name} now")
    if before.external_id != after.external_id:
        told.append(f"has the external id {after.external_id or 'none'}")
    if before.metadata != after.metadata:
        told.append("has other metadata")
    return f"{name} {' and '.join(told)}"


def _flow(summary: Summary, flow: Flow) -> str:
    faces = counted(flow.faces, "face")
    if flow.person_id is None:
        return f"{faces} of {name_of(summary, flow.previous_person_id)} became unnamed"
    if flow.previous_person_id is None:
        return f"{faces} got the name {name_of(summary, flow.person_id)}"
    previous = name_of(summary, flow.previous_person_id)
    return f"{faces} went from {previous} to {name_of(summary, flow.person_id)}"


def _decision(summary: Summary, decided: Decided) -> str:
    kind = Said(decided.kind)
    what = (
        f"is not {name_of(summary, decided.person_id)}" if kind is Said.NOT_PERSON else SAID[kind]
    )
    who = "two faces" if decided.other_face_id else "a face"
    return f"it holds no longer that {who} {what}" if decided.withdrawn else f"{who} {what}"
