"""Sending an archive in parts and photos one by one, trying again as ``facesearch ingest`` does."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core.errors import OffsetMismatch
from core.import_wishes import Options, Source, Wish
from tests.faults.photos import Album
from tests.faults.system import System
from web.cli.targets import Photo, Target, View

PART: Final = 256 * 1024
BATCH: Final = 8
SENDERS: Final = 3
POLL_S: Final = 0.25

PEOPLE: Final = Options(people_by_folder=True)


@dataclass(frozen=True, slots=True)
class Pace:
    """Spreads what is sent over some seconds, as a slow line does."""

    began: float
    seconds: float

    @classmethod
    def over(cls, seconds: float) -> "Pace":
        """Begin now."""
        return cls(time.monotonic(), seconds)

    def wait(self, share: float) -> None:
        """Return when this share of the time is over."""
        time.sleep(max(0.0, self.began + share * self.seconds - time.monotonic()))


def send_archive(target: Target, home: UUID, archive: bytes, pace: Pace) -> UUID:
    """Send an archive in small parts; return its import, which starts by itself."""
    wish = Wish(Source.ARCHIVE, "archive", PEOPLE, external_id="archive", bytes=len(archive))
    made = target.create(home, wish)
    there = 0
    while there < len(archive):
        pace.wait(there / len(archive))
        try:
            there = target.append(made.id, archive[there : there + PART], there)
        except OffsetMismatch as error:  # the answer to a part got lost
            there = int(error.details["offset"])
    return made.id


def send_photos(
    system: System, target: Target, home: UUID, album: Album, numbers: range, pace: Pace
) -> UUID:
    """Send photos a few at a time, from several senders at once; return their import."""
    made = target.create(home, Wish(Source.FILES, "photos", PEOPLE, external_id="photos"))

    def send(part: range) -> None:
        pace.wait((part.start - numbers.start) / len(numbers))
        with system.target() as sender:
            sender.add(made.id, [Photo(album.key(each), album.photo(each)) for each in part])

    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(send, [numbers[at : at + BATCH] for at in range(0, len(numbers), BATCH)]))
    return target.change(made.id, "start").id


def wait_over(target: Target, system: System, ids: Sequence[UUID], seconds: float) -> list[View]:
    """Wait until imports are over; return what they say then."""
    end = time.monotonic() + seconds
    while True:
        views = [target.get(each) for each in ids]
        if all(view.is_over for view in views):
            return views
        assert time.monotonic() < end, f"not over in {seconds:.0f} s: {views}\n{system.told()}"
        time.sleep(POLL_S)
