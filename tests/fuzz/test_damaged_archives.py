"""Archives damaged at random: outcomes only, no crash, no hang, and never silently incomplete."""

import gzip
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.archives import Junk, Member, Refused
from core.errors import BadArchive
from tests.fuzz.mutations import Mutation, damaged, mutations
from tests.packing import PACKS, noise, read, tarred, zstd

FILES = [
    ("ann/1.jpg", noise(1, 400)),
    ("ann/2.jpg", b"2" * 3000),
    ("grün.png", b"g"),
    ("a/" * 60 + "deep.png", noise(3, 700)),
]
BYTES = {data for _, data in FILES}
WHOLE = {name: pack(FILES) for name, pack in PACKS.items()}
ZIPS = [name for name in PACKS if name.startswith("zip")]

LONGEST_S = 2

fuzzed = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=400,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", WHOLE)
@fuzzed
@given(how=mutations)
def test_every_damaged_archive_ends_in_outcomes(name: str, how: list[Mutation]) -> None:
    began = time.monotonic()

    outcomes = read(damaged(WHOLE[name], how))

    assert all(isinstance(each, Member | Refused | Junk) for each in outcomes)
    assert time.monotonic() - began < LONGEST_S


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@fuzzed
@given(how=mutations)
def test_a_damaged_tar_that_is_packed_whole_ends_in_outcomes(
    pack: Callable[[bytes], bytes], how: list[Mutation]
) -> None:
    assert isinstance(read(pack(damaged(tarred(FILES), how))), list)


@pytest.mark.parametrize("name", ZIPS)
@fuzzed
@given(how=mutations)
def test_a_damaged_zip_gives_whole_files_only(name: str, how: list[Mutation]) -> None:
    members = [each for each in read(damaged(WHOLE[name], how)) if isinstance(each, Member)]

    assert {each.data for each in members} <= BYTES | {b""}


@pytest.mark.parametrize("name", WHOLE)
@fuzzed
@given(
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 7)), min_size=1, max_size=3)
)
def test_wrong_bits_hide_no_file_silently(name: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE[name])
    for place, bit in flips:
        data[place % len(data)] ^= 1 << bit

    outcomes = read(bytes(data))

    told = any(
        isinstance(each, Refused) and isinstance(each.error, BadArchive) for each in outcomes
    )
    files = sum(each.count if isinstance(each, Junk) else 1 for each in outcomes)
    assert told or files >= len(FILES)
