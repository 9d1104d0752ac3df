"""Pages of imports: those of a collection with the form for another one, and one with its live bar."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from core import collections, import_content, import_files, import_progress, imports
from core.archives import is_archive
from core.db.imports import Import
from core.errors import FaceSearchError, InvalidRequest, OffsetMismatch, UploadBusy
from core.facets import split_tags
from core.import_progress import Progress, State
from core.import_wishes import Options, Source, Wish
from core.keeping import Keeps
from core.manifests import Format
from core.offers import OnDuplicate, Upload
from core.texts import LONGEST_NAME
from web.api import streams
from web.api.reading import clean_key
from web.pages import forms
from web.pages.trouble import Trouble, trouble
from web.pages.words import DUPLICATES, IMPORT_STATES, ITEM_STATES, in_words
from web.security import actor
from web.services import doorbell, services

blueprint = Blueprint("imports", __name__)

PER_PAGE = 20
RESULTS = 50
MANIFEST: Final = re.compile(r"\.(ndjson|jsonl|csv)$", re.IGNORECASE)

PARTS: Final = ("indexed", "skipped", "rejected", "failed", "dead", "running", "waiting")
"""Of the bar, from its left end: what is good, what is not, what is still to come."""

OVER: Final = frozenset({State.DONE, State.CANCELLED, State.FAILED})

VERBS: Final = {
    "start": "import_started",
    "confirm": "import_confirmed",
    "pause": "import_paused",
    "resume": "import_resumed",
    "cancel": "import_cancelled",
    "retry": "import_retried",
}
"""What its buttons do, and the note that says it was done."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar that is 100 wide."""

    state: str
    at: float
    width: float


@dataclass(frozen=True, slots=True)
class Shown:
    """An import with what is drawn of it; ``static/js/import-progress.js`` draws the same later on."""

    progress: Progress

    @property
    def found(self) -> Import:
        """Its row."""
        return self.progress.found

    @property
    def state(self) -> str:
        """What people are told."""
        return self.progress.state.value

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        return self.progress.state in OVER

    @property
    def counts(self) -> dict[str, int]:
        """Items by state, zeros too."""
        return {part: self.progress.counts.states.get(part, 0) for part in PARTS}

    @property
    def parts(self) -> list[Part]:
        """The bar."""
        return _parts(self.counts, max(1, self.progress.total or 0, self.progress.counts.total))

    @property
    def may_start(self) -> bool:
        """Whether only its sender knows if it is whole."""
        return self.found.source == Source.FILES or self.found.bytes_expected is None


def _parts(counts: Mapping[str, int], total: int) -> list[Part]:
    made: list[Part] = []
    at = 0.0
    for state in PARTS:
        width = 100 * counts.get(state, 0) / total
        made.append(Part(state, round(at, 3), round(width, 3)))
        at += width
    return made


@blueprint.get("/collections/<uuid:collection_id>/imports")
def index(collection_id: UUID) -> ResponseReturnValue:
    """List the imports of a collection."""
    return _index(collection_id)


@blueprint.post("/collections/<uuid:collection_id>/imports")
def create(collection_id: UUID) -> ResponseReturnValue:
    """Make an import of what a plain form holds: an archive, a manifest, photos or a server folder."""
    with streams.place():
        request.files  # noqa: B018  reads the form
    try:
        import_id = _receive(collection_id)
    except (
        UploadBusy,
        OffsetMismatch,
    ) as error:  # the same form was sent twice, and the first is at it
        import_id = error.details["import_id"]
    except FaceSearchError as error:
        problem = trouble(error)
        return _index(collection_id, problem), problem.status
    return redirect(url_for("pages.imports.show", import_id=import_id), 303)


@blueprint.get("/imports/<uuid:import_id>")
def show(import_id: UUID) -> ResponseReturnValue:
    """Show one import; a script asks again for the tables, and hears of the rest by events."""
    if forms.wants_fragment():
        return _rendered("imports/details.html", import_id), {forms.FRAGMENT_HEADER: "1"}
    return _rendered("imports/show.html", import_id)


@blueprint.post(
    "/imports/<uuid:import_id>/<any(start, confirm, pause, resume, cancel, retry):verb>"
)
def change(import_id: UUID, verb: str) -> ResponseReturnValue:
    """Do what one of the buttons says."""
    try:
        _do(import_id, verb)
    except FaceSearchError as error:
        problem = trouble(error)
        return _rendered("imports/show.html", import_id, problem), problem.status
    return redirect(url_for("pages.imports.show", import_id=import_id, note=VERBS[verb]), 303)


@blueprint.post("/imports/<uuid:import_id>/delete")
def delete(import_id: UUID) -> ResponseReturnValue:
    """Forget an import that is over; its photos stay."""
    try:
        with services().pool.connection() as conn:
            home = imports.get(conn, import_id).collection_id
        imports.delete(services(), import_id)
    except FaceSearchError as error:
        problem = trouble(error)
        return _rendered("imports/show.html", import_id, problem), problem.status
    return redirect(url_for(".index", collection_id=home, note="import_deleted"), 303)


def under_way(collection_id: UUID) -> list[Shown]:
    """Return those of the latest imports of a collection that are not over, newest first."""
    with services().pool.connection() as conn:
        found = imports.page(conn, collection_id, limit=PER_PAGE)
    return [_shown(each) for each in found if each.closed_at is None]


def _shown(found: Import) -> Shown:
    return Shown(import_progress.progress_of(services(), found))


def _index(collection_id: UUID, problem: Trouble | None = None) -> str:
    after = forms.id_in(request.args, "after")
    with services().pool.connection() as conn:
        collection = collections.get(conn, collection_id)
        found = imports.page(conn, collection_id, limit=PER_PAGE + 1, after=after)
    settings = services().settings
    return render_template(
        "imports/index.html",
        collection=collection,
        imports=[_shown(each) for each in found[:PER_PAGE]],
        more=found[PER_PAGE - 1].id if len(found) > PER_PAGE else None,
        first_page=after is None,
        options=_options_shown(),
        folders=[each for each in (settings.import_folders or "").split(os.pathsep) if each],
        limits=settings,
        states=IMPORT_STATES,
        item_states=ITEM_STATES,
        duplicates=DUPLICATES,
        mark=uuid4().hex,
        nothing={"parts": _parts({}, 1), "counts": dict.fromkeys(PARTS, 0)},
        problem=problem,
    )


def _rendered(template: str, import_id: UUID, problem: Trouble | None = None) -> str:
    state = request.args.get("state") or None
    if state is not None and state not in PARTS:
        raise InvalidRequest("There is no such state.")
    after = forms.count_in(request.args, "after", default=0, most=10**8)
    shown = Shown(import_progress.progress(services(), import_id))
    with services().pool.connection() as conn:
        collection = collections.get(conn, shown.found.collection_id)
        rows = imports.results(conn, import_id, limit=RESULTS + 1, after=after - 1, state=state)
    return render_template(
        template,
        shown=shown,
        collection=collection,
        pictures=Keeps(collection.keeps).photos,
        results=rows[:RESULTS],
        state=state,
        after=after,
        more=rows[RESULTS].position if len(rows) > RESULTS else None,
        reasons=_reasons(shown.progress.counts.reasons),
        words_of=in_words,
        states=IMPORT_STATES,
        item_states=ITEM_STATES,
        problem=problem,
    )


def _reasons(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Return title, hint and count of each reason, the most frequent first."""
    listed = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(in_words(code).title, in_words(code).hint, count) for code, count in listed]


def _do(import_id: UUID, verb: str) -> None:
    if verb == "retry":
        dead = request.form.get("dead") == "yes"
        imports.retry(services(), doorbell(), import_id, dead=dead)
    else:
        imports.change(services(), doorbell(), import_id, verb)


def _options_shown() -> dict[str, object]:
    """Return what the form says at first: what was just sent."""
    if request.method != "POST":
        return {}
    return {**request.form.to_dict(), "people_by_folder": "people_by_folder" in request.form}


def _options() -> Options:
    """Read the options of the form.

    Raises:
        InvalidRequest: One of them is none, or a tag cannot be stored.
    """
    try:
        on_duplicate = OnDuplicate(request.form.get("on_duplicate", OnDuplicate.SKIP))
    except ValueError:
        raise InvalidRequest("There is no such way to treat duplicates.") from None
    return Options(
        on_duplicate=on_duplicate,
        people_by_folder="people_by_folder" in request.form,
        dry_run="dry_run" in request.form,
        tags=tuple(split_tags(request.form.get("tags", ""))),
    )


def _receive(collection_id: UUID) -> UUID:
    """Make the import that the form asks for; return its id."""
    options = _options()
    files = [file for file in request.files.getlist("files") if file.filename]
    path = request.form.get("server_folder", "").strip()
    if path and not files:
        wish = Wish(Source.FOLDER, path[-LONGEST_NAME:], options, _mark([]), path=path)
        made, _ = imports.create(services(), doorbell(), collection_id, wish, actor=actor())
        return made.id
    name = clean_key(files[0].filename or "") if len(files) == 1 else ""
    if is_archive(Path(name)):
        return _receive_content(
            collection_id, files[0], Wish(Source.ARCHIVE, name, options, _mark(files))
        )
    if MANIFEST.search(name):
        form = Format.CSV if name.lower().endswith(".csv") else Format.NDJSON
        wish = Wish(Source.MANIFEST, name, replace(options, format=form), _mark(files))
        return _receive_content(collection_id, files[0], wish)
    return _receive_photos(collection_id, files, options)


def _mark(files: Sequence[FileStorage]) -> str | None:
    """Return an external id that is the same when a form is sent twice: a double click, or a reload.

    Whoever goes back to the form and chooses something else sends the same hidden field.
    """
    if not request.form.get("mark"):
        return None
    chosen = [(file.filename, file.stream.seek(0, os.SEEK_END)) for file in files]
    for file in files:
        file.stream.seek(0)
    said = sorted(request.form.items(multi=True))
    return f"form:{sha256(repr((said, chosen)).encode()).hexdigest()[:32]}"


def _receive_content(collection_id: UUID, file: FileStorage, wish: Wish) -> UUID:
    size = file.stream.seek(0, os.SEEK_END)
    file.stream.seek(0)
    import_id, _ = import_content.receive(
        services(),
        doorbell(),
        collection_id,
        replace(wish, bytes=size or None),
        file.stream,
        coming=size,
        hold=False,
        actor=actor(),
    )
    return import_id


def _receive_photos(collection_id: UUID, files: Sequence[FileStorage], options: Options) -> UUID:
    photos = [Upload(clean_key(file.filename or ""), file.read()) for file in files]
    most = services().settings.max_photos_per_request
    if not 1 <= len(photos) <= most:
        message = f"Choose an archive, a manifest, or 1 to {most} photos."
        raise InvalidRequest(message, errors=[{"field": "files", "message": message}])
    name = photos[0].key if len(photos) == 1 else f"{len(photos)} photos"
    wish = Wish(Source.FILES, name[-LONGEST_NAME:], options, _mark(files))
    import_id, _ = import_files.receive(
        services(), doorbell(), collection_id, wish, photos, actor=actor()
    )
    return import_id
