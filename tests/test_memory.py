"""What a process asks of its memory allocator."""

import platform
from pathlib import Path

import psutil
import pytest

from core.memory import limits, reserved, share_heaps, usable
from core.settings import MIB


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


MEMINFO = """MemTotal:       24681284 kB
HugePages_Total:    3400
HugePages_Free:     3000
HugePages_Rsvd:        0
Hugepagesize:       2048 kB
"""


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, 6000 * MIB), ("max", 6000 * MIB), ("0", 0), ("1048576", MIB)]
)
def test_reserved_huge_pages_count_unless_our_control_group_forbids_them(
    tmp_path: Path, limit: str | None, expected: int
) -> None:
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "membership").write_text("0::/ours\n")
    (tmp_path / "fs/ours").mkdir(parents=True)
    if limit is not None:
        (tmp_path / "fs/ours/hugetlb.2MB.max").write_text(f"{limit}\n")

    found = reserved(tmp_path / "meminfo", tmp_path / "fs", tmp_path / "membership")

    assert found == expected


@pytest.mark.parametrize("text", ["", "MemTotal: 1 kB\n"])
def test_a_kernel_without_huge_pages_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "meminfo").write_text(text)

    assert reserved(tmp_path / "meminfo", tmp_path, tmp_path / "none") == 0
    assert reserved(tmp_path / "nothing", tmp_path, tmp_path / "none") == 0
