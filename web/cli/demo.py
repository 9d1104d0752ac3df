"""``facesearch demo``: the main job on sample photos, from nothing to a ranked result."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import click

from core import collections, gallery, intake, naming, search
from core.db.collections import Collection
from core.errors import CollectionNotFound, SetupError, WorkerUnavailable
from core.finding import Decision, Options
from core.inference.install import install, install_samples
from core.inference.packs import load_manifest
from core.offers import Upload
from core.search import FoundPhoto
from core.services import Services, services_for
from core.settings import Settings
from core.spaces import require_same
from web.cli.common import INTERRUPTED, settings
from web.cli.keys import login_link
from web.cli.local import supervise
from web.cli.matches import print_faces
from web.cli.models import download_bars
from web.cli.services import ACTOR, doorbell

PACK: Final = "open"
COLLECTION: Final = "demo"
PERSON: Final = "Barack Obama"

NAMED: Final = "obama.jpg"
"""The one photo whose face gets a name."""

QUERY: Final = "obama2.jpg"
"""Searched with, and not put into the collection: it would find itself."""

SAME_PERSON: Final = frozenset(
    {NAMED, "obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg"}
)
"""Photos of the person that stay unnamed. They look alike too, and are nobody else."""

INDEX_S: Final = 120


@click.command()
@click.option(
    "--exit", "leave", is_flag=True,
    help="Stop everything after the search; exit code 0: the right person was found, nobody else.",
)  # fmt: skip
@click.option("--fetch", "only_fetch", is_flag=True, help="Install pack and photos, and no more.")
@click.pass_context
def demo(ctx: click.Context, leave: bool, only_fetch: bool) -> None:
    """Start everything, put sample photos in, name a person and search with another photo."""
    verdict = False

    def show(resolved: Settings) -> bool:
        nonlocal verdict
        with _ctrl_c_interrupts(), services_for(resolved) as services:
            found = run(services, photos)
            print_faces(found.faces)
            verdict = right(found)
            if not leave:
                click.echo(f"The page runs until Ctrl-C. Your login link: {login_link(services)}")
        return not leave

    try:
        chosen = settings()
        photos = fetch(chosen)
        if only_fetch:
            return
        supervise(chosen, show)
    except KeyboardInterrupt:
        # Whoever did not ask for a verdict just wanted an end.
        ctx.exit(INTERRUPTED if leave else 0)
    if leave:
        click.echo("Found." if verdict else "Not as it should be.")
        ctx.exit(0 if verdict else 1)


def fetch(chosen: Settings) -> Sequence[Path]:
    """Install the pack and the sample photos where they are missing; returns the photos."""
    manifest = load_manifest(chosen)
    with download_bars() as progress:
        install(manifest.pack(PACK), chosen.models_dir, progress=progress)
        return install_samples(manifest, chosen.models_dir / "samples", progress=progress)


def run(services: Services, photos: Sequence[Path]) -> FoundPhoto:
    """Do the main job: photos in, one face named, another photo searched. Twice is no harm.

    Raises:
        WorkerUnavailable: The photos were not indexed in time.
        SetupError: A sample photo came out without a face.
    """
    home = _collection(services)
    bell = doorbell(services)
    uploads = [Upload(photo.name, photo.read_bytes()) for photo in photos if photo.name != QUERY]
    receipt = intake.accept(services, bell, home.id, uploads)
    ids = {item.key: item.image_id for item in receipt.items if item.image_id is not None}
    images = intake.wait_for_images(services, list(ids.values()), INDEX_S)
    if any(image.state == "waiting" for image in images.values()):
        raise WorkerUnavailable(f"The sample photos were not indexed within {INDEX_S} s.")
    _name(services, ids[NAMED])
    with services.pool.connection() as conn:
        home = collections.get(conn, home.id)
    [query] = [photo for photo in photos if photo.name == QUERY]
    return search.by_photo(services, bell, [home], query.read_bytes(), Options(limit=10))


def right(found: FoundPhoto) -> bool:
    """Say whether the person is rank 1 and nobody else reached the threshold."""
    matches = [match for face in found.faces if face.found for match in face.found.matches]
    passed = [match.neighbour for match in matches if match.decision is Decision.MATCH]
    first = passed[0] if passed else None
    return (
        first is not None
        and first.person_name == PERSON
        and all(near.filename in SAME_PERSON for near in passed)
    )


def _collection(services: Services) -> Collection:
    pack = services.manifest.pack(PACK)
    with services.pool.connection() as conn:
        try:
            found = collections.find(conn, COLLECTION)
        except CollectionNotFound:
            found = collections.create(conn, pack, name=COLLECTION)
    require_same(found.space_id, pack.space.id)
    return found


def _name(services: Services, image_id: UUID) -> None:
    with services.pool.connection() as conn:
        faces = gallery.image(conn, image_id).faces
        if not faces:
            raise SetupError(f"No face was found in {NAMED}; `facesearch models verify` may help.")
        if faces[0].person_name != PERSON:
            naming.name_face(conn, faces[0].id, PERSON, actor=ACTOR)


@contextmanager
def _ctrl_c_interrupts() -> Iterator[None]:
    """While the steps run in the foreground Ctrl-C ends them, and then the system."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
