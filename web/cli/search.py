"""``facesearch search``: who is in a photo, or who looks like a face or a person that is stored?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from core import collections as collection_use
from core import explaining, finding, gallery, people, subjects
from core import search as search_use
from core.db.collections import Collection
from core.db.search import GroupBy
from core.explaining import Weakness
from core.finding import Options
from core.probes import Fuse, Use
from core.routing import Mode
from core.services import Services
from core.subjects import Subject
from web.cli import conditions
from web.cli.common import json_option, print_json
from web.cli.matches import Row, plain, print_rows, row_of
from web.cli.services import PARTLY, doorbell, system

_how = conditions.options(
    click.option(
        "--limit", type=click.IntRange(1, finding.MOST_MATCHES), default=10, show_default=True,
        help="Most rows per face.",
    ),
    click.option(
        "--threshold", type=click.FloatRange(-1, 1),
        help="Cosine of a match; else the collection's.",
    ),
    click.option(
        "--group-by", type=click.Choice([each.value for each in GroupBy]), default="person",
        show_default=True, help="A row per person, per photo or per face.",
    ),
    click.option("--exact", is_flag=True, help="Compare every face, however long it takes."),
    click.option("--explain", is_flag=True, help="Say why this was found, and nothing else."),
)  # fmt: skip


@click.command()
@click.argument(
    "photo", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--collection", "-c", "names", required=True, multiple=True,
    help="Name or id of the collection; several of one pack are searched together.",
)  # fmt: skip
@click.option(
    "--like-face", "face_ids", type=click.UUID, multiple=True, metavar="ID",
    help="Search with a stored face; several are taken as one person's.",
)  # fmt: skip
@click.option("--like-person", "person_id", type=click.UUID, metavar="ID", help="With a person.")
@click.option(
    "--use", type=click.Choice([each.value for each in Use]), default="centroid",
    show_default=True, help="Of a person: the mean of the faces, or several of them.",
)  # fmt: skip
@click.option(
    "--fuse", type=click.Choice([each.value for each in Fuse]),
    help="The faces, of the photo and stored ones, are one person's: search once with their mean, or "
    "with the nearest of them.",
)  # fmt: skip
@_how
@conditions.on_photos
@conditions.on_names
@json_option
@click.pass_context
def search(
    ctx: click.Context,
    /,
    photo: Path | None,
    names: Sequence[str],
    face_ids: Sequence[UUID],
    person_id: UUID | None,
    use: str,
    fuse: str | None,
    limit: int,
    threshold: float | None,
    group_by: str,
    exact: bool,
    explain: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Find the people of PHOTO in collections, or who looks like a stored face or person.

    Every face in a photo is searched. Exit code 0: somebody was found; 4: nobody above the threshold.
    """
    options = Options(
        limit=limit,
        threshold=threshold,
        group_by=GroupBy(group_by),
        filter=conditions.asked(**filters),
        mode=Mode.EXACT if exact else Mode.AUTO,
    )
    if [photo is not None or bool(face_ids), person_id is not None].count(True) != 1:
        raise click.UsageError("Give a PHOTO, --like-face or --like-person.")
    if photo is not None and face_ids and fuse is None:
        raise click.UsageError("A PHOTO and --like-face go together with --fuse.")
    with system() as services:
        with services.pool.connection() as conn:
            homes = [collection_use.find(conn, name) for name in dict.fromkeys(names)]
        searching = _Searching(services, homes, options, explain)
        if photo is not None:
            rows = searching.by_photo(photo.read_bytes(), Fuse(fuse) if fuse else None, face_ids)
        elif person_id is not None:
            rows = searching.by_person(person_id, Use(use))
        else:
            rows = searching.by_faces(face_ids, Fuse(fuse or Fuse.MEAN))
    if as_json:
        print_json([plain(row) for row in rows])
    else:
        print_rows(rows)
    if not any(row.matched for row in rows):
        ctx.exit(PARTLY)


@dataclass(frozen=True, slots=True)
class _Searching:
    """Where and how to search, and whether to say why."""

    services: Services
    homes: Sequence[Collection]
    options: Options
    explain: bool

    def by_photo(self, photo: bytes, fuse: Fuse | None, face_ids: Sequence[UUID]) -> list[Row]:
        """Search with the faces of a photo, or once with all of them and stored ones."""
        with self.services.pool.connection() as conn:
            also = [subjects.of_face(conn, self.homes, each) for each in face_ids]
        found = search_use.by_photo(
            self.services,
            doorbell(self.services),
            self.homes,
            photo,
            self.options,
            fuse=fuse,
            also=also,
        )
        rows = []
        for face in found.faces:
            row = row_of(face, len(found.faces))
            if face.found is not None:
                weakest = explaining.weakest_of_query(self.services, self.homes[0], face.query)
                row = self._explained(row, face.subject, weakest)
            rows.append(row)
        if found.fused is not None:
            together = Row("All of them as one person", found.fused.found)
            rows.append(self._explained(together, found.fused.subject))
        return rows

    def by_faces(self, face_ids: Sequence[UUID], fuse: Fuse) -> list[Row]:
        """Search with stored faces of one person."""
        with self.services.pool.connection() as conn:
            parts = [subjects.of_face(conn, self.homes, each) for each in face_ids]
            first = gallery.face(conn, face_ids[0])
        if len(parts) == 1:
            weakest = explaining.weakest_of_stored(self.services, self.homes[0], first)
            return [self._row(f"Face {face_ids[0]}", parts[0], weakest)]
        return [self._row(f"{len(parts)} faces as one person", subjects.of_several(parts, fuse))]

    def by_person(self, person_id: UUID, use: Use) -> list[Row]:
        """Search with a person."""
        with self.services.pool.connection() as conn:
            subject = subjects.of_person(conn, self.homes, person_id, use)
            name = people.get(conn, person_id).name
        return [self._row(name, subject)]

    def _row(self, title: str, subject: Subject, weakest: Weakness | None = None) -> Row:
        found = subjects.find(self.services, self.homes, subject, self.options)
        return self._explained(Row(title, found), subject, weakest)

    def _explained(self, row: Row, subject: Subject, weakest: Weakness | None = None) -> Row:
        if not self.explain or row.found is None:
            return row
        why = explaining.explain(self.services, self.homes, subject, self.options, row.found)
        return replace(row, why=why, weakest=weakest)
