"""Nothing is lost and nothing doubled while processes are killed at random.

``make chaos PHOTOS=10000 KILLS=20 SEED=1`` is the long form.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.chaos import KILL_EVERY_S, Drain, drain, plan
from tests.faults.outcome import require_files, require_same
from tests.faults.system import System, Victim

PHOTOS = int(os.environ.get("FACESEARCH_TEST_CHAOS_PHOTOS", "500"))
KILLS = int(os.environ.get("FACESEARCH_TEST_CHAOS_KILLS", "8"))
SEED = int(os.environ.get("FACESEARCH_TEST_CHAOS_SEED", "20261130"))
LONG = PHOTOS >= 2000

SENDING_S = 60.0 if LONG else 5.0
PATIENCE_S = 1800.0 if LONG else 90.0


def test_an_import_ends_as_if_nobody_had_been_killed(
    system: Callable[..., System], shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)  # noqa: S311  repeatable, and no secret
    quick = {} if LONG else {"lease_s": 5, "sweep_s": 1}
    running = system(**quick)
    folder = shared_data / "faces" / "lfw"

    calm = drain(running, folder, PHOTOS, sending_s=SENDING_S, patience_s=PATIENCE_S)
    sending_s = max(SENDING_S, KILLS * KILL_EVERY_S)
    kills = plan(rng, KILLS, max(sending_s, 0.8 * calm.seconds))
    wild = drain(
        running,
        folder,
        PHOTOS,
        sending_s=sending_s,
        kills=kills,
        patience_s=PATIENCE_S,
    )

    least = require_same(calm.outcome, wild.outcome)
    report = require_files(running)
    with capsys.disabled():
        print(_told(calm, wild, least, report.removable.files, running))  # noqa: T201  the figures are asked for
    assert {kill.victim for kill in kills} == set(Victim)


def _told(calm: Drain, wild: Drain, least: float, orphans: int, system: System) -> str:
    """Say what was measured."""
    settings = system.settings
    faces = sum(map(len, calm.outcome.faces.values()))
    lines = [
        f"\nchaos of {time.strftime('%Y-%m-%d')}: {PHOTOS} photos, {KILLS} kills, seed {SEED}; "
        f"lease {settings.lease_s} s, sweep {settings.sweep_s:.0f} s",
        f"  undisturbed: sent in {calm.sent:.1f} s, drained in {calm.seconds:.1f} s",
        f"  disturbed:   sent in {wild.sent:.1f} s, drained in {wild.seconds:.1f} s",
        f"  {faces} faces of {len(calm.outcome.people)} people in both; least cosine between both "
        f"{least:.6f}; {orphans} files that no row needs, removed",
        "  killed: " + ", ".join(f"{kill.victim} at {kill.after:.1f} s" for kill in wild.kills),
    ]
    return "\n".join(lines)
