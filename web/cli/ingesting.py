"""One run of ``facesearch ingest``: which imports it makes or goes on with, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from core.archive_entries import printable
from core.archives import is_archive
from core.errors import BadArchive, BadManifest, SetupError, WrongState
from core.import_wishes import Source, Wish
from core.texts import LONGEST_NAME
from web.cli.import_bars import Watch
from web.cli.photo_files import PhotoFile, Trouble, photo_files
from web.cli.sending import Begun, Order, begun, count_meanwhile, send_content, send_photos
from web.cli.sending_manifest import send_manifest
from web.cli.targets import View


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be ingested: exactly one of the first three.

    Attributes:
        server_folder: As the server calls it.
        name: Of the import; None: that of what is sent.
    """

    paths: tuple[Path, ...]
    manifest: Path | None
    server_folder: str | None
    name: str | None

    def require_any(self) -> None:
        """Refuse paths without a file.

        Raises:
            SetupError: There is none.
        """
        if self.paths and next(photo_files(self.paths, _ignore), None) is None:
            raise SetupError("There is no file at these paths.")

    def called(self, name: str) -> str:
        """Return the name of an import of something that is called *name*."""
        return printable(self.name or name).strip()[-LONGEST_NAME:].strip() or "photos"

    def photos(self, trouble: Trouble) -> Iterator[PhotoFile]:
        """Yield the files that are no archives."""
        return (file for file in photo_files(self.paths, trouble) if not is_archive(file.path))

    def archives(self) -> Iterator[PhotoFile]:
        """Yield the archives."""
        return (file for file in photo_files(self.paths, _ignore) if is_archive(file.path))


def _ignore(_key: str, _error: OSError) -> None:
    """Leave what cannot be read to the walk that tells of it."""


@dataclass(slots=True)
class Run:
    """The imports of one command.

    Attributes:
        views: Those that were made or gone on with, as last seen.
        all_sent: Whether nothing is left to send.
    """

    order: Order
    asked: Asked
    views: list[View] = field(default_factory=list)
    all_sent: bool = False
    _archives: list[PhotoFile] = field(default_factory=list)

    def do(self, *, wait: bool) -> list[View]:
        """Send everything, and see it through; return the imports as they are then.

        Raises:
            WorkerUnavailable: Nothing moves, and somebody must do something about that.
        """
        if self.asked.manifest is not None:
            self._manifest(self.asked.manifest)
        elif self.asked.server_folder is not None:
            self._server_folder(self.asked.server_folder)
        else:
            self._photos()
            for file in self._archives:
                self._archive(file)
        self.all_sent = True
        target = self.order.target
        watch = Watch(target, self.order.bars)
        for number, view in enumerate(self.views):
            newest = target.get(view.id)
            self.views[number] = watch.until_over(newest) if wait else newest
        return self.views

    def forecast(self) -> tuple[dict[str, Any], View | None]:
        """Try a sample of everything; return what all of it would come to, and the dry run that is kept.

        Of files on this machine none is.

        Raises:
            SetupError: These are several imports, or nothing could be tried.
        """
        asked = self.asked
        archives = list(islice(asked.archives(), 2))
        has_photos = next(asked.photos(_ignore), None) is not None
        if len(archives) + has_photos > 1:
            raise SetupError("A dry run is of files and folders, or of one archive.")
        if has_photos:
            from web.cli.sampling import forecast_of_files  # noqa: PLC0415  only dry runs need it

            found = forecast_of_files(
                self.order, self._name_of_paths(), asked.photos(self.order.trouble)
            )
            return found, None
        for view in self.do(wait=True):
            if view.forecast is not None:
                return dict(view.forecast), view
            raise SetupError(f"There is no forecast: {view.detail or f'it is {view.state}'}")
        raise SetupError("There is no forecast: the file is empty.")

    def _photos(self) -> None:
        order, asked = self.order, self.asked
        if next(asked.photos(_ignore), None) is None:
            list(self._files())
            return
        order.bars.sending("sent", total=None)
        count_meanwhile(order, lambda: asked.photos(_ignore))
        try:
            self._send_photos()
        except WrongState:
            # Another run of the same command, or somebody, has said that these are all.
            order.patience.stop.clear()
            if any(order.target.get(view.id).state == "cancelled" for view in self.views):
                raise
            order.troubles.clear()
            self._archives.clear()
            order.bars.sending("sent the rest", total=None)
            self._send_photos()

    def _send_photos(self) -> None:
        order, asked = self.order, self.asked
        before = self._begun("files", *(path.absolute() for path in asked.paths))
        wish = Wish(Source.FILES, asked.called(self._name_of_paths()), order.options)
        for view in send_photos(order, wish, self._files(), before, self._made):
            self._made(view)

    def _files(self) -> Iterator[PhotoFile]:
        """Yield the files that are no archives; those are put aside for later."""
        for file in photo_files(self.asked.paths, self.order.trouble):
            if is_archive(file.path):
                self._archives.append(file)
            else:
                yield file

    def _name_of_paths(self) -> str:
        first, *others = self.asked.paths
        name = first.absolute().name
        return f"{name} and {len(others)} more" if others else name

    def _archive(self, file: PhotoFile) -> None:
        order = self.order
        size, before = self._begun_with("archive", file.path)
        if not size:
            order.refuse(file.key, "rejected", BadArchive.code, "The file is empty.")
            return
        wish = Wish(Source.ARCHIVE, self.asked.called(file.key), order.options, bytes=size)
        view = self._known_or_new(wish, before)
        if view.takes_more:
            self._made(send_content(order, file.path, view))

    def _manifest(self, path: Path) -> None:
        order = self.order
        size, before = self._begun_with("manifest", path)
        if not size:
            order.refuse(path.name, "rejected", BadManifest.code, "The file is empty.")
            return
        # How long it is, is not said: it would start when it is whole.
        wish = Wish(Source.MANIFEST, self.asked.called(path.name), order.options)
        view = self._known_or_new(wish, before)
        if view.takes_more:
            self._made(send_manifest(order, path, view))

    def _server_folder(self, path: str) -> None:
        order = self.order
        before = self._begun("folder", path)
        name = self.asked.called(path.rstrip("/").rpartition("/")[2] or path)
        wish = Wish(Source.FOLDER, name, order.options, path=path)
        self._made(before.open[0] if before.open else before.create(order, wish))

    def _begun(self, *what: object) -> Begun:
        found = begun(self.order, *what)
        for view in found.open:
            self._made(view)
        return found

    def _begun_with(self, kind: str, path: Path) -> tuple[int, Begun]:
        """Return the size of an archive or manifest, and what was begun with it as it is now."""
        there = path.stat()
        return there.st_size, self._begun(kind, path.absolute(), there.st_size, there.st_mtime_ns)

    def _known_or_new(self, wish: Wish, before: Begun) -> View:
        """Return the import of a file: none is sent twice that was read to its end."""
        done = (each for each in before.imports if each.state == "done")
        known = before.unfinished or next(iter(before.open), None) or next(done, None)
        if known is not None and known.is_over:
            self.order.bars.remark(
                f"{known.name} was imported on {known.created_at[:10]}; --new does it again."
            )
        view = known or before.create(self.order, wish)
        self._made(view)
        return view

    def _made(self, view: View) -> None:
        """Keep the newest view of an import."""
        for number, each in enumerate(self.views):
            if each.id == view.id:
                self.views[number] = view
                return
        self.views.append(view)
