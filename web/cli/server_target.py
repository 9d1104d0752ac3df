"""Imports of a server, by its HTTP API."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import httpx

from core import errors
from core.errors import (
    CollectionNotFound,
    FaceSearchError,
    NotAuthenticated,
    SetupError,
    WrongState,
)
from core.import_wishes import Wish
from web.cli.targets import Limits, Patience, Photo, Row, Target, View

PAGE: Final = 500
CONNECT_S: Final = 10
ANSWER_S: Final = 300
"""Within which something must come or go: a large body is made durable before it is answered."""

UNAUTHORIZED: Final = 401
CONFLICT: Final = 409
TOO_MANY: Final = 429
NO_GATEWAY: Final = frozenset({502, 503, 504})
"""Of whatever stands before the server while that starts anew."""


class ServerUnreachable(FaceSearchError):
    """The server does not answer, or something between us and it does."""

    code = "server_unreachable"
    retryable = True


class ServerTarget:
    """See `web.cli.targets.Target`."""

    def __init__(self, client: httpx.Client, address: str, patience: Patience) -> None:
        self._client = client
        self._patience = patience
        self.options = f" --server {address}"

    def limits(self) -> Limits:
        """Return what it takes."""
        found = self._json("GET", "/limits")
        return Limits(found["photo_bytes"], found["photos_per_request"], found["request_bytes"])

    def collection(self, name: str, *, create: bool) -> UUID:
        """Return the id of the collection with this name or id."""
        for each in self._pages("/collections"):
            if name in (each["name"], each["id"]):
                return UUID(each["id"])
        if not create:
            raise CollectionNotFound(repr(name))
        return UUID(self._json("POST", "/collections", json={"name": name})["id"])

    def create(self, collection_id: UUID, wish: Wish) -> View:
        """Make an import, or return the one that has its external id."""
        asked = {
            "source": wish.source.value,
            "name": wish.name,
            "external_id": wish.external_id,
            "path": wish.path,
            "bytes": wish.bytes,
            **wish.options.to_json(),
        }
        body = {name: value for name, value in asked.items() if value not in (None, [], {})}
        return _view(self._json("POST", f"/collections/{collection_id}/imports", json=body))

    def imports(self, collection_id: UUID) -> Iterator[View]:
        """Yield the imports of a collection, newest first."""
        return map(_view, self._pages(f"/collections/{collection_id}/imports"))

    def get(self, import_id: UUID) -> View:
        """Return how far an import is."""
        return _view(self._json("GET", f"/imports/{import_id}"))

    def add(self, import_id: UUID, photos: Sequence[Photo]) -> None:
        """Hand photos in; those whose keys are there are left as they are."""
        files = [
            ("photos", (photo.key, photo.data, "application/octet-stream")) for photo in photos
        ]
        self._ask("POST", f"/imports/{import_id}/photos", files=files)

    def size(self, import_id: UUID) -> int:
        """Return how many bytes of its archive or manifest are there."""
        return int(self._ask("HEAD", f"/imports/{import_id}/content").headers["Upload-Offset"])

    def append(self, import_id: UUID, data: bytes, offset: int) -> int:
        """Add bytes to its archive or manifest; return how many there are then."""
        answer = self._ask(
            "PATCH",
            f"/imports/{import_id}/content",
            content=data,
            headers={
                "Upload-Offset": str(offset),
                "Content-Type": "application/octet-stream",
            },
        )
        return int(answer.headers["Upload-Offset"])

    def has_file(self, import_id: UUID, name: str, size: int) -> bool:
        """Say whether a file that a manifest names is there, with so many bytes."""
        answer = self._ask("HEAD", _file(import_id, name))
        return int(answer.headers["Upload-Offset"]) == size

    def put_file(self, import_id: UUID, name: str, file: BinaryIO) -> None:
        """Send a file that a manifest names."""
        self._ask(
            "PUT",
            _file(import_id, name),
            content=file.read(),
            headers={"Content-Type": "application/octet-stream"},
        )

    def change(self, import_id: UUID, verb: str) -> View:
        """Start, confirm, pause, resume or cancel an import."""
        return _view(self._json("POST", f"/imports/{import_id}/{verb}"))

    def retry(self, import_id: UUID, *, dead: bool) -> int:
        """Let what failed be tried again; return how many items that are."""
        retried: int = self._json("POST", f"/imports/{import_id}/retry", json={"dead": dead})[
            "retried"
        ]
        return retried

    def delete(self, import_id: UUID) -> None:
        """Forget an import and what became of its items."""
        self._ask("DELETE", f"/imports/{import_id}")

    def results(self, import_id: UUID, state: str | None = None) -> Iterator[Row]:
        """Yield what became of the items, in the sender's order."""
        asked = {} if state is None else {"state": state}
        return map(_row, self._pages(f"/imports/{import_id}/results", **asked))

    def _pages(self, path: str, **asked: str) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages; one page is in memory."""
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = self._json("GET", path, params={"limit": PAGE, **asked, **more})
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _json(self, method: str, path: str, **more: Any) -> Any:
        try:
            return self._ask(method, path, **more).json()
        except ValueError as error:
            address = self._client.base_url
            raise SetupError(f"What answers at {address} is no facesearch.") from error

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the answer that is none of an error, trying again where that may help.

        Raises:
            FaceSearchError: What the server says, as itself where it is one of ours.
        """
        # One key for all tries: the server does it once. Photos have their names for that; a key would
        # be held for a minute by a server that was killed over them.
        if method == "POST" and not path.endswith("/photos"):
            more["headers"] = {"Idempotency-Key": uuid4().hex, **more.get("headers", {})}
        return self._patience.with_retries(lambda: self._once(method, path, more))

    def _once(self, method: str, path: str, more: Mapping[str, Any]) -> httpx.Response:
        try:
            answer = self._client.request(method, f"/v1{path}", **more)
        except httpx.TransportError as error:
            what = str(error) or type(error).__name__
            if _is_untrusted(error):
                raise SetupError(
                    f"The certificate of {self._client.base_url} is not to be trusted: {what}."
                ) from error
            raise ServerUnreachable(
                f"The server at {self._client.base_url} cannot be reached: {what}."
            ) from error
        if answer.is_success:
            return answer
        raise _problem(answer)


@contextmanager
def server_target(address: str, key: str | None, patience: Patience) -> Iterator[Target]:
    """Open the server at this address.

    Raises:
        SetupError: The address is none, or the key is missing.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SetupError(f"{address} is no address of a server, such as https://faces.example.org.")
    if not key:
        raise SetupError(
            "That server wants an API key, in FACESEARCH_API_KEY or by --key; "
            "`facesearch keys create NAME` makes one there."
        )
    if not key.isascii() or not key.isprintable():
        raise SetupError("This is no API key.")
    with httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
    ) as client:
        yield ServerTarget(client, address, patience)


def _is_untrusted(error: BaseException) -> bool:
    """Say whether a certificate is wrong, which no waiting mends."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


_OURS: Final[Mapping[str, type[FaceSearchError]]] = {
    each.code: each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, FaceSearchError)
}


_BARE: Final[Mapping[int, type[FaceSearchError]]] = {CONFLICT: WrongState}
"""What an answer without a body means: to HEAD, which has none."""


def _problem(answer: httpx.Response) -> FaceSearchError:
    """Return the error that a server tells, or what the lack of one says."""
    if answer.is_redirect:
        goal = answer.headers.get("Location", "somewhere else")
        return SetupError(f"The server sends us to {goal}: give the address of that.")
    told = _told(answer)
    retry_after = answer.headers.get("Retry-After", "")
    details = {"retry_after_s": int(retry_after)} if retry_after.isdigit() else {}
    status, code, sentence = answer.status_code, told.get("code"), told.get("detail")
    kind = _OURS.get(code or "", FaceSearchError)
    if status == UNAUTHORIZED:
        return NotAuthenticated("The server does not take this API key.")
    if code is None and status in _BARE:
        kind = _BARE[status]
    if kind is FaceSearchError and (status in {TOO_MANY, *NO_GATEWAY} or told.get("retryable")):
        return ServerUnreachable(sentence or f"The server is busy: status {status}.", **details)
    made = kind.__new__(kind)  # some of them are made of what they are about, not of a sentence
    FaceSearchError.__init__(
        made,
        sentence or f"The server answers with status {status}.",
        **{**told.get("details", {}), **details},
    )
    return made


def _told(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document of an answer; nothing where there is none."""
    if answer.headers.get("Content-Type", "") != "application/problem+json" or not answer.content:
        return {}  # an answer to HEAD has no body
    found: dict[str, Any] = answer.json()
    return found


def _file(import_id: UUID, name: str) -> str:
    # A single dot would be taken out of the address on its way.
    parts = ("%2E" if part == "." else quote(part) for part in name.split("/"))
    return f"/imports/{import_id}/files/{'/'.join(parts)}"


_NAMES: Final = frozenset(each.name for each in fields(View))


def _view(told: Mapping[str, Any]) -> View:
    known = {name: value for name, value in told.items() if name in _NAMES}
    known |= {"id": UUID(told["id"]), "collection_id": UUID(told["collection_id"])}
    return View(**known)


def _row(told: Mapping[str, Any]) -> Row:
    image_id = told["image_id"]
    return Row(
        told["position"],
        told["key"],
        told["state"],
        told["reason"],
        told["detail"],
        None if image_id is None else UUID(image_id),
        told["attempts"],
    )
