"""A report as one JSON document, with all of its findings."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from core.db.changes import Named
from core.reports import words
from core.reports.files.content import Content, Told
from core.reports.finding import Side


def write(content: Content) -> Iterator[bytes]:
    """Yield the document, a line for each finding; names of members are those of the API."""
    head = json.dumps(_head(content), default=_text, ensure_ascii=False)
    yield f'{head[:-1]}, "items": ['.encode()
    for number, told in enumerate(content.findings()):
        line = json.dumps(plain(told), default=_text, ensure_ascii=False)
        yield f"{',' if number else ''}\n{line}".encode()
    yield b"\n]}\n"


def plain(told: Told) -> dict[str, Any]:
    """Return what JSON says of a finding."""
    finding = told.finding
    return {
        "position": finding.position,
        "kind": finding.kind,
        "score": finding.score,
        "new": finding.is_new,
        "sentence": told.sentence,
        "sides": [plain_side(side, told.people) for side in told.sides],
        "facts": finding.facts,
    }


def plain_side(side: Side, people: Mapping[UUID, Named]) -> dict[str, Any]:
    """Return what JSON says of a side."""
    return {
        "person": None if side.person_id is None else _person(people[side.person_id]),
        "image_id": side.image_id,
        "faces": [{"id": face} for face in side.faces],
        "face_count": side.count,
    }


def _head(content: Content) -> dict[str, Any]:
    report = content.report
    return {
        "id": report.id,
        "collection": {"id": content.collection.id, "name": content.collection.name},
        "name": report.name,
        "title": words.title(report.name),
        "about": words.about(report.name),
        "actor": report.actor,
        "previous_id": report.previous_id,
        "findings": report.findings,
        "new": report.added,
        "gone": report.gone,
        "summary": report.summary,
        "created_at": report.created_at,
        "started_at": report.started_at,
        "finished_at": report.finished_at,
    }


def _person(person: Named) -> dict[str, Any]:
    return {"id": person.id, "name": person.name, "present": person.present}


def _text(value: object) -> str:
    """Write a date as RFC 3339 does, like the API; an id as it calls itself."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
