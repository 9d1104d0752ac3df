"""The OpenAPI 3.1 document, made from the operations and the models that serve the requests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from core import errors
from core.errors import FaceSearchError
from web import problems
from web.api.models.common import Problem
from web.api.routes import Answer, Binary, Operation, Routes
from web.problems import Kind
from web.services import version

REF = "#/components/schemas/{model}"
PATH_PART = re.compile(r"<(uuid|path):([a-z_]+)>")
PATH_TYPES: Mapping[str, Mapping[str, str]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "path": {"type": "string"},
}

SAFE_METHODS = frozenset({"GET", "HEAD"})

DESCRIPTION = """\
Photos go in, faces are found and embedded, and a search finds the same person in other photos.

Send an API key as `Authorization: Bearer fsk_...` (`facesearch keys create NAME` makes one).
Failures are problem documents (RFC 9457) with a stable `code`. Ids are opaque. Lists are read page
by page with `cursor`. Every answer has an `X-Request-Id`, which stands in the log too.
"""

Document = dict[str, Any]


def build(nouns: Sequence[Routes]) -> Document:
    """Return the document of these nouns."""
    operations = [operation for noun in nouns for operation in noun.operations]
    schemas = _Schemas(operations)
    paths: dict[str, Document] = {}
    for operation in operations:
        path = path_of(operation)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "facesearch", "version": version(), "description": DESCRIPTION},
        "servers": [{"url": "/", "description": "This installation."}],
        "tags": [{"name": noun.name, "description": noun.description} for noun in nouns],
        "security": [{"key": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, as `facesearch keys create NAME` prints it once.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "facesearch_session",
                    "description": "The session of somebody who uses the page.",
                },
            },
            "headers": {
                "X-Request-Id": {
                    "description": "Names this request in the log; one that was sent is kept.",
                    "schema": {"type": "string"},
                },
            },
        },
    }


def path_of(operation: Operation) -> str:
    """Return its path as the document writes it."""
    return PATH_PART.sub(r"{\2}", operation.rule)


class _Schemas:
    """The JSON schemas of all models, made together so that each name means one thing."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        given = {m for op in operations for m in (op.query, *op.bodies.values())}
        told = {answer.content for op in operations for answer in op.answers.values()}
        wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
        wanted += [(m, "validation") for m in _models(given)]
        wanted += [(m, "serialization") for m in _models(told)]
        self._refs, definitions = models_json_schema(wanted, ref_template=REF)
        self._definitions: dict[str, Document] = definitions["$defs"]
        self._queries = {op.query.__name__ for op in operations if op.query is not None}

    def ref(self, model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Document:
        return dict(self._refs[model, mode])

    def parameters(self, model: type[BaseModel]) -> list[Document]:
        """Take a query model apart."""
        schema = self._definitions[model.__name__]
        return [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                **({"description": field["description"]} if "description" in field else {}),
                "schema": {key: value for key, value in field.items() if key != "description"},
            }
            for name, field in schema["properties"].items()
        ]

    def components(self) -> dict[str, Document]:
        """Return what is referred to."""
        return {
            name: schema
            for name, schema in sorted(self._definitions.items())
            if name not in self._queries
        }


def _models(contents: Iterable[Any]) -> list[type[BaseModel]]:
    found = [each for each in contents if isinstance(each, type) and issubclass(each, BaseModel)]
    return sorted(found, key=lambda model: model.__name__)


def _operation(operation: Operation, schemas: _Schemas) -> Document:
    document: Document = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, schemas),
    }
    if operation.bodies:
        document["requestBody"] = {
            "required": operation.needs_body,
            "content": {
                media_type: _content(content, media_type, schemas, "validation")
                for media_type, content in operation.bodies.items()
            },
        }
    if operation.public:
        document["security"] = [{}, {"key": []}, {"session": []}]
    return document


def _parameters(operation: Operation, schemas: _Schemas) -> list[Document]:
    return [
        *(
            {"name": name, "in": "path", "required": True, "schema": PATH_TYPES[kind]}
            for kind, name in PATH_PART.findall(operation.rule)
        ),
        *(schemas.parameters(operation.query) if operation.query is not None else ()),
        *(
            {
                "name": header.name,
                "in": "header",
                "required": False,
                "description": header.description,
                "schema": {"type": "string", "examples": [header.example]},
            }
            for header in operation.headers
        ),
    ]


def _content(
    content: type[BaseModel] | Binary,
    media_type: str,
    schemas: _Schemas,
    mode: Literal["validation", "serialization"],
) -> Document:
    if isinstance(content, Binary):
        return {"schema": {"type": "string", "contentMediaType": media_type}}
    return {"schema": schemas.ref(content, mode)}


def _responses(operation: Operation, schemas: _Schemas) -> Document:
    responses = {
        str(status.value): _answer(status, answer, schemas)
        for status, answer in operation.answers.items()
    }
    by_status: dict[HTTPStatus, list[Kind]] = {}
    for kind in problems_of(operation):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        # Health answers 503 with its own body.
        responses.setdefault(str(status.value), _problem(kinds, schemas))
    return responses


def problems_of(operation: Operation) -> list[Kind]:
    """Return every kind of problem that an operation may answer with."""
    if operation.public:
        return [problems.INTERNAL]
    expected: list[type[FaceSearchError]] = [
        errors.NotAuthenticated,
        errors.DatabaseUnavailable,
        *operation.problems,
    ]
    kinds = [problems.INTERNAL]
    if operation.method not in SAFE_METHODS:
        expected.append(errors.CrossSite)
    if operation.query is not None or operation.bodies:
        expected.append(errors.InvalidRequest)
    if operation.bodies:
        kinds += [
            problems.HTTP_KINDS[HTTPStatus.REQUEST_ENTITY_TOO_LARGE],
            problems.HTTP_KINDS[HTTPStatus.UNSUPPORTED_MEDIA_TYPE],
        ]
    kinds += [problems.kind_of(error) for error in dict.fromkeys(expected)]
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))


def _answer(status: HTTPStatus, answer: Answer, schemas: _Schemas) -> Document:
    response: Document = {
        "description": answer.description or status.phrase,
        "headers": {
            "X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"},
            **{
                name: {"description": description, "schema": {"type": "string"}}
                for name, description in answer.headers.items()
            },
        },
    }
    if isinstance(answer.content, Binary):
        response["content"] = {
            media_type: _content(answer.content, media_type, schemas, "serialization")
            for media_type in answer.content.media_types
        }
    elif answer.content is not None:
        response["content"] = {
            "application/json": {"schema": schemas.ref(answer.content, "serialization")}
        }
        for media_type in answer.also.media_types if answer.also is not None else ():
            response["content"][media_type] = {"schema": {"type": "string"}}
    return response


def _problem(kinds: Sequence[Kind], schemas: _Schemas) -> Document:
    lines = [f"* `{kind.code}`: {' '.join(kind.meaning.split())}" for kind in kinds]
    return {
        "description": "\n".join(lines),
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {
            problems.MEDIA_TYPE: {
                "schema": schemas.ref(Problem, "serialization"),
                "examples": {kind.code: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: Kind) -> Mapping[str, Any]:
    return {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status.value,
        "detail": kind.meaning.partition("\n")[0],
        "instance": "/v1/...",
        "code": kind.code,
        "retryable": kind.retryable,
        "details": {},
        "request_id": "req_0123456789abcdef",
    }
