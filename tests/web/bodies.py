"""What is sent to imports, as gunicorn hands it on, whole or broken; and what became of it."""

import io
from io import BytesIO
from typing import Any


def form(photos: dict[str, bytes], **fields: Any) -> dict[str, Any]:
    files = [(BytesIO(data), name) for name, data in photos.items()]
    return {"data": {"photos": files, **fields}}


def chunked(data: bytes) -> dict[str, Any]:
    """A body whose length nobody announced, as gunicorn says it."""
    return {
        "input_stream": BytesIO(data),
        "headers": {"Transfer-Encoding": "chunked"},
        "environ_overrides": {"wsgi.input_terminated": True},
    }


class Breaks(io.RawIOBase):
    """A body that ends too early: silently, as gunicorn's of a known length do, or with an error."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        self._data = BytesIO(data)
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._data.read(len(buffer))
        if not data and self._error is not None:
            raise self._error
        buffer[: len(data)] = data
        return len(data)


def broken(data: bytes, length: int, error: Exception | None = None) -> dict[str, Any]:
    """A body that was to have *length* bytes, as gunicorn hands it on."""
    environ = {"wsgi.input": Breaks(data, error), "CONTENT_LENGTH": str(length)}
    return {"environ_overrides": {**environ, "wsgi.input_terminated": True}}


def offset(client, address: str) -> int:
    response = client.request("HEAD", f"{address}/content")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-store"
    return int(response.headers["Upload-Offset"])


def part(client, address: str, at: int, **body: Any) -> Any:
    headers = {"Upload-Offset": str(at), **body.pop("headers", {})}
    return client.patch(f"{address}/content", headers=headers, **body)


def keys(client, made: dict[str, Any]) -> list[tuple[str, str]]:
    items = client.get(made["urls"]["results"]).json["items"]
    return [(item["key"], item["state"]) for item in items]


INDEXED = [("10.png", "indexed"), ("20.png", "indexed"), ("30.png", "indexed")]
