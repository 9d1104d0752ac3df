"""What a process asks of its memory allocator."""

import platform
from pathlib import Path

import psutil

from core.memory import limits, share_heaps, usable


def test_heaps_are_shared_where_the_libc_is_gnus() -> None:
    assert share_heaps() or platform.libc_ver()[0] != "glibc"


def test_the_memory_of_a_container_counts_and_not_that_of_its_machine(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/a.slice/b.service\n")
    group = tmp_path / "fs" / "a.slice" / "b.service"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text("2147483648\n")

    assert list(limits(tmp_path / "fs", membership)) == [2 * 2**30]


def test_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("5:cpu,cpuacct:/x\n4:memory:/docker/known-outside-alone\n0::/\n")
    (tmp_path / "fs" / "memory").mkdir(parents=True)
    (tmp_path / "fs" / "memory" / "memory.limit_in_bytes").write_text("1073741824\n")

    assert list(limits(tmp_path / "fs", membership)) == [2**30]


def test_without_groups_the_machine_alone_counts(tmp_path: Path) -> None:
    assert list(limits(tmp_path, tmp_path / "none")) == []
    assert 0 < usable() <= psutil.virtual_memory().total
