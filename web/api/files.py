"""Pictures as answers: the right media type, a harmless file name, nothing a browser would run."""

from io import BytesIO
from pathlib import PurePosixPath

from flask import Response, send_file

from core.formats import sniff
from web.api.reading import clean_key
from web.api.routes import Binary

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "heic": "image/heic",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "gif": "image/gif",
}
UNKNOWN = "application/octet-stream"

KEPT_S = 3600
"""How long a browser may keep what we made ourselves; logging out empties its cache earlier."""

PHOTO = Binary(tuple(MEDIA_TYPES.values()))
SMALL = Binary(("image/webp", "image/jpeg"))
CROP = Binary(("image/png", "image/webp"))


def picture(data: bytes, format: str, name: str) -> Response:
    """Send a photo of a known format under *name*, whose ending becomes the format's."""
    base = PurePosixPath(name.replace("\\", "/")).name or "photo"
    stem = clean_key(base).rsplit(".", 1)[0] or "photo"
    return send_file(
        BytesIO(data),
        mimetype=MEDIA_TYPES.get(format, UNKNOWN),
        download_name=f"{stem}.{format}",
    )


def own_picture(data: bytes, name: str) -> Response:
    """Send a small copy or a crop: it never changes, and a gallery shows many of them again."""
    response = picture(data, sniff(data) or "", name)
    response.headers["Cache-Control"] = f"private, max-age={KEPT_S}"
    return response
