"""One supervised child process: started in its own session, logged to a file, stopped for sure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import SetupError
from core.local.accounts import Account

WRAPPER = Path(__file__).with_name("child.py")
LOG_KEPT_BYTES = 10 * 1024 * 1024
PRIVATE = 0o077
"""umask of every child: photos, crops and logs are nobody else's business."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a program is run.

    Attributes:
        argv: The program by absolute path, and its arguments.
        environment: All of it; None hands on our own.
        stop_signal: What makes it end in good order.
        stop_s: Seconds it has for that before it is killed.
        death_signal: What it gets when the supervisor vanishes without stopping it.
        account: Who it runs as; None: who we are.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None


class Child:
    """A running command. Start it from a thread that lives as long as the child may: Linux sends
    the death signal when the starting *thread* ends.
    """

    def __init__(self, command: Command, log: Path) -> None:
        self.command = command
        self.log = log
        self._swept = False
        _turn_over(log)
        account = command.account
        arguments = [
            *(sys.executable, "-I", "-S", str(WRAPPER)),
            *(str(os.getpid()), str(int(command.death_signal))),
            f"{account.uid}:{account.gid}" if account else "-",
            *command.argv,
        ]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=command.environment,
                umask=PRIVATE,
                # Ctrl-C at the terminal reaches the supervisor alone, which stops all in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id; also of its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return None while it runs, else its exit code, negative for the signal that ended it."""
        code = self._process.poll()
        if code is not None and not self._swept:
            # At once, while the number of the group cannot have been given to somebody else.
            self._swept = True
            self._kill_group()
        return code

    def stop(self) -> bool:
        """End it in good order, or kill it when it takes too long; then what is left of its group.

        Returns:
            Whether it ended by itself.
        """
        in_time = True
        if self._process.poll() is None:
            self._process.send_signal(self.command.stop_signal)
            try:
                self._process.wait(self.command.stop_s)
            except subprocess.TimeoutExpired:
                in_time = False
                self._kill_group()
                self._process.wait()
        self.exit_code()
        return in_time

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """Return the last line that it logged, or an empty string."""
        with self.log.open("rb") as stream:
            stream.seek(max(0, self.log.stat().st_size - 4096))
            lines = stream.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def wait_ready(
    child: Child,
    ready: Callable[[], bool],
    *,
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until *ready* says that a child does its work.

    Args:
        pause: Waits between two questions; may raise to give up.

    Raises:
        SetupError: It ended, or was not ready within *seconds*; quotes the last line of its log.
    """
    end = time.monotonic() + seconds
    while not ready():
        require_running(child)
        if time.monotonic() > end:
            raise SetupError(_failure(child, f"was not ready within {seconds:.0f} s"))
        pause(0.05)


def require_running(child: Child) -> None:
    """Refuse to go on without a child that has ended.

    Raises:
        SetupError: It has; quotes the last line of its log.
    """
    if child.exit_code() is not None:
        raise SetupError(_failure(child, "stopped while it started"))


def _failure(child: Child, what: str) -> str:
    words = child.last_words().rstrip(".")
    return f"{child.command.name} {what}: {words or 'it said nothing'} (see {child.log})."


def _turn_over(log: Path) -> None:
    """Keep one older log, so that a log never fills the disk across restarts."""
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
