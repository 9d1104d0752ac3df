"""A photo that kills its worker each time ends ``dead``; its neighbours do not go with it."""

from collections.abc import Callable
from pathlib import Path

from core.import_wishes import Source, Wish
from tests.faults import photos
from tests.faults.outcome import require_consistent, require_files
from tests.faults.photos import POISON, Album
from tests.faults.sending import wait_over
from tests.faults.system import System

NEIGHBOURS = 60
AT = 20
"""In the middle of a batch, with others before and behind it."""


def test_a_photo_that_kills_its_worker_three_times_is_dead_and_no_neighbour_is(
    system: Callable[..., System], shared_data: Path
) -> None:
    running = system(lease_s=5, sweep_s=1)
    album = Album.of(shared_data / "faces" / "lfw", "poison")
    sent = list(album.photos(range(NEIGHBOURS)))
    sent.insert(AT, ("poison.jpg", photos.marked(album.photo(AT), POISON)))
    archive = photos.pack(iter(sent), {})

    with running.target() as target:
        home = target.collection("poisoned", create=True)
        made = target.create(home, Wish(Source.ARCHIVE, "archive", bytes=len(archive)))
        target.append(made.id, archive, 0)
        [view] = wait_over(target, running, [made.id], 90)
        rows = {row.key: row for row in target.results(made.id)}

    dead = rows.pop("poison.jpg")
    assert (dead.state, dead.reason, dead.attempts) == ("dead", "worker_lost", 3)
    assert "died" in (dead.detail or "")
    assert len(running.deaths.read_text().split()) == 3
    assert {row.state for row in rows.values()} == {"indexed"}
    assert view.state == "done"
    assert view.reasons["worker_lost"] == 1
    with running.database() as conn:
        require_consistent(conn, home)
    require_files(running)
