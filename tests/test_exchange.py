"""Query photos over the counter and back, with nothing lost on the way and nothing left there."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core import errors
from core.exchange import Exchange, QueryFace, QueryPhoto
from core.faces import DetectedFace, Quality

SPACE = "sp_" + "0" * 32


@pytest.fixture
def broker(broker_url: str) -> Any:
    with redis.Redis.from_url(broker_url) as client:
        yield client


@pytest.fixture
def exchange(broker: redis.Redis) -> Exchange:
    return Exchange(broker)


def answered(exchange: Exchange, outcome: Any, **options: Any) -> QueryPhoto:
    """Ask, with a worker that takes the photo and answers *outcome*."""

    def work(request_id: str) -> None:
        assert exchange.take(request_id) is not None
        exchange.answer(request_id, outcome)

    standard = {"space_id": SPACE, "preview": False, "timeout_s": 5}
    with ThreadPoolExecutor(1) as worker:
        return exchange.ask(
            b"photo",
            ring=lambda request_id: worker.submit(work, request_id),
            **{**standard, **options},
        )


def query_face(**other: Any) -> QueryFace:
    values: dict[str, Any] = {
        "face": DetectedFace(
            (1.5, 2.0, 3.0, 4.25), np.arange(10, dtype=np.float32).reshape(5, 2) / 3, 0.75
        ),
        "quality": Quality(0.1, 0.2, 0.3, 0.4, 5.0, -6.0, 7.0),
        "norm": 21.5,
        "embedding": np.linspace(-1, 1, 128, dtype=np.float32),
    }
    return QueryFace(**{**values, **other})


def query_photo(*faces: QueryFace, preview: bytes | None = None) -> QueryPhoto:
    return QueryPhoto(SPACE, "jpeg", 640, 480, faces, preview, {"detect": 0.25})


def test_an_answer_arrives_bit_for_bit(exchange: Exchange) -> None:
    sent = query_photo(query_face(), preview=b"\xff\xd8\x00")

    got = answered(exchange, sent)

    assert (got.space_id, got.format, got.width, got.height) == (SPACE, "jpeg", 640, 480)
    assert (got.preview, got.seconds) == (b"\xff\xd8\x00", {"detect": 0.25})
    (there,), (here,) = sent.faces, got.faces
    assert (here.face.box, here.face.score) == (there.face.box, there.face.score)
    assert (here.quality, here.norm, here.reasons) == (there.quality, there.norm, ())
    np.testing.assert_array_equal(here.face.landmarks, there.face.landmarks)
    np.testing.assert_array_equal(here.embedding, there.embedding)


def test_a_face_that_cannot_be_searched_arrives_with_its_reasons(exchange: Exchange) -> None:
    skipped = query_face(quality=None, norm=None, embedding=None, reasons=("bad_landmarks",))

    (face,) = answered(exchange, query_photo(skipped)).faces

    assert (face.quality, face.norm, face.embedding) == (None, None, None)
    assert face.reasons == ("bad_landmarks",)


def test_a_worker_gets_what_was_asked_byte_for_byte(exchange: Exchange) -> None:
    taken = []
    photo = bytes(range(256)) + b"\n{}\n"

    def work(request_id: str) -> None:
        taken.append(exchange.take(request_id))
        exchange.answer(request_id, query_photo())

    exchange.ask(photo, space_id=SPACE, preview=True, timeout_s=5, ring=work)

    (request,) = taken
    assert request is not None
    assert (request.photo, request.space_id, request.preview) == (photo, SPACE, True)


@pytest.mark.parametrize(
    "error",
    [
        errors.BadImage("It is damaged."),
        errors.ImageTruncated("It ends early."),
        errors.ImageTooLarge("It is too large.", width=9, height=9),
        errors.PackNotInstalled("The pack is not there."),
        errors.DeviceUnavailable("There is no GPU.", device="cuda"),
        errors.FaceSearchError("Something else."),
    ],
)
def test_what_went_wrong_arrives_as_what_it_was(
    exchange: Exchange, error: errors.FaceSearchError
) -> None:
    with pytest.raises(errors.FaceSearchError) as raised:
        answered(exchange, error)

    assert type(raised.value) is type(error)
    assert (str(raised.value), raised.value.details) == (str(error), error.details)


def test_an_error_that_cannot_cross_arrives_as_an_internal_one(exchange: Exchange) -> None:
    with pytest.raises(errors.FaceSearchError) as raised:
        answered(exchange, errors.DatabaseUnavailable("Postgres cannot be reached."))

    assert raised.value.code == "internal_error"


def test_nobody_is_waited_for_longer_than_allowed_and_the_photo_is_gone(
    exchange: Exchange, broker: redis.Redis
) -> None:
    rung: list[str] = []

    with pytest.raises(errors.WorkerUnavailable):
        exchange.ask(b"photo", space_id=SPACE, preview=False, timeout_s=0.1, ring=rung.append)

    assert broker.keys() == []
    assert exchange.take(rung[0]) is None


def test_a_photo_is_taken_once(exchange: Exchange, broker: redis.Redis) -> None:
    answered(exchange, query_photo())

    assert broker.keys() == []


def test_photos_and_answers_never_outlive_whoever_waits(
    exchange: Exchange, broker: redis.Redis
) -> None:
    lives: list[float] = []

    def look(request_id: str) -> None:
        (key,) = broker.keys()
        lives.append(broker.pttl(key))
        exchange.answer(request_id, query_photo())
        lives.append(broker.pttl(f"facesearch:answer:{request_id}"))

    exchange.ask(b"photo", space_id=SPACE, preview=False, timeout_s=2, ring=look)

    assert 0 < lives[0] <= 2000
    assert 0 < lives[1] <= 30_000


def test_a_broker_that_is_away_is_an_error_of_its_own() -> None:
    away = Exchange(
        redis.Redis(unix_socket_path="/nowhere/broker.sock", retry=Retry(NoBackoff(), 0))
    )

    with pytest.raises(errors.BrokerUnavailable):
        away.ask(b"photo", space_id=SPACE, preview=False, timeout_s=1, ring=lambda _: None)
    with pytest.raises(errors.BrokerUnavailable):
        away.take("id")
    with pytest.raises(errors.BrokerUnavailable):
        away.answer("id", query_photo())


def test_workers_see_for_a_while_that_people_search(
    exchange: Exchange, broker: redis.Redis, wait_until: Callable[..., None]
) -> None:
    assert not Exchange(broker).searched_lately()

    exchange.note_search()

    wait_until(Exchange(broker).searched_lately, seconds=10)
    assert 0 < broker.ttl("facesearch:searching") <= 10


def test_a_search_is_noted_again_only_after_a_while(
    exchange: Exchange, broker: redis.Redis, wait_until: Callable[..., None]
) -> None:
    exchange.note_search()
    wait_until(exchange.searched_lately, seconds=10)
    broker.delete("facesearch:searching")

    exchange.note_search()
    time.sleep(0.1)

    assert not exchange.searched_lately()


def test_a_search_does_not_care_whether_its_note_arrives(wait_until: Callable[..., None]) -> None:
    with redis.Redis.from_url("redis://localhost:1", retry=Retry(NoBackoff(), 0)) as nobody:
        Exchange(nobody).note_search()

        wait_until(
            lambda: all(each.name != "note-search" for each in threading.enumerate()), seconds=10
        )
