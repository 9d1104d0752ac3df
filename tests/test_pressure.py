"""While too many photos wait no more are taken; the count is good for a second."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from core.db.collections import Collection
from core.errors import BacklogFull
from core.intake import accept
from core.offers import Upload
from core.pressure import Pressure
from core.services import Services


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still."""
    now = [1000.0]
    monkeypatch.setattr("core.pressure.monotonic", lambda: now[0])
    return now


@pytest.fixture
def crowded(services: Services) -> Services:
    """Services that take two photos."""
    settings = services.settings.model_copy(update={"max_backlog": 2})
    return replace(services, settings=settings, pressure=Pressure())


def test_more_photos_than_the_limit_wait_for_others_to_go(
    crowded: Services,
    collection: Collection,
    doorbell,
    clock: list[float],
    photo: Callable[[int], bytes],
) -> None:
    def send(*numbers: int) -> int:
        uploads = [Upload(f"{n}.png", photo(n)) for n in numbers]
        return len(accept(crowded, doorbell, collection.id, uploads).items)

    assert send(1) == 1
    assert send(2, 3) == 2  # still the count of a moment ago
    clock[0] += 1.0
    with pytest.raises(BacklogFull, match="2 photos or more") as caught:
        send(4)
    assert caught.value.details == {"max_backlog": 2}

    with crowded.pool.connection() as conn:
        conn.execute("UPDATE items SET state = 'indexed' WHERE position = 0")
    with pytest.raises(BacklogFull):
        send(4)  # still the count of a moment ago
    clock[0] += 1.0
    assert send(4) == 1


def test_what_has_no_photo_yet_is_no_backlog(
    crowded: Services, collection: Collection, clock: list[float]
) -> None:
    with crowded.pool.connection() as conn:
        [job_id] = conn.execute(
            "INSERT INTO jobs (collection_id, kind) VALUES (%s, 'import') RETURNING id",
            [collection.id],
        ).fetchone()
        conn.execute(
            "INSERT INTO items (job_id, collection_id, position, key, state, lane) "
            "SELECT %s, %s, n, 'k', CASE n WHEN 5 THEN 'indexed' ELSE 'waiting' END, "
            "CASE n WHEN 0 THEN %s::uuid WHEN 5 THEN %s::uuid END FROM generate_series(0, 9) AS n",
            [job_id, collection.id, uuid4(), uuid4()],
        )

    crowded.pressure.require_room(crowded.pool, 2)
    clock[0] += 1.0
    with pytest.raises(BacklogFull):
        crowded.pressure.require_room(crowded.pool, 1)
