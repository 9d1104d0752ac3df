"""The same photos imported twice: undisturbed, and while processes are killed at random."""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from tests.faults import photos
from tests.faults.outcome import Outcome, outcome, require_consistent
from tests.faults.photos import Album
from tests.faults.sending import Pace, send_archive, send_photos, wait_over
from tests.faults.system import System, Victim

KILL_EVERY_S: Final = 3.0
"""On average at most: the supervisor gives up what crashes five times in two minutes."""

MOST_IN_A_ROW: Final = 4
ROW_S: Final = 125.0

DAMAGED: Final = "Nobody/damaged.jpg"
NO_PHOTO: Final = "Nobody/text.jpg"
FACELESS: Final = {("indexed", "no_face_found"), ("indexed", "no_usable_face")}
TWICE: Final = "Nobody/again.jpg"


@dataclass(frozen=True, slots=True)
class Kill:
    """Who is killed, and when: seconds after the first byte was sent."""

    after: float
    victim: Victim


def plan(rng: random.Random, kills: int, seconds: float) -> list[Kill]:
    """Return kills at random moments of a time, web's the first: that is when most is on its way in.

    Before anybody is killed a second time everybody was once.
    """
    moments = sorted(rng.uniform(0.05, 0.95) * seconds for _ in range(kills))
    victims: list[Victim] = []
    while len(victims) < kills:
        victims += rng.sample(list(Victim), len(Victim))
    first = victims.index(Victim.WEB)
    victims[0], victims[first] = victims[first], victims[0]
    return [Kill(*each) for each in zip(moments, victims, strict=False)]


@dataclass(slots=True)
class Killer:
    """Kills as planned, in a thread of its own.

    Attributes:
        done: When they happened: what does not run at its moment is waited for.
    """

    system: System
    kills: Sequence[Kill]
    done: list[Kill] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Kill until all were, or the imports are over."""
        began = time.monotonic()
        for kill in self.kills:
            before = [each.after for each in self.done if each.victim is kill.victim]
            # More often than that, and the supervisor would give it up.
            patient = before[-MOST_IN_A_ROW] + ROW_S if len(before) >= MOST_IN_A_ROW else 0.0
            after = max(kill.after, patient)
            if self.over.wait(max(0.0, began + after - time.monotonic())):
                return
            self.system.kill(kill.victim)
            self.done.append(Kill(time.monotonic() - began, kill.victim))


@dataclass(frozen=True, slots=True)
class Drain:
    """One run.

    Attributes:
        seconds: From the first byte sent until the last item had its state.
        sent: Of them, until the last byte was sent.
    """

    outcome: Outcome
    seconds: float
    sent: float
    kills: Sequence[Kill]


def drain(
    system: System,
    folder: Path,
    count: int,
    *,
    sending_s: float,
    kills: Sequence[Kill] = (),
    patience_s: float,
) -> Drain:
    """Import *count* photos into a new collection, and require that all in it is right.

    Half of them come in an archive, the others one by one.

    Args:
        folder: Of folders of photos of people.
        sending_s: Sending takes so long, if the system does not make it take longer.
    """
    name = "disturbed" if kills else "undisturbed"
    album = Album.of(folder, name)
    half = count // 2
    archive = _archive(album, half)
    killer = Killer(system, kills)
    with system.target() as target, ThreadPoolExecutor(3) as threads:
        home = target.collection(name, create=True)
        pace = Pace.over(sending_s)
        killing = threads.submit(killer.run)
        sending = [
            threads.submit(send_archive, target, home, archive, pace),
            threads.submit(send_photos, system, target, home, album, range(half, count), pace),
        ]
        try:
            ids = [each.result() for each in sending]
            sent = time.monotonic() - pace.began
            views = wait_over(target, system, ids, patience_s)
            seconds = time.monotonic() - pace.began
        finally:
            killer.over.set()
        killing.result()
    assert [view.state for view in views] == ["done", "done"]
    assert len(killer.done) == len(kills), "it was over before everybody was killed"
    return Drain(_right(system, home, album, half, count), seconds, sent, killer.done)


def _archive(album: Album, half: int) -> bytes:
    """Pack the first half of the photos, and what is no new photo."""
    more = {
        "Nobody/.DS_Store": b"junk",
        DAMAGED: photos.damaged(album.photo(0)),
        NO_PHOTO: b"This is a text.",
        TWICE: album.photo(0),
    }
    return photos.pack(album.photos(range(half)), more)


def _right(system: System, home: UUID, album: Album, half: int, count: int) -> Outcome:
    """Return what is there, if it is what must be."""
    with system.database() as conn:
        require_consistent(conn, home)
        found = outcome(conn, home)
    expected: dict[tuple[str, str], tuple[str, str | None]] = {
        ("archive", DAMAGED): ("rejected", "image_truncated"),
        ("archive", NO_PHOTO): ("rejected", "unsupported_format"),
        ("archive", TWICE): ("skipped", "duplicate_image"),
    }
    for number in range(count):
        expected["archive" if number < half else "photos", album.key(number)] = ("indexed", None)
    without_face = {key for key, faces in found.faces.items() if not faces}
    for place in expected:
        if place[1] in without_face and found.items.get(place) in FACELESS:
            expected[place] = found.items[place]
    assert len(without_face) * 10 < count, "most of these photos show a face"
    wrong = {
        place: (found.items.get(place), expected.get(place))
        for place in found.items.keys() | expected.keys()
        if found.items.get(place) != expected.get(place)
    }
    assert not wrong, f"found, and expected: {wrong}"
    return found
