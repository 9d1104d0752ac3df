"""Sending, on a system that takes everything and keeps nothing."""

import os
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from core.errors import BacklogFull, DatabaseBusy, ImportNotFound, WrongState
from core.import_wishes import Options, Source, Wish
from core.settings import MIB
from web.cli import targets
from web.cli.import_bars import Bars
from web.cli.ingesting import Asked, Run
from web.cli.local_target import LocalTarget
from web.cli.sending import Known, Order, send_content
from web.cli.targets import Limits, Patience, Photo, Row, StoppedError, View

PHOTO = b"x" * 1000


class Sink(LocalTarget):
    """Counts what it is sent.

    Attributes:
        known: Keys that an import has which was begun before.
        at_once: Most requests at the same time.
    """

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.known = known
        self.photos = 0
        self.batches: list[tuple[int, int]] = []
        self.at_once = 0
        self._view: View | None = None
        self._now = 0
        self._lock = threading.Lock()

    def imports(self, collection_id: UUID) -> Iterator[View]:
        return iter([self._view] if self._view else [])

    def create(self, collection_id: UUID, wish: Wish) -> View:
        self._view = View(
            uuid4(), collection_id, wish.name, wish.external_id, "files", "receiving", None, None,
            {}, {}, None, 0, 0, None, None, None, None, None, None, "2026-11-30", None,
        )  # fmt: skip
        return self._view

    def get(self, import_id: UUID) -> View:
        assert self._view is not None
        return self._view

    def add(self, import_id: UUID, photos: Sequence[Photo]) -> None:
        with self._lock:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            self.photos += len(photos)
            self.batches.append((len(photos), sum(len(photo.data) for photo in photos)))
        time.sleep(0.001)  # so that others come in between
        with self._lock:
            self._now -= 1

    def change(self, import_id: UUID, verb: str) -> View:
        self._view = replace(self.get(import_id), state="done", total=self.photos)
        return self._view

    def results(self, import_id: UUID, state: str | None = None) -> Iterator[Row]:
        return (Row(n, key, "indexed", None, None, None, 1) for n, key in enumerate(self.known))


def run(target: Sink, *paths: Path, jobs: int = 4) -> Run:
    limits = Limits(photo_bytes=32 * MIB, photos=200, request_bytes=256 * MIB)
    bars = Bars()
    order = Order(target, UUID(int=1), limits, Options(), Patience(tell=bars.tell), bars, jobs)
    return Run(order, Asked(paths, None, None, None))


def write(folder: Path, count: int) -> None:
    for number in range(count):
        if number % 250 == 0:
            below = folder / f"{number // 250:04}"
            below.mkdir(parents=True)
        descriptor = os.open(below / f"{number}.jpg", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, PHOTO)
        os.close(descriptor)


def test_memory_does_not_grow_with_50_000_files(tmp_path: Path) -> None:
    write(tmp_path, 50_000)
    target = Sink()

    tracemalloc.start()
    run(target, tmp_path).do(wait=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert target.photos == 50_000
    assert 1 < target.at_once <= 4
    assert max(count for count, _ in target.batches) == 32
    # Most of it is Python's table of names of paths; a list of the files would be 20 MiB.
    assert peak < 8 * MIB


def test_batches_are_bounded_in_bytes(tmp_path: Path) -> None:
    for number in range(6):
        with (tmp_path / f"{number}.jpg").open("wb") as file:
            file.truncate(7 * MIB)
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(20 * MIB)
    target = Sink()

    run(target, tmp_path, jobs=1).do(wait=True)

    assert target.batches == [(2, 14 * MIB)] * 3 + [(1, 20 * MIB)]


def test_known_keys_take_eight_bytes_each_and_are_found_again() -> None:
    keys = [f"folder/{number}.jpg" for number in range(20_000)]

    tracemalloc.start()
    known = Known(iter(keys))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(known) == len(keys)
    assert held < 10 * len(keys)
    assert all(key in known for key in keys)
    assert not any(f"{key}x" in known for key in keys)
    assert "a.jpg" not in Known([])


def test_what_may_succeed_later_is_tried_again_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "FIRST_WAIT_S", 0.01)
    told: list[str | None] = []
    answers: list[Exception | int] = [
        BacklogFull("Full.", retry_after_s=0.01),
        DatabaseBusy("Busy."),
        7,
    ]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Patience(tell=told.append).with_retries(ask) == 7
    assert told == ["Full.", "Busy.", None]


def test_what_cannot_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(targets, "PATIENCE_S", 0.02)
    tries: list[int] = []

    def ask(error: Exception) -> None:
        tries.append(1)
        raise error

    with pytest.raises(WrongState):
        Patience().with_retries(lambda: ask(WrongState("Over.")))
    assert len(tries) == 1
    with pytest.raises(DatabaseBusy):
        Patience().with_retries(lambda: ask(DatabaseBusy("Busy.")))
    assert len(tries) > 2


def test_what_the_tries_take_counts_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "FIRST_WAIT_S", 0.0001)
    monkeypatch.setattr(targets, "PATIENCE_S", 0.05)
    tries: list[int] = []

    def ask() -> None:
        tries.append(1)
        time.sleep(0.04)
        raise DatabaseBusy("Busy.")

    with pytest.raises(DatabaseBusy):
        Patience().with_retries(ask)
    assert len(tries) == 2


class Content(Sink):
    """Takes no bytes of an archive, or none after the first look.

    Attributes:
        state: Of the import.
    """

    def __init__(self, state: str, *, looks: bool) -> None:
        super().__init__()
        self.state = state
        self.looks = looks

    def size(self, import_id: UUID) -> int:
        if self.looks:
            return 0
        raise WrongState("It takes no bytes.")

    def append(self, import_id: UUID, data: bytes, offset: int) -> int:
        raise WrongState("It takes no bytes.")

    def get(self, import_id: UUID) -> View:
        return replace(super().get(import_id), source="archive", state=self.state)


@pytest.mark.parametrize("looks", [True, False])
def test_an_archive_whose_last_answer_got_lost_goes_on(tmp_path: Path, *, looks: bool) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(PHOTO)
    over, running, waits = (
        Content(state, looks=looks) for state in ("cancelled", "running", "receiving")
    )

    def sent(target: Content) -> View:
        view = target.create(UUID(int=1), Wish(Source.ARCHIVE, "a.zip"))
        return send_content(run(target).order, path, view)

    assert (sent(over).state, sent(running).state) == ("cancelled", "running")
    with pytest.raises(WrongState):
        sent(waits)


def test_nobody_waits_after_the_command_was_ended() -> None:
    patience = Patience()

    def ask() -> None:
        patience.stop.set()
        raise BacklogFull("Full.")

    with pytest.raises(StoppedError):
        patience.with_retries(ask)


def test_an_error_of_one_thread_ends_all(tmp_path: Path) -> None:
    write(tmp_path, 500)

    class Broken(Sink):
        def add(self, import_id: UUID, photos: Sequence[Photo]) -> None:
            super().add(import_id, photos)
            raise ImportNotFound(import_id)

    target = Broken()

    with pytest.raises(ImportNotFound):
        run(target, tmp_path).do(wait=True)
    assert len(target.batches) <= 8
