"""Archives, honest and hostile: each entry has its outcome, and nothing is lost silently."""

import gzip
import io
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from core.archive_entries import CHUNK, Limits
from core.archive_tar import LONGEST_HEADER
from core.archive_zip import CENTRAL, END
from core.archives import Member, members
from core.errors import FaceSearchError
from core.settings import MIB, Settings
from tests.packing import (
    LIMITS,
    PACKS,
    Pack,
    block,
    junk,
    noise,
    read,
    refused,
    taken,
    tar_gz,
    tar_zst,
    tarred,
    tarred_things,
    zip_link,
    zipped,
    zipped_as_a_stream,
    zstd,
)

PHOTO = noise(1, 70_000)
"""Of more than one chunk, and not to be packed any smaller."""

FILES = [("ann/1.jpg", PHOTO), ("ann/2.jpg", b"x" * 200_000), ("bob.png", b"b"), ("none.jpg", b"")]

every_pack = pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)


# --- honest archives ------------------------------------------------------------------------


@every_pack
def test_files_come_in_their_order_with_their_bytes(pack: Pack) -> None:
    assert read(pack(FILES)) == [Member(name, data) for name, data in FILES]


@every_pack
def test_nothing_comes_of_an_archive_without_files(pack: Pack) -> None:
    assert taken(read(pack([]))) == []


def test_folders_are_no_files() -> None:
    folder = tarfile.TarInfo("ann")
    folder.type = tarfile.DIRTYPE

    assert read(zipped([("ann/", b""), ("ann/1.jpg", b"1")])) == [Member("ann/1.jpg", b"1")]
    assert read(tarred_things([folder])) == []


def test_a_tar_of_several_frames_is_one() -> None:
    tar = tarred(FILES)
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0\1\2\3\4"
    halves = tar[:1001], tar[1001:]

    by_gzip = b"".join(gzip.compress(half) for half in halves)
    by_zstd = b"".join(skippable + zstd.compress(half) for half in halves)

    assert taken(read(by_gzip)) == taken(read(by_zstd)) == FILES


def test_a_long_name_of_a_tar_is_whole() -> None:
    name = "/".join(["a" * 90] * 5) + "/photo.jpg"

    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert read(tarred([(name, b"1")], format)) == [Member(name, b"1")]


def test_bytes_in_front_of_a_zip_do_not_matter_to_its_directory() -> None:
    packed = zipped(FILES)
    first = zipped([("first.jpg", b"1")])

    assert taken(read(first + packed)) == FILES


def test_offsets_that_began_at_0_again_are_understood(tmp_path: Path) -> None:
    """As macOS writes archives above 4 GiB; here the photos are far apart, with nothing between."""
    directory = b""
    with (tmp_path / "large.zip").open("wb") as file:
        for at, (name, data) in zip((0, 1 << 20, (1 << 32) + 7, (1 << 33) + 1), FILES, strict=True):
            packed = zipped([(name, data)], zipfile.ZIP_STORED)
            start = packed.index(b"PK\x01\x02")
            fields = list(CENTRAL.unpack_from(packed, start))
            fields[-1] = at % (1 << 32)
            directory += CENTRAL.pack(*fields) + name.encode()
            file.seek(at)
            file.write(packed[:start])
        at = file.tell() % (1 << 32)
        file.write(directory + END.pack(b"PK\x05\x06", 0, 0, 4, 4, len(directory), at, 0))

    with (tmp_path / "large.zip").open("rb") as file:
        assert taken(members(file, LIMITS, called="a")) == FILES


def test_one_file_is_in_memory_at_a_time() -> None:
    photos = [(f"{n}.jpg", noise(n, MIB)) for n in range(24)]
    archives = [zipped(photos), tarred(photos), tar_gz(photos), tar_zst(photos)]
    most = []
    for archive in archives:
        stream = io.BytesIO(archive)
        tracemalloc.start()
        count = sum(1 for _ in members(stream, LIMITS, called="a"))
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == len(photos)

    assert max(most) < 6 * MIB


def test_the_limits_are_those_of_the_settings() -> None:
    limits = Limits.of(Settings(max_photo_mib=2, max_archive_gib=3, max_archive_ratio=9))

    assert (limits.entry_bytes, limits.total_bytes, limits.ratio) == (2 * MIB, 3 << 30, 9)


# --- entries that are not taken ----------------------------------------------------------------


@every_pack
@pytest.mark.parametrize(
    "name",
    ["../up.jpg", "a/../../up.jpg", "/etc/passwd", "C:/x.jpg", "..\\up.jpg", "\\\\host\\x.jpg"],
)
def test_a_name_that_leads_out_is_refused_and_its_neighbours_are_taken(
    pack: Pack, name: str
) -> None:
    outcomes = read(pack([("a.jpg", b"a"), (name, b"evil"), ("z.jpg", b"z")]))

    assert taken(outcomes) == [("a.jpg", b"a"), ("z.jpg", b"z")]
    assert [code for _, code in refused(outcomes)] == ["entry_name_unsafe"]


@every_pack
def test_junk_is_counted_and_not_listed(pack: Pack) -> None:
    names = [".DS_Store", "a/Thumbs.db", ".hidden/1.jpg", "a/._1.jpg", "desktop.ini"]
    many = [(f"{n}/{name}", b"j") for n in range(50) for name in names]
    outcomes = read(pack([*many, ("__MACOSX/a.jpg", b"j"), ("a/1.jpg", b"1")]))

    assert (taken(outcomes), refused(outcomes)) == ([("a/1.jpg", b"1")], [])
    assert junk(outcomes) == len(many) + 1
    assert len(outcomes) == 2


@every_pack
def test_a_file_above_the_limit_is_refused_and_its_neighbours_are_taken(pack: Pack) -> None:
    files = [("a.jpg", b"a"), ("film.mp4", b"f" * (LIMITS.entry_bytes + 1)), ("z.jpg", b"z")]
    outcomes = read(pack(files))

    assert taken(outcomes) == [files[0], files[2]]
    assert refused(outcomes) == [("film.mp4", "file_too_large")]


@every_pack
def test_an_archive_in_the_archive_is_refused_by_name_or_by_content(pack: Pack) -> None:
    inner = zipped([("a.jpg", b"a")])
    files = [("in.ZIP", inner), ("in.jpg", inner), ("in.rar", b"?"), ("t.jpg", tarred(FILES[:1]))]

    assert refused(read(pack([*files, ("7.jpg", b"7z\xbc\xaf\x27\x1c")]))) == [
        (name, "entry_nested_archive") for name in ("in.ZIP", "in.jpg", "in.rar", "t.jpg", "7.jpg")
    ]


def test_a_link_in_a_zip_is_refused() -> None:
    assert refused(read(zip_link("photo.jpg", "/etc/passwd"))) == [
        ("photo.jpg", "entry_not_a_file")
    ]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("photo.jpg")
    info.type, info.linkname = kind, "/etc/passwd"

    assert refused(read(tarred_things([info]))) == [("photo.jpg", "entry_not_a_file")]


def test_a_device_in_a_zip_is_refused() -> None:
    packed = bytearray(zip_link("photo.jpg", "x"))
    at = packed.index(b"PK\x01\x02") + 38
    packed[at : at + 4] = struct.pack("<L", stat.S_IFCHR << 16)

    assert refused(read(bytes(packed))) == [("photo.jpg", "entry_not_a_file")]


def test_files_with_holes_are_refused_and_do_not_hide_what_follows() -> None:
    old = bytearray(block("holes.jpg", tarfile.GNUTYPE_SPARSE, 512))
    old[482] = 1  # two more blocks of the map follow, the first says so
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + 8 * 32 + sum(old[156:]))
    maps = bytes(504) + b"\1" + bytes(7) + bytes(512)
    new = tarfile.TarInfo("GNUSparseFile.0/holes.jpg")
    new.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "holes.jpg"}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(new)
    plain = tarred([("a.jpg", b"a")])
    before = stream.getvalue()[: 3 * 512]

    for start in (bytes(old) + maps + bytes(512), before):
        outcomes = read(start + plain)
        assert refused(outcomes) == [("holes.jpg", "entry_unreadable")]
        assert taken(outcomes) == [("a.jpg", b"a")]


def test_an_encrypted_entry_is_refused() -> None:
    packed = bytearray(zipped(FILES[:2]))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1

    outcomes = read(bytes(packed))

    assert refused(outcomes) == [("ann/1.jpg", "entry_encrypted")]
    assert taken(outcomes) == FILES[1:2]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_cannot_be_bounded_is_refused(method: int) -> None:
    assert refused(read(zipped(FILES[:1], method))) == [("ann/1.jpg", "entry_unreadable")]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_damages_one_entry_of_a_zip(method: int) -> None:
    packed = bytearray(zipped(FILES, method))
    packed[30_000] ^= 1

    outcomes = read(bytes(packed))

    assert refused(outcomes) == [("ann/1.jpg", "entry_damaged")]
    assert taken(outcomes) == FILES[1:]


def test_a_size_that_lies_is_not_believed() -> None:
    zeros = b"\0" * (4 * LIMITS.entry_bytes)
    packed = bytearray(zipped([("small.jpg", zeros)]))
    for at in (packed.index(b"PK\x03\x04") + 22, packed.index(b"PK\x01\x02") + 24):
        packed[at : at + 4] = struct.pack("<L", 10)

    assert refused(read(bytes(packed))) == [("small.jpg", "file_too_large")]


# --- names -----------------------------------------------------------------------------------


def test_names_of_a_zip_are_utf8_with_or_without_the_flag_or_cp437() -> None:
    flagged = zipped([("grün.jpg", b"1")])
    unflagged = flagged.replace("grün".encode(), b"gr\x81n")  # one byte shorter
    assert len(unflagged) < len(flagged)
    names = {"utf-8": "grün.jpg".encode(), "cp437": "grün.jpg".encode("cp437")}

    for stored in names.values():
        packed = zipped([("x" * len(stored), b"1")]).replace(b"x" * len(stored), stored)
        assert read(packed) == [Member("grün.jpg", b"1")]
    assert read(flagged) == [Member("grün.jpg", b"1")]


def test_the_unicode_path_of_a_zip_counts_where_it_belongs_to_the_name() -> None:
    for of, expected in ((b"gr?n.jpg", "grün.jpg"), (b"other.jpg", "gr?n.jpg")):
        path = b"\x01" + struct.pack("<L", zlib.crc32(of)) + "grün.jpg".encode()
        info = zipfile.ZipInfo("gr?n.jpg")
        info.extra = struct.pack("<HH", 0x7075, len(path)) + path
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(info, b"1")
        assert read(stream.getvalue()) == [Member(expected, b"1")]


def test_a_name_that_is_no_utf8_shows_its_bytes() -> None:
    info = tarfile.TarInfo("caf\udce9.jpg")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(info)

    assert read(stream.getvalue()) == [Member("caf%E9.jpg", b"")]


# --- what ends an archive ---------------------------------------------------------------------


@every_pack
def test_a_cut_off_archive_gives_what_came_before_and_one_outcome_for_the_rest(pack: Pack) -> None:
    files = [(f"{n}.jpg", noise(n, 50_000)) for n in range(8)]
    packed = pack(files)

    outcomes = read(packed[: len(packed) // 2])

    got = taken(outcomes)
    assert got == files[: len(got)]
    # zstd gives whole blocks of 128 KiB only.
    assert len(got) >= 2
    assert refused(outcomes) == [("the archive", "archive_truncated")]


@every_pack
def test_an_archive_cut_off_anywhere_is_never_silently_incomplete(pack: Pack) -> None:
    packed = pack([("1.jpg", b"1" * 600), ("2.jpg", noise(2, 600))])
    end = len(packed.rstrip(b"\0")) if packed[257:262] == b"ustar" else len(packed) - 1

    for length in range(1, end, 7):
        outcomes = read(packed[:length])
        assert len(refused(outcomes)) == 1, length
        assert all(name in {"1.jpg", "2.jpg"} for name, _ in taken(outcomes)), length


def test_the_end_of_an_archive_inside_is_not_that_of_a_cut_off_one() -> None:
    inner = zipped([("inner.jpg", b"1")])
    outer = zipped([("a.jpg", b"a"), ("in.jpg", inner), ("z.jpg", PHOTO)], zipfile.ZIP_STORED)

    outcomes = read(outer[: outer.index(PHOTO) + 9])

    assert taken(outcomes) == [("a.jpg", b"a")]
    assert refused(outcomes) == [
        ("in.jpg", "entry_nested_archive"),
        ("the archive", "archive_truncated"),
    ]


def test_the_checksum_of_the_whole_is_looked_at() -> None:
    packed = bytearray(tar_gz(FILES))
    packed[-8] ^= 1

    outcomes = read(bytes(packed))

    assert taken(outcomes) == FILES[:1]  # the last 64 KiB are not given away
    assert refused(outcomes) == [("the archive", "archive_damaged")]


def test_damage_in_the_middle_ends_a_tar_and_says_so() -> None:
    tar = bytearray(tarred(FILES))
    at = tar.index(b"bob.png")
    tar[at] ^= 1

    outcomes = read(bytes(tar))

    assert taken(outcomes) == FILES[:2]
    assert refused(outcomes) == [("the archive", "archive_damaged")]


def test_a_damaged_directory_of_a_zip_says_so() -> None:
    packed = bytearray(zipped(FILES))
    second = packed.index(b"PK\x01\x02", packed.index(b"PK\x01\x02") + 1)
    packed[second] ^= 1

    outcomes = read(bytes(packed))

    assert taken(outcomes) == FILES[:1]
    assert refused(outcomes) == [("the archive", "archive_damaged")]


def test_a_directory_that_lists_less_than_it_says_is_damaged() -> None:
    packed = bytearray(zipped(FILES))
    packed[-END.size + 10] += 1

    assert refused(read(bytes(packed))) == [("the archive", "archive_damaged")]


@pytest.mark.parametrize("content", [b"", b"x", b"\xff\xd8\xff" * 400, b"x" * 1000])
def test_what_is_no_archive_says_so(content: bytes) -> None:
    packed = [content, gzip.compress(content), zstd.compress(content)]

    codes = [refused(read(each)) for each in packed]

    assert codes[0] == [("the archive", "archive_unreadable")]
    assert all(len(each) == 1 for each in codes)


def test_one_part_of_several_is_refused() -> None:
    packed = bytearray(zipped(FILES))
    packed[-END.size + 4] = 1

    assert refused(read(bytes(packed))) == [("the archive", "archive_unreadable")]


# --- bombs ----------------------------------------------------------------------------------


@every_pack
def test_more_entries_than_the_limit_end_the_archive(pack: Pack) -> None:
    files = [(f"{n}.jpg", b"%d" % n) for n in range(10)]

    outcomes = read(pack(files), replace(LIMITS, entries=6))

    assert taken(outcomes) == files[:6]
    assert refused(outcomes) == [("the archive", "archive_too_large")]


@every_pack
def test_more_bytes_than_the_limit_end_the_archive(pack: Pack) -> None:
    files = [(f"{n}.jpg", noise(n, 100_000)) for n in range(5)]

    outcomes = read(pack(files), replace(LIMITS, total_bytes=350_000))

    assert taken(outcomes) == files[:3]
    assert refused(outcomes) == [("the archive", "archive_too_large")]


@pytest.mark.parametrize("pack", [zipped, tar_gz, tar_zst])
def test_an_archive_that_unpacks_to_far_too_much_is_a_bomb(pack: Pack) -> None:
    zeros = b"\0" * LIMITS.entry_bytes

    outcomes = read(pack([(f"{n}.jpg", zeros) for n in range(40)]))

    assert 1 <= len(taken(outcomes)) < 20
    assert refused(outcomes) == [("the archive", "archive_bomb")]


def test_entries_that_share_their_bytes_are_a_bomb() -> None:
    one = zipped([("0.jpg", b"\0" * LIMITS.entry_bytes)])
    at = one.index(b"PK\x01\x02")
    central = one[at : len(one) - END.size]
    fields = list(END.unpack(one[-END.size :]))
    fields[3] = fields[4] = 500
    fields[5] = 500 * len(central)
    many = one[:at] + central * 500 + END.pack(*fields)

    outcomes = read(many)

    assert 1 <= len(taken(outcomes)) < 100
    assert refused(outcomes) == [("the archive", "archive_bomb")]


def test_a_bomb_behind_the_last_entry_is_found_too() -> None:
    padded = tarred([("a.jpg", b"a")]) + bytes(64 * MIB)

    outcomes = read(gzip.compress(padded))

    assert taken(outcomes) == [("a.jpg", b"a")]
    assert refused(outcomes) == [("the archive", "archive_bomb")]


def test_a_header_that_claims_gigabytes_takes_no_memory() -> None:
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        packed = gzip.compress(block("x", kind, 1 << 33) + bytes(64 * MIB))
        tracemalloc.start()
        outcomes = read(packed, replace(LIMITS, ratio=100_000))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert refused(outcomes) == [("the archive", "archive_damaged")]
        assert most < LONGEST_HEADER


def test_headers_without_end_come_to_an_end() -> None:
    headers = block("x", tarfile.XHDTYPE, 0) * 5000 + tarred([("a.jpg", b"a")])

    assert refused(read(headers)) == [("the archive", "archive_damaged")]


def test_a_header_of_very_many_records_is_read_in_its_length() -> None:
    records = b"6 a=1\n" * (LONGEST_HEADER // 6)
    header = block("x", tarfile.XHDTYPE, len(records)) + records + bytes(-len(records) % 512)
    began = time.process_time()

    outcomes = read(header * 4 + tarred([("a.jpg", b"a")]), replace(LIMITS, entry_bytes=8 * MIB))

    assert taken(outcomes) == [("a.jpg", b"a")]
    assert time.process_time() - began < 5  # it took minutes when each record copied the rest


def test_a_window_that_takes_too_much_memory_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 28}
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(tarred(FILES)) + packer.flush()

    [outcome] = read(packed)

    assert refused([outcome]) == [("the archive", "archive_unreadable")]
    assert "smaller window" in str(outcome.error)  # type: ignore[union-attr]


def test_a_directory_that_claims_gigabytes_takes_no_memory() -> None:
    packed = bytearray(zipped(FILES))
    at = packed.index(b"PK\x01\x02")
    fields = list(CENTRAL.unpack_from(packed, at))
    fields[8], fields[9] = 0xFFFFFFF0, 5  # packed and unpacked bytes
    CENTRAL.pack_into(packed, at, *fields)

    outcomes = read(bytes(packed))

    assert refused(outcomes)[0] == ("ann/1.jpg", "entry_damaged")
    assert taken(outcomes) == FILES[1:]


def test_every_refusal_is_a_sentence() -> None:
    for outcome in read(zipped([("../x", b""), ("in.zip", b"PK")])):
        error = getattr(outcome, "error", None)
        assert isinstance(error, FaceSearchError)
        assert str(error).endswith(".")


def test_zeros_of_a_stream_are_unpacked_in_small_pieces() -> None:
    packed = zipped_as_a_stream([("a.jpg", b"\0" * MIB)])
    whole = read(packed)

    assert taken(whole) == [("a.jpg", b"\0" * MIB)]
    assert CHUNK < MIB
