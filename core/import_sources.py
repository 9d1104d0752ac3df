"""What an import is made of: its entries one by one, whatever they come from."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from core import archives, manifests, server_folders
from core.archive_entries import Limits as ArchiveLimits
from core.archives import Junk, Member, Refused
from core.db.imports import Import
from core.enrolment import PersonRef
from core.errors import BadArchive, FaceSearchError, SourceUnreachable
from core.fetching import Fetcher
from core.import_wishes import Options, Source, with_options
from core.manifest_items import ManifestFault, ManifestItem, SourceKind
from core.objects import Objects
from core.offers import Refusal, Upload
from core.server_folders import FolderFile, LeftOut
from core.services import Services
from core.settings import Settings
from core.spool import Spool

Load: TypeAlias = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One photo to be.

    Attributes:
        load: Returns its bytes; raises what is wrong with it.
        bytes_read: Of the source, up to here.
        said: What goes into its `Upload` beside key and bytes.
    """

    key: str
    load: Load
    bytes_read: int
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """How many entries were hidden, or what systems leave among photos."""

    count: int


Found: TypeAlias = Entry | PassedOver


class Sources:
    """Opens what imports are made of; its threads may load entries side by side."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._closing = ExitStack()
        self._objects = self._closing.enter_context(Objects(services.settings))
        self._of_thread = threading.local()
        self._opening = threading.Lock()

    def __enter__(self) -> "Sources":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def expected(self, found: Import) -> int | None:
        """Return how many entries there will be; None where only reading tells.

        Raises:
            FaceSearchError: Nothing of it can be read.
        """
        settings, options = self._services.settings, Options.from_json(found.options)
        if found.source == Source.MANIFEST:
            assert options.format is not None, "a manifest has a format"
            with _received(settings, found) as file:
                return manifests.count(file, options.format, manifests.Limits.of(settings))
        if found.source == Source.FOLDER:
            assert found.path is not None, "a folder has a path"
            files = server_folders.walk(settings, found.path)
            return sum(isinstance(each, FolderFile) for each in files)
        return None

    @contextmanager
    def entries(self, found: Import) -> Iterator[Iterator[Found]]:
        """Open an import; yields its entries in their order, each time the same ones.

        Raises:
            FaceSearchError: The rest cannot be read; some of these while entries are asked for.
            SourceUnreachable: What was received is not on this machine.
        """
        settings, options = self._services.settings, Options.from_json(found.options)
        if found.source == Source.FOLDER:
            assert found.path is not None, "a folder has a path"
            yield self._folder(settings, found.path)
            return
        with _received(settings, found) as file:
            if found.source == Source.ARCHIVE:
                yield _archive(file, settings, found.name)
            else:
                yield self._manifest(file, options, Spool(settings, found.id))

    def _folder(self, settings: Settings, path: str) -> Iterator[Found]:
        done = 0
        for each in server_folders.walk(settings, path):
            if isinstance(each, LeftOut):
                yield PassedOver(each.junk + each.links + each.others)
                continue
            done += each.bytes
            yield Entry(each.key, _opener(settings, each.path), done)

    def _manifest(self, file: BinaryIO, options: Options, spool: Spool) -> Iterator[Found]:
        assert options.format is not None, "a manifest has a format"
        limits = manifests.Limits.of(self._services.settings)
        for each in manifests.entries(file, options.format, limits):
            if isinstance(each, ManifestFault):
                key = each.key or f"line {each.line}"
                yield Entry(key, _raiser(each.error), each.bytes_read)
            else:
                yield Entry(each.key, self._loader(each, spool), each.bytes_read, _of_item(each))

    def _loader(self, item: ManifestItem, spool: Spool) -> Load:
        name = item.source.name
        match item.source.kind:
            case SourceKind.FILE:
                return lambda: spool.read(name)
            case SourceKind.PATH:
                return _opener(self._services.settings, name)
            case SourceKind.OBJECT:
                return lambda: self._objects.fetch(name)
            case SourceKind.URL:
                return lambda: self._fetcher().fetch(name)

    def _fetcher(self) -> Fetcher:
        fetcher: Fetcher | None = getattr(self._of_thread, "fetcher", None)
        if fetcher is None:
            fetcher = Fetcher.of(self._services.settings)
            self._of_thread.fetcher = fetcher
            with self._opening:
                self._closing.enter_context(closing(fetcher))
        return fetcher


def offer(entry: Entry, options: Options) -> Upload | Refusal:
    """Load an entry: the photo, or why there is none."""
    try:
        data = entry.load()
    except FaceSearchError as error:
        return Refusal(entry.key, error, passing=error.retryable)
    except OSError as error:
        told = SourceUnreachable(f"It cannot be read: {error.strerror or type(error).__name__}.")
        return Refusal(entry.key, told, passing=True)
    return with_options(Upload(entry.key, data, **entry.said), options)


def _received(settings: Settings, found: Import) -> BinaryIO:
    try:
        return Spool(settings, found.id).path.open("rb")
    except FileNotFoundError:
        raise SourceUnreachable(
            "What was received is not on this machine; whoever receives and reads imports must share "
            "the folder imports of DATA_DIR."
        ) from None


def _archive(file: BinaryIO, settings: Settings, called: str) -> Iterator[Found]:
    for each in archives.members(file, ArchiveLimits.of(settings), called=called):
        match each:
            case Member():
                yield Entry(each.name, partial(_bytes, each), file.tell())
            case Refused(error=BadArchive() as error):
                raise error
            case Refused():
                yield Entry(each.name, _raiser(each.error), file.tell())
            case Junk():
                yield PassedOver(each.count)


def _bytes(member: Member) -> bytes:
    return member.data


def _opener(settings: Settings, path: str | Path) -> Load:
    # Of a file that is too large to be a photo just enough to see that.
    most = ArchiveLimits.of(settings).entry_bytes + 1

    def load() -> bytes:
        with server_folders.open_file(settings, path) as file:
            # Not *most* of each: memory is set aside for what is asked for.
            return file.read(min(most, os.fstat(file.fileno()).st_size + 1))

    return load


def _raiser(error: FaceSearchError) -> Load:
    def load() -> bytes:
        raise error

    return load


def _of_item(item: ManifestItem) -> dict[str, Any]:
    named = item.person
    return {
        "person": None if named is None else PersonRef(named.external_id or "", named.name or ""),
        "external_id": item.external_id,
        "sha256": item.sha256,
        "tags": item.tags,
        "metadata": item.metadata,
        "captured_at": item.captured_at,
    }
