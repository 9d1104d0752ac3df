"""Analysing a query photo for somebody who waits: from the exchange, through a pipeline, and back."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.errors import BadImage, FaceSearchError, PackNotInstalled
from core.exchange import Exchange, QueryFace, QueryPhoto, Request
from core.images import Copies
from core.pipeline import AnalysedPhoto
from core.stages import Stage


class Analyser(Protocol):
    """A pipeline, as far as its callers care; tests pass fakes.

    Attributes:
        places: How many threads can be at a stage at once; one where it says nothing.
    """

    @property
    def places(self) -> Mapping[Stage, int]: ...

    def analyse(
        self, photos: Sequence[bytes], *, copies: Copies = Copies.NONE
    ) -> list[AnalysedPhoto | BadImage]:
        """Return a result for each photo, in their order, with the small copies asked for."""
        ...


def answer(exchange: Exchange, pipelines: Mapping[str, Analyser], request_id: str) -> None:
    """Analyse the photo of a request and hand the result over; do nothing when nobody waits.

    Raises:
        Exception: What broke the pipeline; whoever waits is told so first.
    """
    request = exchange.take(request_id)
    if request is None:
        return
    outcome: QueryPhoto | FaceSearchError
    try:
        outcome = _analyse(pipelines, request)
    except FaceSearchError as error:
        outcome = error
    except Exception:
        exchange.answer(request_id, FaceSearchError("This photo could not be analysed."))
        raise
    exchange.answer(request_id, outcome)


def _analyse(pipelines: Mapping[str, Analyser], request: Request) -> QueryPhoto | BadImage:
    try:
        pipeline = pipelines[request.space_id]
    except KeyError:
        raise PackNotInstalled(
            "The model pack of this collection is not installed where the workers run.",
            space_id=request.space_id,
        ) from None
    copies = Copies.PREVIEW if request.preview else Copies.NONE
    (result,) = pipeline.analyse([request.photo], copies=copies)
    return result if isinstance(result, BadImage) else query_photo(request.space_id, result)


def query_photo(space_id: str, photo: AnalysedPhoto) -> QueryPhoto:
    """Keep of an analysed photo what a search needs: faces that can be searched come first."""
    searchable = [
        QueryFace(each.face, each.quality, each.norm, each.embedding) for each in photo.faces
    ]
    skipped = [QueryFace(each.face, None, None, None, (each.reason,)) for each in photo.skipped]
    return QueryPhoto(
        space_id=space_id,
        format=photo.header.format,
        width=photo.header.width,
        height=photo.header.height,
        faces=(*searchable, *skipped),
        preview=photo.preview,
        seconds=photo.timings.busy(),
    )
