"""Errors as ``application/problem+json`` (RFC 9457). The only place that knows HTTP statuses.

At the addresses for programs a failure is a problem document, elsewhere a page.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from inspect import getdoc
from typing import Any

import psycopg
from flask import Flask, Response, g, json, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from core import errors
from core.db import pool
from core.errors import FaceSearchError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[FaceSearchError], HTTPStatus] = {
    errors.FaceSearchError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.CollectionNotFound: HTTPStatus.NOT_FOUND,
    errors.ImageNotFound: HTTPStatus.NOT_FOUND,
    errors.FaceNotFound: HTTPStatus.NOT_FOUND,
    errors.PersonNotFound: HTTPStatus.NOT_FOUND,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.ChangeNotFound: HTTPStatus.NOT_FOUND,
    errors.BlobMissing: HTTPStatus.NOT_FOUND,
    errors.NotKept: HTTPStatus.NOT_FOUND,
    errors.NotReady: HTTPStatus.CONFLICT,
    errors.NameTaken: HTTPStatus.CONFLICT,
    errors.AlreadyUndone: HTTPStatus.CONFLICT,
    errors.SpaceMismatch: HTTPStatus.CONFLICT,
    errors.WrongCollection: HTTPStatus.CONFLICT,
    errors.CalibrationNeeded: HTTPStatus.CONFLICT,
    errors.ImportNotFound: HTTPStatus.NOT_FOUND,
    errors.WrongState: HTTPStatus.CONFLICT,
    errors.OffsetMismatch: HTTPStatus.CONFLICT,
    errors.UploadBusy: HTTPStatus.CONFLICT,
    errors.UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BacklogFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.IndexWorkRefused: HTTPStatus.CONFLICT,
    errors.ConfirmationRequired: HTTPStatus.BAD_REQUEST,
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.CursorExpired: HTTPStatus.GONE,
    errors.IdempotencyMismatch: HTTPStatus.CONFLICT,
    errors.IdempotencyInProgress: HTTPStatus.CONFLICT,
    errors.BadEmbedding: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BadImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageEmpty: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsupportedFormat: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.FileTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ImageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ImageTruncated: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageCorrupt: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PhotoDiffers: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ProcessingFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WorkerLost: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BadArchive: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ArchiveDamaged: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ArchiveTruncated: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ArchiveTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ArchiveBomb: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BadEntry: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EntryNameUnsafe: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EntryNotAFile: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EntryNested: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EntryEncrypted: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EntryDamaged: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BadManifest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ItemInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceNotAllowed: HTTPStatus.FORBIDDEN,
    errors.SourceMissing: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceUnreachable: HTTPStatus.BAD_GATEWAY,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.CrossSite: HTTPStatus.FORBIDDEN,
    errors.WorkerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ServerBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BrokerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SearchTimeout: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.ReportNotFound: HTTPStatus.NOT_FOUND,
    errors.ReviewItemNotFound: HTTPStatus.NOT_FOUND,
    errors.ReportFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SetupError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotRunning: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ModelError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.PackNotFound: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PackNotInstalled: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.LicenceNotAccepted: HTTPStatus.CONFLICT,
    errors.DigestMismatch: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DownloadFailed: HTTPStatus.BAD_GATEWAY,
    errors.DeviceUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

DOCUMENTS = frozenset({"/v1", "/openapi.json", "/metrics"})
"""Addresses for programs outside of ``/v1/``."""

RETRY_AFTER_S: Mapping[HTTPStatus, int] = {
    HTTPStatus.CONFLICT: 1,
    HTTPStatus.TOO_MANY_REQUESTS: 5,
    HTTPStatus.SERVICE_UNAVAILABLE: 5,
}
"""When to try again what may succeed later. A full disk needs a person first."""

KEPT_HEADERS = frozenset({"Allow", "Retry-After", "WWW-Authenticate"})
"""Of Werkzeug's own errors; their bodies are not kept."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem, as its help page and the API's documentation describe it."""

    code: str
    status: HTTPStatus
    retryable: bool
    meaning: str

    @property
    def title(self) -> str:
        """The code in words."""
        return self.code.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure, told to the person or program that met it."""

    kind: Kind
    detail: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the members of the problem document."""
        return {
            "type": f"/problems/{self.kind.code}",
            "title": self.kind.title,
            "status": self.kind.status.value,
            "detail": self.detail,
            "instance": request.path,
            "code": self.kind.code,
            "retryable": self.kind.retryable,
            "details": dict(self.details),
            "request_id": _request_id(),
        }


HTTP_KINDS: Mapping[HTTPStatus, Kind] = {
    kind.status: kind
    for kind in (
        Kind("bad_request", HTTPStatus.BAD_REQUEST, False, "The request cannot be read."),
        Kind("not_found", HTTPStatus.NOT_FOUND, False, "There is nothing at this address."),
        Kind(
            "method_not_allowed",
            HTTPStatus.METHOD_NOT_ALLOWED,
            False,
            "The address exists and does not take this method; the header Allow names those "
            "that it takes.",
        ),
        Kind(
            "request_too_large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            False,
            "The body is larger than the limit, or has more parts; see /v1/limits.",
        ),
        Kind(
            "unsupported_media_type",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            False,
            "The header Content-Type names something that this address does not take.",
        ),
    )
}
"""What the web server itself finds wrong, before any of our code is asked."""

INTERNAL = Kind(
    "internal_error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    False,
    "A mistake of ours. It is in the log, under the request id.",
)


def kind_of(error: type[FaceSearchError]) -> Kind:
    """Describe an error type."""
    if error is FaceSearchError:
        return INTERNAL
    return Kind(error.code, STATUS[error], error.retryable, getdoc(error) or "")


def kinds() -> list[Kind]:
    """Return every kind of problem, by code."""
    ours = [kind_of(error) for error in STATUS if error is not errors.NotFound]
    return sorted([*ours, *HTTP_KINDS.values()], key=lambda kind: kind.code)


def image_error(code: str, detail: str, **details: Any) -> FaceSearchError:
    """Build the error for a photo that a worker refused, from what it wrote down."""
    known = {error.code: error for error in STATUS if issubclass(error, errors.BadImage)}
    return known.get(code, errors.BadImage)(detail, reason=code, **details)


def init_app(app: Flask) -> None:
    """Answer every failure, expected or not."""

    @app.errorhandler(FaceSearchError)
    def expected(error: FaceSearchError) -> ResponseReturnValue:
        problem = Problem(kind_of(type(error)), str(error), error.details)
        if problem.kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            cause = error.__cause__
            logger.warning("[%s] %s: %s", _request_id(), error.code, error, exc_info=cause)
        return _answer(problem)

    @app.errorhandler(psycopg.OperationalError)
    def database_away(error: psycopg.OperationalError) -> ResponseReturnValue:
        logger.warning("[%s] the database failed", _request_id(), exc_info=error)
        told = pool.expected(error)
        return _answer(Problem(kind_of(type(told)), str(told)))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        status = HTTPStatus(error.code or 500)
        if status < HTTPStatus.BAD_REQUEST:
            return error  # a redirect
        response = _answer(_http_problem(status, error))
        response.headers.extend(h for h in error.get_headers() if h[0] in KEPT_HEADERS)
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> ResponseReturnValue:
        where = f"{request.method} {request.path}"
        logger.error("[%s] unhandled error on %s", _request_id(), where, exc_info=error)
        return _answer(Problem(INTERNAL, "The server could not answer; this has been logged."))


def _http_problem(status: HTTPStatus, error: HTTPException) -> Problem:
    if status == HTTPStatus.NOT_FOUND:
        return Problem(HTTP_KINDS[status], "There is nothing at this address.")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Problem(
            HTTP_KINDS[status],
            "The body is larger than this address takes, or has too many parts.",
            {"max_bytes": request.max_content_length},
        )
    detail = error.description or status.phrase
    fallback = Kind(status.name.lower(), status, False, status.phrase)
    return Problem(HTTP_KINDS.get(status, fallback), detail)


def wants_document() -> bool:
    """Say whether a program asks, which gets a document and not a page."""
    return request.path.startswith("/v1/") or request.path in DOCUMENTS


def _answer(problem: Problem) -> Response:
    kind = problem.kind
    document = problem.document()
    if wants_document():
        response = Response(json.dumps(document), kind.status, mimetype=MEDIA_TYPE)
    else:
        page = render_template("error.html", problem=document)
        response = Response(page, kind.status, mimetype="text/html")
    if kind.retryable and kind.status in RETRY_AFTER_S:
        response.headers["Retry-After"] = str(RETRY_AFTER_S[kind.status])
    if kind.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="facesearch"'
    return response


def _request_id() -> str:
    return str(g.get("request_id", ""))
