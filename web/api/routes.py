"""Routes of the API: each is registered with Flask and documented by the same call.

A view takes its path ids, and a ``query`` and a ``body`` whose annotations are the models they are
read with. It returns a model (the answer), None (204) or a whole Response.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, TypeAlias, TypeVar, get_type_hints

from flask import Blueprint, Response
from pydantic import BaseModel

from core import errors, idempotency
from core.errors import FaceSearchError
from web.api import reading

PREFIX = "/v1"

View = TypeVar("View", bound=Callable[..., BaseModel | Response | None])


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes of one of these media types."""

    media_types: tuple[str, ...]


Content: TypeAlias = type[BaseModel] | Binary | None
"""What a body holds; None: there is no body."""

PICTURE = Binary(("image/*", "application/octet-stream"))
"""A photo as the whole request body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that is no failure.

    Attributes:
        also: In which other forms the same is told, where the sender asks for one of them.
    """

    content: Content
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    also: Binary | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that means something here."""

    name: str
    description: str
    example: str


IDEMPOTENCY_KEY = Header(
    idempotency.HEADER,
    f"A name of yours for this request, 1 to {idempotency.LONGEST_KEY} characters of printable "
    f"ASCII. Sent again with the same key within {idempotency.KEEP_HOURS} hours, it is answered as "
    "before and not done again.",
    "6f1c9a52-upload-17",
)
REPLAYED = "Idempotency-Replayed"
KEY_PROBLEMS = (
    errors.InvalidRequest,
    errors.IdempotencyMismatch,
    errors.IdempotencyInProgress,
    errors.ServerBusy,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path, as it is documented.

    Attributes:
        id: Stable; generated clients make a function name of it.
        rule: Flask's, with the prefix.
        bodies: By media type.
        needs_body: It cannot be left out.
        problems: What can go wrong beyond what can go wrong everywhere.
    """

    id: str
    method: str
    rule: str
    tag: str
    summary: str
    description: str
    query: type[BaseModel] | None
    bodies: Mapping[str, type[BaseModel] | Binary]
    headers: Sequence[Header]
    answers: Mapping[HTTPStatus, Answer]
    problems: Sequence[type[FaceSearchError]]
    public: bool
    needs_body: bool


class Routes:
    """The operations of one noun.

    Attributes:
        operations: In the order in which they were written down.
    """

    def __init__(self, name: str, description: str) -> None:
        self.name = name
        self.description = description
        self.blueprint = Blueprint(name, __name__, url_prefix=PREFIX)
        self.operations: list[Operation] = []

    def route(
        self,
        method: str,
        rule: str,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        answers: Mapping[HTTPStatus, Answer] | None = None,
        query: type[BaseModel] | None = None,
        bodies: Mapping[str, type[BaseModel] | Binary] | None = None,
        headers: Sequence[Header] = (),
        problems: Sequence[type[FaceSearchError]] = (),
        public: bool = False,
        needs_body: bool = True,
    ) -> Callable[[View], View]:
        """Serve a view under *method* and *rule*.

        Args:
            status: Of the answer when the view returns a model.
            answers: Documents a view that returns whole responses.
            query: Documents the parameters of a view that reads them itself.
            bodies: Documents a view that reads the body itself.
        """

        def register(view: View) -> View:
            hints = get_type_hints(view)
            taken, body = hints.get("query"), hints.get("body")
            summary, _, description = cleandoc(view.__doc__ or "").partition("\n")
            operation = Operation(
                id=view.__name__,
                method=method,
                rule=PREFIX + rule,
                tag=self.name,
                summary=summary.rstrip("."),
                description=description.strip(),
                query=query or taken,
                bodies=bodies or ({"application/json": body} if body else {}),
                headers=headers,
                answers=answers or _usual(status, hints["return"]),
                problems=problems,
                public=public,
                needs_body=needs_body,
            )
            self.operations.append(_repeatable(operation) if method == "POST" else operation)
            served = _served(view, taken, body, status)
            self.blueprint.add_url_rule(rule, view.__name__, served, methods=[method])
            return view

        return register


def _repeatable(operation: Operation) -> Operation:
    """Document what `web.idempotency` does for every POST."""
    replayed = {REPLAYED: "`true`: this is the answer to an earlier request with the same key."}
    return replace(
        operation,
        headers=[*operation.headers, IDEMPOTENCY_KEY],
        answers={
            status: replace(answer, headers={**answer.headers, **replayed})
            for status, answer in operation.answers.items()
        },
        problems=[*operation.problems, *KEY_PROBLEMS],
    )


def _usual(status: HTTPStatus, returned: Any) -> Mapping[HTTPStatus, Answer]:
    if returned is type(None):
        return {HTTPStatus.NO_CONTENT: Answer(None)}
    return {status: Answer(returned)}


def _served(
    view: Callable[..., BaseModel | Response | None],
    query: type[BaseModel] | None,
    body: type[BaseModel] | None,
    status: HTTPStatus,
) -> Callable[..., Response]:
    @wraps(view)
    def serve(**given: Any) -> Response:
        if query is not None:
            given["query"] = reading.query(query)
        if body is not None:
            given["body"] = reading.json_body(body)
        answer = view(**given)
        if isinstance(answer, Response):
            return answer
        if answer is None:
            response = Response(status=HTTPStatus.NO_CONTENT)
            del response.headers["Content-Type"]
            return response
        return json_reply(answer, status)

    return serve


def json_reply(answer: BaseModel, status: HTTPStatus) -> Response:
    """Send a model."""
    return Response(answer.model_dump_json(), status, mimetype="application/json")
