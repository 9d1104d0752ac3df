"""Bars of an import: what is sent, what is indexed, how fast, how long still and what limits it."""

import time
from types import TracebackType
from typing import Final, Self

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from core.errors import WorkerUnavailable
from web.cli.common import console
from web.cli.targets import Target, View

LOOK_EVERY_S: Final = 0.5
SHARE: Final = 10.0
"""The pause between two looks is so many times what the last one took: a million items take long to
count."""
PATIENCE_S: Final = 120
"""Seconds without any photo finished, where a person must do something, after which we stop waiting."""

NEEDS_SOMEBODY: Final = frozenset({"no_worker", "disk"})

MINUTE_S: Final = 60
HOUR_S: Final = 3600


class Bars:
    """Two bars on standard error. Threads may tell it what they sent."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Count(),
            _Pace(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=console(),
        )
        self._sent: TaskID | None = None
        self._indexed: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def sending(self, what: str, *, total: int | None, is_bytes: bool = False) -> None:
        """Begin the bar of something that is sent."""
        self._indexed = None
        self._sent = self._progress.add_task(what, total=total, note="", is_bytes=is_bytes)

    def expect(self, total: int) -> None:
        """Say how much there is to send."""
        if self._sent is not None:
            self._progress.update(self._sent, total=total)

    def sent(self, amount: int) -> None:
        """Count photos or bytes that were sent."""
        if self._sent is not None:
            self._progress.advance(self._sent, amount)

    def all_sent(self) -> None:
        """End the bar: so many there were."""
        if self._sent is not None:
            task = next(each for each in self._progress.tasks if each.id == self._sent)
            self._progress.update(self._sent, total=task.completed, note="")

    def tell(self, what: str | None) -> None:
        """Say what sending waits for; None: for nothing."""
        if self._sent is not None:
            self._progress.update(self._sent, note=what or "")
        elif what:
            self.remark(what)

    def remark(self, what: str) -> None:
        """Say something above the bars."""
        self._progress.console.print(what, highlight=False)

    def show(self, view: View) -> None:
        """Show how far an import is."""
        if self._indexed is None:
            self._indexed = self._progress.add_task("indexed", total=None, note="")
        waits = view.advice if view.limit in NEEDS_SOMEBODY else view.limit
        self._progress.update(
            self._indexed,
            total=view.total,
            completed=view.done,
            rate=view.rate,
            eta_s=view.eta_s,
            note="paused" if view.state == "paused" else f"limit: {waits}" if waits else "",
        )


class Watch:
    """Looks at an import now and then, and gives up where nothing moves."""

    def __init__(self, target: Target, bars: Bars) -> None:
        self._target = target
        self._bars = bars
        self._next_look = 0.0
        self._moved = time.monotonic()
        self._done = -1

    def look(self, view: View) -> View:
        """Return the newest view, or *view* itself where that would be too early.

        Raises:
            WorkerUnavailable: It stands still, and somebody must do something about that.
        """
        now = time.monotonic()
        if now < self._next_look:
            return view
        newest = self._target.get(view.id)
        seen = time.monotonic()
        self._next_look = seen + max(LOOK_EVERY_S, SHARE * (seen - now))
        self._bars.show(newest)
        if newest.done != self._done or newest.limit not in NEEDS_SOMEBODY:
            self._done, self._moved = newest.done, now
        elif now - self._moved > PATIENCE_S:
            raise WorkerUnavailable(
                f"Nothing was indexed for {PATIENCE_S} s; what was sent is kept and waits. "
                f"{newest.advice}"
            )
        return newest

    def until_over(self, view: View) -> View:
        """Return the import as it ended."""
        while not view.is_over:
            newest = self.look(view)
            if newest is view:
                time.sleep(LOOK_EVERY_S / 5)
            view = newest
        self._bars.show(view)
        return view


class _Count(ProgressColumn):
    """How many of how many."""

    def render(self, task: Task) -> Text:
        write = decimal if task.fields.get("is_bytes") else _number
        total = "?" if task.total is None else write(int(task.total))
        return Text(f"{write(int(task.completed))}/{total}", style="progress.download")


class _Pace(ProgressColumn):
    """Speed and time left; as the server says where it says so."""

    def render(self, task: Task) -> Text:
        rate = task.fields.get("rate", task.speed)
        left = task.fields.get("eta_s", task.time_remaining)
        if task.finished or not rate:
            return Text("")
        speed = f"{decimal(int(rate))}/s" if task.fields.get("is_bytes") else f"{rate:,.1f}/s"
        return Text(speed if left is None else f"{speed}, {duration(left)} left")


def _number(count: int) -> str:
    return f"{count:,}"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h"
