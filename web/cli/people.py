"""``facesearch people``: name faces; list, show, merge and split people."""

from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import click
from rich.table import Table

from core import collections as collection_use
from core import gallery
from core import people as use
from core.db.people import Person
from core.naming import only_face
from web.cli.common import FaceSearchGroup, json_option, output, print_json
from web.cli.history import history, rebuild, undo
from web.cli.services import ACTOR, system

PAGE = 500

in_collection = click.option(
    "--collection", "-c", required=True, help="Name or id of the collection."
)
face_option = click.option(
    "--face", "faces", type=click.UUID, multiple=True, help="Id of a face of theirs; repeatable."
)


@click.group(cls=FaceSearchGroup)
def people() -> None:
    """Name faces; list, merge and split people, and undo that."""


@people.command("list")
@in_collection
@click.option("--name", help="Only people of this name.")
@json_option
def list_(collection: str, name: str | None, as_json: bool) -> None:
    """List the people of a collection."""
    found: list[Person] = []
    with system() as services, services.pool.connection() as conn:
        home = collection_use.find(conn, collection)
        while len(found) % PAGE == 0:
            after = found[-1].id if found else None
            page = use.page(conn, home.id, limit=PAGE, after=after, name=name)
            if not page:
                break
            found += page
    if as_json:
        print_json([asdict(person) for person in found])
        return
    table = Table("name", "faces", "external id", "id", box=None)
    for person in found:
        table.add_row(person.name, str(person.face_count), person.external_id or "", str(person.id))
    output().print(table if found else "Nobody has a name here yet.")


@people.command()
@click.argument("name")
@in_collection
@face_option
@click.option(
    "--photo", "photos", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True, help="A photo in the collection that shows only them; repeatable.",
)  # fmt: skip
@click.option("--external-id", help="Your own key for them.")
@json_option
def create(
    name: str,
    collection: str,
    faces: tuple[UUID, ...],
    photos: tuple[Path, ...],
    external_id: str | None,
    as_json: bool,
) -> None:
    """Create a person called NAME, with the faces given."""
    with system() as services, services.pool.connection() as conn:
        home = collection_use.find(conn, collection)
        shown = [only_face(conn, home.id, photo.read_bytes(), photo.name).id for photo in photos]
        made = use.create(
            conn,
            home.id,
            name=name,
            external_id=external_id,
            face_ids=[*faces, *shown],
            actor=ACTOR,
        )
    _show(made, as_json)


@people.command()
@click.argument("person", type=click.UUID)
@json_option
def show(person: UUID, as_json: bool) -> None:
    """Show a person and their faces."""
    with system() as services, services.pool.connection() as conn:
        found = use.get(conn, person)
        faces = gallery.faces(conn, found.collection_id, limit=PAGE, person_id=person)
    if as_json:
        print_json({**asdict(found), "faces": [asdict(face) for face in faces]})
        return
    _show(found, as_json=False)
    table = Table("face", "image", "quality", box=None)
    for face in faces:
        table.add_row(str(face.id), str(face.image_id), f"{face.quality:.2f}")
    output().print(table)


@people.command()
@click.argument("person", type=click.UUID)
@click.argument("name")
@json_option
def rename(person: UUID, name: str, as_json: bool) -> None:
    """Give a person another NAME."""
    with system() as services, services.pool.connection() as conn:
        _show(use.change(conn, person, name=name, actor=ACTOR), as_json)


@people.command()
@click.argument("person", type=click.UUID)
@face_option
@json_option
def assign(person: UUID, faces: tuple[UUID, ...], as_json: bool) -> None:
    """Give faces to a person."""
    with system() as services, services.pool.connection() as conn:
        _show(use.assign(conn, person, faces, actor=ACTOR), as_json)


@people.command()
@click.argument("person", type=click.UUID)
@face_option
@json_option
def unassign(person: UUID, faces: tuple[UUID, ...], as_json: bool) -> None:
    """Take faces from a person; they become unnamed."""
    with system() as services, services.pool.connection() as conn:
        _show(use.unassign(conn, person, faces, actor=ACTOR), as_json)


@people.command()
@click.argument("person", type=click.UUID)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(person: UUID, yes: bool) -> None:
    """Delete a person; their faces stay and become unnamed."""
    with system() as services, services.pool.connection() as conn:
        found = use.get(conn, person)
        if not yes:
            click.confirm(
                f"Delete {found.name!r}? Their {found.face_count} faces become unnamed.",
                abort=True,
                err=True,
            )
        use.delete(conn, person, actor=ACTOR)
    click.echo(f"{found.name} is deleted.")


@people.command()
@click.argument("into", type=click.UUID)
@click.argument("others", type=click.UUID, nargs=-1, required=True)
@json_option
def merge(into: UUID, others: tuple[UUID, ...], as_json: bool) -> None:
    """Give person INTO the faces of OTHERS, who are the same, and delete those."""
    with system() as services, services.pool.connection() as conn:
        _show(use.merge(conn, into, others, actor=ACTOR), as_json)


@people.command()
@click.argument("person", type=click.UUID)
@click.argument("name")
@face_option
@json_option
def split(person: UUID, name: str, faces: tuple[UUID, ...], as_json: bool) -> None:
    """Make a new person called NAME of some faces of a person."""
    with system() as services, services.pool.connection() as conn:
        _show(use.split(conn, person, faces, name=name, actor=ACTOR), as_json)


for command in (history, undo, rebuild):
    people.add_command(command)


def _show(person: Person, as_json: bool) -> None:
    if as_json:
        print_json(asdict(person))
        return
    table = Table(show_header=False, box=None)
    for key, value in asdict(person).items():
        if value not in (None, {}):
            table.add_row(key.replace("_", " "), str(value))
    output().print(table)
