"""Reading requests into models; whatever does not fit is one `InvalidRequest` that names it all."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from core.errors import InvalidRequest
from core.settings import MIB

Model = TypeVar("Model", bound=BaseModel)

LARGEST_JSON = MIB
MOST_FAULTS = 20
"""A vector of 4,000 words instead of numbers has one fault, not 4,000."""

LONGEST_KEY = 255
UNNAMED = "photo"
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture in a request, and the name that the sender gave it."""

    key: str
    data: bytes


def query(model: type[Model]) -> Model:
    """Read what stands after the question mark.

    Raises:
        InvalidRequest: See `validated`.
    """
    return validated(model, _once(request.args))


def multipart(model: type[Model], *files: str, named: Callable[[str], str] | None = None) -> Model:
    """Read a multipart form; parameters of the address count as fields of it.

    Args:
        files: The fields that hold pictures.
        named: Makes the key of a picture of its file name; left out, `clean_key` does.

    Raises:
        InvalidRequest: See `validated`.
        UnsupportedMediaType: It is no multipart form.
    """
    if request.mimetype != MULTIPART:
        raise UnsupportedMediaType(f"Send a picture, or a form as `{MULTIPART}`.")
    given: dict[str, Any] = _once(request.args) | _once(request.form)
    for name in files:
        if name in given:  # curl -F photos=x.jpg, without the @
            raise invalid(name, "Send the picture itself as a file, not its name.")
    for name in request.files:
        given[name] = [_photo(file, named or clean_key) for file in request.files.getlist(name)]
    for name in files:
        given.setdefault(name, [])
    return validated(model, given)


def json_body(model: type[Model]) -> Model:
    """Read a JSON body.

    Raises:
        InvalidRequest: It is no JSON, or see `validated`.
        UnsupportedMediaType: It does not call itself JSON.
        RequestEntityTooLarge: It is larger than `LARGEST_JSON`.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON, as `Content-Type: application/json`.")
    limit_body(LARGEST_JSON)
    try:
        # Not json.loads: this one refuses lone surrogates and deep nesting.
        return model.model_validate_json(_body())
    except ValidationError as error:
        raise _invalid(error) from None


def optional_json(model: type[Model]) -> Model:
    """Read a JSON body that may be left out.

    Raises:
        InvalidRequest, UnsupportedMediaType, RequestEntityTooLarge: See `json_body`.
    """
    return json_body(model) if request.mimetype else validated(model, {})


def validated(model: type[Model], given: dict[str, Any]) -> Model:
    """Build a model from texts.

    Raises:
        InvalidRequest: Names up to `MOST_FAULTS` fields with what is wrong with each.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _invalid(error) from None


def invalid(field: str, message: str) -> InvalidRequest:
    """Return the error of one field."""
    return InvalidRequest(f"{field}: {message}", errors=[{"field": field, "message": message}])


def _once(values: MultiDict[str, str]) -> dict[str, str]:
    """Return what each field holds; of several values none would be the right one to keep."""
    for name, given in values.lists():
        if len(given) > 1:
            raise invalid(name, "It is given more than once.")
    return values.to_dict()


def raw_photo() -> Photo:
    """Read a picture that is the whole body.

    Raises:
        RequestEntityTooLarge: It is larger than the limit.
    """
    return Photo(UNNAMED, _body())


def limit_body(most: int) -> None:
    """Take at most *most* bytes of this request, or fewer if the settings say so."""
    usual = request.max_content_length
    request.max_content_length = most if usual is None else min(most, usual)


def is_raw_photo() -> bool:
    """Say whether the body calls itself a picture, or just bytes."""
    return request.mimetype.startswith("image/") or request.mimetype == "application/octet-stream"


def _body() -> bytes:
    data = request.get_data(cache=False)
    # Werkzeug cuts a body of unannounced length at the limit, and says nothing.
    if request.content_length is None and len(data) == request.max_content_length:
        raise RequestEntityTooLarge
    return data


def _photo(file: FileStorage, named: Callable[[str], str]) -> Photo:
    return Photo(named(file.filename or ""), file.stream.read())


def clean_key(name: str) -> str:
    """Return a file name that can be stored and shown; senders' disks hold anything."""
    return CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", name)[-LONGEST_KEY:] or UNNAMED


def _invalid(error: ValidationError) -> InvalidRequest:
    faults = list(_faults(error))
    first = faults[0]
    where = f"{first['field']}: " if first["field"] else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return InvalidRequest(f"{where}{first['message']}{more}", errors=faults)


def _faults(error: ValidationError) -> Iterator[dict[str, str]]:
    listed = error.errors(include_url=False, include_context=False, include_input=False)
    for fault in listed[:MOST_FAULTS]:
        yield {
            "field": ".".join(str(part) for part in fault["loc"]),
            "message": fault["msg"].removeprefix("Value error, "),
        }
