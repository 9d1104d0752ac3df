"""Pictures damaged at random end as a photo or a reason: no crash, no hang, no growth of memory."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from core.errors import PackNotInstalled
from core.inference.install import show
from core.inference.packs import read_manifest, tracked_manifest
from tests.fuzz.mutations import Mutation, damaged, mutations
from tests.fuzz.pictures import MAKERS
from tests.fuzz.reading import Reading

MAX_PIXELS = 4_000_000
"""So that a hang is not mistaken for honest work."""

LONGEST_S = 5

FIRST = 2_500
THEN = 1_500
"""Examples before memory is first measured, when every decoder has run, and after."""

MOST_GROWTH_MIB = 20
MOST_GROWTH = 1.05

MINUTES = float(os.environ.get("FACESEARCH_TEST_FUZZ_MINUTES", "0"))
"""Above 0: go on so long with pictures that were never tried; `make fuzz` sets it."""

MODELS = Path(__file__).parents[2] / "models"

_EXPLAINS_ITSELF = {
    "deadline": None,
    "database": None,
    "phases": (Phase.generate, Phase.shrink),
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def valid() -> dict[str, bytes]:
    """Valid pictures by name; those of the shared folder too, where it is there."""
    pictures = {name: make() for name, make in MAKERS.items()}
    shared = os.environ.get("FACESEARCH_TEST_DATA")
    if shared:
        folder = Path(shared, "faces", "odd-images")
        for path in sorted(folder.rglob("*")):
            if path.is_file() and 0 < path.stat().st_size <= 60_000:
                pictures[path.relative_to(folder).as_posix()] = path.read_bytes()
    return pictures


def search(reading: Reading, valid: dict[str, bytes], examples: int, number: int | None) -> None:
    """Let Hypothesis look for a picture that *reading* does not survive.

    Args:
        number: Where chance begins; None: the same pictures in every run.
    """

    @settings(max_examples=examples, derandomize=number is None, **_EXPLAINS_ITSELF)
    @given(st.sampled_from(sorted(valid)), mutations)
    def survives(name: str, how: list[Mutation]) -> None:
        reading.read(damaged(valid[name], how))

    (survives if number is None else seed(number)(survives))()


@pytest.mark.parametrize("how", ["decode", "fake"])
def test_no_damage_crashes_hangs_or_leaks(how: str, valid: dict[str, bytes]) -> None:
    with Reading(MAX_PIXELS, how, patience_s=LONGEST_S) as reading:
        search(reading, valid, FIRST, None)
        before = reading.memory()

        search(reading, valid, THEN, 1)

        after = reading.memory()
    assert after < max(before * MOST_GROWTH, before + MOST_GROWTH_MIB)


def test_no_damage_disturbs_real_models(valid: dict[str, bytes]) -> None:
    try:
        folder = show(read_manifest(tracked_manifest()).pack("open"), MODELS).folder
    except PackNotInstalled as error:
        pytest.skip(str(error))
    with Reading(MAX_PIXELS, str(folder), patience_s=2 * LONGEST_S) as reading:
        search(reading, valid, 300, None)


@pytest.mark.skipif(MINUTES <= 0, reason="FACESEARCH_TEST_FUZZ_MINUTES is not set")
def test_damage_that_was_never_tried_does_not_either(valid: dict[str, bytes]) -> None:
    end = time.monotonic() + 60 * MINUTES
    number = time.time_ns()
    with Reading(MAX_PIXELS, "fake", patience_s=LONGEST_S) as reading:
        search(reading, valid, FIRST, number)
        before = reading.memory()
        while time.monotonic() < end:
            number += 1
            search(reading, valid, THEN, number)
            assert reading.memory() < max(before * MOST_GROWTH, before + MOST_GROWTH_MIB)
