"""Can this machine run facesearch? Asked before anything starts, answered in one sentence."""

import platform
import shutil
import socket
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from core.errors import SetupError
from core.inference.install import show
from core.inference.packs import load_manifest
from core.settings import MIB, Settings

NEEDED_FLAGS = ("avx2", "fma", "f16c")
"""What the vector kernels of the embedded Postgres are compiled for."""

ROOM_MIB = 1024
"""Disk for a new cluster, its write-ahead log and our logs, on top of the limit for uploads."""


def require_processor(flags: Collection[str] | None = None) -> None:
    """Refuse a processor on which the embedded Postgres would die of an illegal instruction.

    Args:
        flags: What the processor can do; None asks it. Other kinds of processor than x86-64 have
            builds of their own and need nothing.

    Raises:
        SetupError: Names what is missing.
    """
    found = _processor_flags() if flags is None else flags
    missing = [flag.upper() for flag in NEEDED_FLAGS if found and flag not in found]
    if missing:
        raise SetupError(
            f"This processor lacks {', '.join(missing)}, which the embedded Postgres needs; set "
            "FACESEARCH_DATABASE_URL to a Postgres on another machine."
        )


def _processor_flags() -> frozenset[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpuinfo.exists():
        return frozenset()
    for line in cpuinfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def require_disk(settings: Settings) -> None:
    """Refuse to start where the first uploads would be refused anyway.

    Raises:
        SetupError: Says how much is free and how much it takes.
    """
    free = shutil.disk_usage(settings.data_dir).free // MIB
    needed = settings.min_free_disk_mib + ROOM_MIB
    if free < needed:
        raise SetupError(
            f"Only {free} MiB of disk are free in {settings.data_dir} and facesearch needs "
            f"{needed}: free some, or choose another FACESEARCH_DATA_DIR."
        )


def require_pack(settings: Settings) -> None:
    """Refuse to start when the worker would only end with the same sentence a little later.

    Raises:
        ModelError: The pack of new collections is unknown or not installed; names the cure.
    """
    show(load_manifest(settings).pack(settings.pack), settings.models_dir)


def require_port(settings: Settings) -> None:
    """Refuse a port that somebody else listens on.

    Raises:
        SetupError: Names the port and the setting.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            # As the web server does: an address whose last connections are still closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SetupError(
            f"The page cannot listen on {settings.host}:{settings.port} ({error.strerror}): set "
            "FACESEARCH_PORT (or FACESEARCH_HOST) to a free one."
        ) from error
