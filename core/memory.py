"""How much memory there is, and keeping that of a process with many threads flat."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

ARENAS: Final = 2
"""Threads of one process share so many heaps of glibc."""

GROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")

_M_ARENA_MAX: Final = -8
"""Of mallopt(3)."""


def share_heaps() -> bool:
    """Let threads share few heaps; to be called before they start. Returns whether this libc can.

    glibc gives threads heaps of their own, eight for each core, and each keeps the size of the
    largest photo that its threads ever decoded. Over 5,000 photos a worker grew by 6 % with them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, ARENAS))


def usable() -> int:
    """Return the bytes of memory of this machine, or of the container or service that we are in."""
    return min([int(psutil.virtual_memory().total), *limits()])


def reserved(
    meminfo: Path = Path("/proc/meminfo"),
    groups: Path = GROUPS,
    membership: Path = MEMBERSHIP,
) -> int:
    """Return the bytes of huge pages that an administrator reserved and nobody uses yet.

    Those that our control groups forbid are left out: whoever touches one of them is killed.
    """
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    found = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    if "HugePages_Free" not in found or "Hugepagesize" not in found:
        return 0
    size_kib = int(found["Hugepagesize"][0])
    free = int(found["HugePages_Free"][0]) * size_kib * 1024
    name = f"hugetlb.{size_kib // 1024}MB"
    return min([free, *limits(groups, membership, "hugetlb", name)])


def limits(
    groups: Path = GROUPS,
    membership: Path = MEMBERSHIP,
    controller: str = "memory",
    name: str = "memory",
) -> Iterator[int]:
    """Give the limits of the control groups that we are in, of both versions; in bytes.

    A container may show the path that its group has outside, and the group itself at the root: so
    every folder on the way counts, and those that are not there do not.
    """
    lines = membership.read_text().splitlines() if membership.exists() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and controller not in controllers.split(","):
            continue
        folder = groups / controller if controllers else groups
        file_name = f"{name}.limit_in_bytes" if controllers else f"{name}.max"
        inside = folder / path.lstrip("/")
        for each in (inside, *inside.parents):
            file = each / file_name
            if each.is_relative_to(folder) and file.is_file():
                written = file.read_text().strip()
                if written.isdigit():  # else it is "max"
                    yield int(written)
