"""What a process asks of its memory allocator."""

import platform

from core.memory import share_heaps


def test_heaps_are_shared_where_the_libc_is_gnus() -> None:
    assert share_heaps() or platform.libc_ver()[0] != "glibc"
