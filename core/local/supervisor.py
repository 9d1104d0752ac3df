"""Starts everything on one machine, keeps it running, stops it in order, leaves nothing behind."""

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psutil

from core import checks
from core.db.migrate import upgrade
from core.errors import SetupError
from core.local import machine, processes, sockets, state
from core.local.accounts import folder_mode
from core.local.broker import Broker
from core.local.postgres import Postgres
from core.local.process import Child, Command, require_running, wait_ready
from core.local.state import Running, State
from core.settings import Settings

logger = logging.getLogger(__name__)

STOP_ORDER = ("web", "beat", "worker", "broker", "postgres")
TICK_S = 0.1

POSTGRES_S = 600
"""Repairing a big database after a crash of the machine takes its time."""

WORKER_S = 900
"""Building TensorRT engines on the first start takes minutes."""

OTHERS_S = 60

LEFTOVER_S = 30


class Stopped(BaseException):
    """Somebody asked to stop; not an Exception, so that nothing on the way takes it for one."""


@dataclass(slots=True)
class Crashes:
    """When a process crashed, and how long to wait before the next try.

    Attributes:
        most: Crashes within *window_s* seconds that mean it will not get better by itself.
    """

    most: int = 5
    window_s: float = 120
    times: deque[float] = field(default_factory=deque)

    def count(self, now: float) -> float | None:
        """Note a crash; return the seconds to wait before another start, None to give up."""
        self.times.append(now)
        while now - self.times[0] > self.window_s:
            self.times.popleft()
        if len(self.times) >= self.most:
            return None
        return 0.5 * float(2 ** (len(self.times) - 1))


class Supervisor:
    """The local system. Create and `run` it in the main thread; `stop` may come from anywhere."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.data_dir.absolute()
        self._run = state.run_folder(settings.data_dir)
        self._commands: dict[str, Callable[[], Command]] = {}
        self._children: dict[str, Child] = {}
        self._crashes: dict[str, Crashes] = {}
        self._due: dict[str, float] = {}
        self._stopping = False

    def stop(self) -> None:
        """Ask `run` to stop everything and return. Safe in a signal handler."""
        self._stopping = True

    def run(self, on_ready: Callable[[Settings], bool]) -> None:
        """Start everything, say so, and watch over it until `stop` is called.

        Args:
            on_ready: Called once with settings that name the database and the broker; returns
                whether to go on. A process that crashes meanwhile is seen to afterwards.

        Raises:
            SetupError: Something cannot start here, or crashes again and again.
        """
        self._make_folders()
        with state.only_one(self._data), suppress(Stopped):
            machine.require_port(self._settings)
            machine.require_disk(self._settings)
            machine.require_pack(self._settings)
            self._end_leftovers()
            folder = sockets.choose(self._run)
            try:
                settings = self._start(folder)
                if on_ready(settings):
                    self._watch()
            finally:
                self._stop_all()
                sockets.discard(folder, self._run)
                state.forget(self._data)

    def _make_folders(self) -> None:
        mode = folder_mode()
        try:
            self._data.mkdir(mode=mode, parents=True, exist_ok=True)
            self._run.mkdir(mode=mode, exist_ok=True)
            (self._data / "logs").mkdir(mode=0o700, exist_ok=True)
            (self._run / "lock").touch(mode=0o600)
        except OSError as error:
            raise SetupError(
                f"The data folder {self._data} cannot be written ({error.strerror}): choose "
                "another FACESEARCH_DATA_DIR."
            ) from error

    def _start(self, folder: Path) -> Settings:
        postgres = Postgres(self._data / "postgres", folder / "postgres")
        broker = Broker(folder / "broker.sock")
        settings = self._settings.model_copy(
            update={
                "database_url": self._settings.database_url or postgres.url,
                "broker_url": self._settings.broker_url or broker.url,
            }
        )
        assert settings.database_url is not None
        assert settings.broker_url is not None
        self._note(
            State(
                supervisor=Running.of(os.getpid()),
                database_url=settings.database_url,
                broker_url=settings.broker_url,
                sockets=str(folder),
                page=processes.page(settings),
            )
        )
        if not self._settings.database_url:
            machine.require_processor()
            self._bring_up("postgres", postgres.prepare, postgres.answers, POSTGRES_S)
            postgres.create_database()
        if not self._settings.broker_url:
            self._bring_up("broker", broker.prepare, broker.answers, OTHERS_S)
        self._pause()
        upgrade(settings.database_url)
        checks.require(settings, logger)
        self._start_our_own(settings)
        self._note(replace(self._state, ready=True))
        return settings

    def _start_our_own(self, settings: Settings) -> None:
        """Start all three before waiting for one: they load at the same time."""
        broker_url = self._state.broker_url
        for name, command in (
            ("worker", processes.worker),
            ("beat", processes.beat),
            ("web", processes.web),
        ):
            self._commands[name] = partial(command, settings)
            self._spawn(name)
        self._wait("web", lambda: processes.web_answers(settings), OTHERS_S)
        self._wait("worker", lambda: processes.worker_answers(broker_url), WORKER_S)
        self._wait("beat", lambda: True, OTHERS_S)

    def _bring_up(
        self, name: str, command: Callable[[], Command], ready: Callable[[], bool], seconds: float
    ) -> None:
        self._commands[name] = command
        self._spawn(name)
        self._wait(name, ready, seconds)

    def _spawn(self, name: str) -> None:
        log = self._data / "logs" / f"{name}.log"
        self._children[name] = child = Child(self._commands[name](), log)
        children = {**self._state.children, name: Running.of(child.pid)}
        self._note(replace(self._state, children=children))

    def _wait(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        wait_ready(self._children[name], ready, seconds=seconds, pause=self._pause_for_start)
        logger.info("%s is up", name)

    def _pause_for_start(self, seconds: float) -> None:
        self._pause(seconds)
        for child in self._children.values():
            require_running(child)

    def _note(self, new: State) -> None:
        self._state = new
        state.write(self._data, new)

    def _pause(self, seconds: float = 0) -> None:
        time.sleep(seconds)
        if self._stopping:
            raise Stopped

    def _watch(self) -> None:
        while True:
            for name, child in list(self._children.items()):
                code = child.exit_code()
                if code is not None:
                    del self._children[name]
                    self._plan_restart(name, code, child)
            for name, due in list(self._due.items()):
                if time.monotonic() >= due:
                    del self._due[name]
                    self._spawn(name)
            self._pause(TICK_S)

    def _plan_restart(self, name: str, code: int, child: Child) -> None:
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        wait_s = self._crashes.setdefault(name, Crashes()).count(time.monotonic())
        if wait_s is None:
            raise SetupError(
                f"{name} keeps crashing: {child.last_words() or how} (see {child.log})."
            )
        logger.warning("%s %s; starting it again in %.1f s", name, how, wait_s)
        self._due[name] = time.monotonic() + wait_s

    def _stop_all(self) -> None:
        for name in STOP_ORDER:
            child = self._children.pop(name, None)
            if child is not None and not child.stop():
                logger.warning("%s did not stop in time and was killed", name)
        logger.info("everything is stopped")

    def _end_leftovers(self) -> None:
        """End what a supervisor that was killed may have left; most of it ends by itself."""
        last = state.read(self._data)
        if last is None:
            return
        found = [child.process() for child in last.children.values()]
        processes_left = [process for process in found if process is not None]
        if processes_left:
            logger.info("waiting for processes of the last run to end")
        for process in processes_left:
            # SIGINT is a fast shutdown for Postgres and ends the others as well.
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
        _, stubborn = psutil.wait_procs(processes_left, timeout=LEFTOVER_S)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        sockets.discard(Path(last.sockets), self._run)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
