"""What a worker does with a query photo: whoever waits always gets an answer."""

from collections.abc import Callable
from typing import Any

import pytest

from core import analysis
from core.db.collections import Collection
from core.errors import BadImage, FaceSearchError, PackNotInstalled
from core.exchange import QueryPhoto
from core.services import Services

Photo = Callable[[int], bytes]


@pytest.fixture
def ask(services: Services, collection: Collection, fake_pipeline: Any) -> Callable[..., Any]:
    """Ask with a worker that answers within the ring; what broke it is kept in ``ask.broke``."""
    broke: list[Exception] = []

    def work(request_id: str) -> None:
        try:
            analysis.answer(services.exchange, {collection.space_id: fake_pipeline}, request_id)
        except RuntimeError as error:
            broke.append(error)

    def asked(photo: bytes, *, space_id: str | None = None, preview: bool = False) -> QueryPhoto:
        return services.exchange.ask(
            photo,
            space_id=space_id or collection.space_id,
            preview=preview,
            timeout_s=5,
            ring=work,
        )

    asked.broke = broke  # type: ignore[attr-defined]
    return asked


def test_faces_that_can_be_searched_come_first_and_the_others_say_why(
    ask: Any, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces, fake_pipeline.skipped = 2, 1

    answer = ask(photo(1))

    assert [face.embedding is not None for face in answer.faces] == [True, True, False]
    assert [face.reasons for face in answer.faces] == [(), (), ("bad_landmarks",)]
    assert [face.norm is not None for face in answer.faces] == [True, True, False]
    assert [*answer.seconds.values()] == [0.1, 0.0, 0.2, 0.3, 0.4]
    assert [*answer.seconds] == ["decode", "copies", "detect", "align", "embed"]


def test_a_preview_comes_only_when_it_is_asked_for(ask: Any, photo: Photo) -> None:
    assert ask(photo(1)).preview is None
    assert ask(photo(1), preview=True).preview == b"preview"


def test_a_damaged_photo_is_an_answer(ask: Any, fake_pipeline: Any, photo: Photo) -> None:
    fake_pipeline.refuse = {photo(1)}

    with pytest.raises(BadImage, match="damaged"):
        ask(photo(1))

    assert ask.broke == []


def test_a_space_that_this_worker_lacks_is_an_answer(ask: Any, photo: Photo) -> None:
    with pytest.raises(PackNotInstalled) as error:
        ask(photo(1), space_id="sp_other")

    assert error.value.details == {"space_id": "sp_other"}


def test_a_broken_pipeline_answers_before_it_is_reported(
    ask: Any, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.poison = {photo(1)}

    with pytest.raises(FaceSearchError) as error:
        ask(photo(1))

    assert error.value.code == "internal_error"
    assert "model" not in str(error.value)
    assert len(ask.broke) == 1


def test_a_request_that_nobody_waits_for_any_more_runs_no_model(
    services: Services, collection: Collection, fake_pipeline: Any
) -> None:
    analysis.answer(services.exchange, {collection.space_id: fake_pipeline}, "long-gone")

    assert fake_pipeline.batches == []
