"""Sending what an import is made of: photos in batches, and archives and manifests in parts.

What was begun before goes on where it stopped: keys that an open import has are not sent again, and
bytes that are there neither.
"""

import hashlib
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from core.errors import FileTooLarge, OffsetMismatch, SetupError, SourceUnreachable, WrongState
from core.import_wishes import Options, Source, Wish
from core.settings import MIB
from web.cli.import_bars import LOOK_EVERY_S, Bars, Watch
from web.cli.photo_files import PhotoFile
from web.cli.targets import Limits, Patience, Photo, Row, Target, View, begun_before

BATCH: Final = 32
BATCH_BYTES: Final = 16 * MIB
"""Of the photos of one request, unless one photo is larger."""

PART: Final = 8 * MIB
"""Of an archive in one request."""

MACHINE_ID: Final = Path("/etc/machine-id")


@dataclass(slots=True)
class Order:
    """What is asked for, and what is needed to do it.

    Attributes:
        anew: Nothing that was begun before is gone on with.
        jobs: Threads that send photos.
        troubles: What could not even be sent, as items that ended so.
    """

    target: Target
    collection_id: UUID
    limits: Limits
    options: Options
    patience: Patience
    bars: Bars
    jobs: int
    anew: bool = False
    troubles: list[Row] = field(default_factory=list)

    def trouble(self, key: str, error: OSError) -> None:
        """Keep what could not be read."""
        self.refuse(key, "failed", SourceUnreachable.code, f"It cannot be read: {error.strerror}.")

    def refuse(self, key: str, state: str, reason: str, detail: str) -> None:
        """Keep what is not sent."""
        self.troubles.append(Row(-1, key, state, reason, detail, None, 0))


@dataclass(frozen=True, slots=True)
class Begun:
    """What the same command began before.

    Attributes:
        external_id: How the ids of its imports begin.
        imports: Newest first.
    """

    external_id: str
    imports: Sequence[View]

    @property
    def open(self) -> list[View]:
        """Those that are not over."""
        return [each for each in self.imports if not each.is_over]

    @property
    def unfinished(self) -> View | None:
        """The one that still takes what is sent."""
        return next((each for each in self.open if each.takes_more), None)

    def create(self, order: Order, wish: Wish) -> View:
        """Make the import that comes after them.

        Two of the same command at once make the same one.
        """
        external_id = self.external_id
        if self.imports:
            external_id = f"{self.external_id}:{self.imports[0].id.hex}"
        while True:
            made = order.target.create(order.collection_id, replace(wish, external_id=external_id))
            if made.takes_more or (wish.source is Source.FOLDER and not made.is_over):
                return made
            # It was begun so long ago that it was not among those that were looked through.
            external_id = f"{self.external_id}:{made.id.hex}"


def begun(order: Order, *what: object) -> Begun:
    """Find what the same command began before.

    Args:
        what: Beside collection, options and machine all that makes a command the same one.
    """
    external_id = _external_id(order, what)
    found = [] if order.anew else begun_before(order.target, order.collection_id, external_id)
    return Begun(f"{external_id}:{uuid.uuid4().hex}" if order.anew else external_id, found)


def _external_id(order: Order, what: Sequence[object]) -> str:
    asked = [str(order.collection_id), _machine(), order.options.to_json(), [*map(str, what)]]
    text = json.dumps(asked, sort_keys=True).encode()  # ASCII: paths may be no UTF-8
    return f"ingest:{hashlib.sha256(text).hexdigest()[:32]}"


def _machine() -> str:
    """Return what no other machine says: the same path may lead to other photos there."""
    try:
        known = MACHINE_ID.read_text().strip()
    except OSError:
        known = str(uuid.getnode())
    return f"{socket.gethostname()} {known}"


class Known:
    """The keys of items that are there, in eight bytes each."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = np.sort(np.fromiter(map(_digest, keys), np.uint64))

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, key: str) -> bool:
        digest = np.uint64(_digest(key))
        place = int(np.searchsorted(self._digests, digest))
        return place < len(self._digests) and bool(self._digests[place] == digest)


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


def send_photos(
    order: Order,
    wish: Wish,
    files: Iterator[PhotoFile],
    before: Begun,
    made: Callable[[View], None],
) -> list[View]:
    """Send those of *files* that are not there; return the imports they are in, all sent.

    Args:
        made: Is told of the import before anything is sent to it.

    Raises:
        WorkerUnavailable: There is no room for more photos, and none comes.
    """
    known = Known(row.key for each in before.open for row in order.target.results(each.id))
    into = before.unfinished
    missing = (file for file in files if not _is_known(order, known, file))
    parts = _batches(missing, order.limits)
    first = next(parts, None)
    if first is not None:
        into = into or before.create(order, wish)
        made(into)
        _Sender(order, into).send(_chain(first, parts))
    order.bars.all_sent()
    if into is None:
        return list(before.open)
    ended = _start(order, into)
    return [ended, *(each for each in before.open if each.id != into.id)]


def _chain(first: list[PhotoFile], rest: Iterator[list[PhotoFile]]) -> Iterator[list[PhotoFile]]:
    yield first
    yield from rest


def _is_known(order: Order, known: Known, file: PhotoFile) -> bool:
    if len(known) and file.key in known:
        order.bars.sent(1)
        return True
    return False


def _start(order: Order, view: View) -> View:
    try:
        return order.target.change(view.id, "start")
    except WrongState:  # it was cancelled, or its last bytes started it and it is over by now
        return order.target.get(view.id)


def side_by_side(
    order: Order, calls: Iterable[Callable[[], None]], meanwhile: Callable[[], None] | None = None
) -> None:
    """Make *calls*, a few at a time; the next one is asked for when it can be made.

    Args:
        meanwhile: Is called now and then.
    """

    def some_done() -> set[Future[None]]:
        done, left = wait(pending, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        for each in done:
            each.result()
        if meanwhile is not None:
            meanwhile()
        return left

    pending: set[Future[None]] = set()
    with ThreadPoolExecutor(order.jobs, thread_name_prefix="sending") as threads:
        try:
            for call in calls:
                pending.add(threads.submit(call))
                while len(pending) >= order.jobs:
                    pending = some_done()
            while pending:
                pending = some_done()
        except BaseException:
            order.patience.stop.set()
            raise


class _Sender:
    """Sends batches of photos to one import, a few at a time."""

    def __init__(self, order: Order, into: View) -> None:
        self._order = order
        self._view = into
        self._watch = Watch(order.target, order.bars)

    def send(self, parts: Iterator[list[PhotoFile]]) -> None:
        """Send them all; the bytes of a batch are in memory only while it is sent."""
        side_by_side(self._order, (partial(self._send, part) for part in parts), self._look)

    def _look(self) -> None:
        self._view = self._watch.look(self._view)

    def _send(self, part: list[PhotoFile]) -> None:
        order = self._order
        photos = [photo for file in part if (photo := _read(order, file)) is not None]
        if photos:
            order.target.add(self._view.id, photos)
        order.bars.sent(len(part))


def _read(order: Order, file: PhotoFile) -> Photo | None:
    most = order.limits.photo_bytes
    try:
        with file.path.open("rb") as stream:
            # As much is allocated as is asked for, before it is known how much there is.
            size = os.fstat(stream.fileno()).st_size
            data = stream.read(min(size, most) + 1)
    except OSError as error:
        order.trouble(file.key, error)
        return None
    if len(data) > most:
        order.refuse(file.key, "rejected", FileTooLarge.code, str(FileTooLarge.over(most)))
        return None
    return Photo(file.key, data)


def _batches(files: Iterator[PhotoFile], limits: Limits) -> Iterator[list[PhotoFile]]:
    """Gather files into batches that fit a request; nothing is read."""
    most = min(BATCH, limits.photos)
    most_bytes = min(BATCH_BYTES, limits.request_bytes // 2)
    part: list[PhotoFile] = []
    size = 0
    for file in files:
        bytes_ = _size(file.path)
        if part and (len(part) == most or size + bytes_ > most_bytes):
            yield part
            part, size = [], 0
        part.append(file)
        size += bytes_
    if part:
        yield part


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it will say why


def send_content(order: Order, path: Path, view: View) -> View:
    """Send an archive or manifest from where it stopped, and start; return the import.

    Raises:
        SetupError: The file changed while it was sent.
    """
    order.bars.sending(path.name, total=_size(path), is_bytes=True)
    with path.open("rb") as file:
        whole = file.seek(0, os.SEEK_END)
        try:
            there = order.target.size(view.id)
        except WrongState as error:
            return _whole_or_over(order, view, error)
        order.bars.sent(there)
        while there < whole:
            file.seek(there)
            data = file.read(PART)
            if not data:
                raise SetupError(f"{path} became shorter while it was sent.")
            was = there
            try:
                there = order.target.append(view.id, data, there)
            except OffsetMismatch as error:  # the answer to a part got lost
                there = int(error.details["offset"])
            except WrongState as error:  # the answer to the last part did
                return _whole_or_over(order, view, error)
            order.bars.sent(there - was)
    order.bars.all_sent()
    return _start(order, view)


def _whole_or_over(order: Order, view: View, error: WrongState) -> View:
    """Return an import that takes no more bytes because it has them all, or is over.

    Raises:
        WrongState: It is neither.
    """
    newest = order.target.get(view.id)
    if newest.takes_more:
        raise error
    order.bars.all_sent()
    return newest


def count_meanwhile(order: Order, files: Callable[[], Iterator[PhotoFile]]) -> None:
    """Count files in a thread, beside sending them, for the bar."""
    stop = order.patience.stop

    def count() -> None:
        number = 0
        for number, _ in enumerate(files(), start=1):  # noqa: B007
            if stop.is_set():
                return
        order.bars.expect(number)

    threading.Thread(target=count, name="counting", daemon=True).start()
