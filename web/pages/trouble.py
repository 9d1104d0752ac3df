"""A failure as a part of a page: what went wrong, in words, beside the form that met it."""

from dataclasses import dataclass
from http import HTTPStatus

from core.errors import FaceSearchError
from web.pages.words import in_words
from web.problems import kind_of


@dataclass(frozen=True, slots=True)
class Trouble:
    """An expected failure.

    Attributes:
        detail: The error's own sentence.
        hint: What can be done about it; may be empty.
    """

    code: str
    title: str
    detail: str
    hint: str
    status: HTTPStatus
    retryable: bool


def trouble(error: FaceSearchError) -> Trouble:
    """Put an error into words."""
    told = in_words(error.code)
    kind = kind_of(type(error))
    return Trouble(error.code, told.title, str(error), told.hint, kind.status, error.retryable)
