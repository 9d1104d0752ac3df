"""What the benchmarks of imports send, and how they judge what they saw."""

import io
import tarfile

from benchmarks.import_memory import Course
from benchmarks.import_system import tar
from benchmarks.large_archive import Archive, parts

MIB = 1024 * 1024


def test_an_archive_that_is_made_while_it_is_sent_is_a_tar() -> None:
    photos = [("first.jpg", b"1" * 700), ("second.jpg", b"2" * 512), ("third.jpg", b"3")]

    stream = io.BytesIO(b"".join(tar(iter(photos))))

    with tarfile.open(fileobj=stream, mode="r:") as archive:
        found = [(each.name, archive.extractfile(each)) for each in archive]
        assert [(name, file and file.read()) for name, file in found] == photos


def test_the_announced_size_of_an_archive_is_that_of_its_bytes() -> None:
    archive = Archive(b"x" * 1300, 7)

    assert archive.size == sum(map(len, archive.bytes()))


def test_parts_are_the_whole() -> None:
    stream = [bytes([n]) * 50 * MIB for n in range(3)]

    cut = list(parts(iter(stream)))

    assert [len(part) for part in cut] == [64 * MIB, 64 * MIB, 22 * MIB]
    assert b"".join(cut) == b"".join(stream)


def test_memory_that_grows_only_at_the_beginning_is_flat() -> None:
    seconds = [float(n) for n in range(100)]

    warm = Course.of(seconds, [min(n, 15) * MIB + 300 * MIB for n in range(100)])
    leak = Course.of(seconds, [n * MIB + 300 * MIB for n in range(100)])

    assert warm.is_flat
    assert not leak.is_flat
    assert round(leak.slope) == MIB
