"""What the models of every noun share: base classes, texts, metadata, pages, boxes."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Self, TypeAlias, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

LONGEST_NAME = 200
LARGEST_METADATA = 64 * 1024
DEEPEST_METADATA = 32
LARGEST_PAGE = 500
USUAL_PAGE = 100
LONGEST_CURSOR = 2048

Item = TypeVar("Item")


class Body(BaseModel):
    """A JSON request: a number is a number and no text; unknown members are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Change(Body):
    """A change: what is left out stays, and an external id of null goes."""

    def changes(self) -> dict[str, Any]:
        """Return what was given, as core wants it: there an empty external id removes it."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if "external_id" in given:
            given["external_id"] = given["external_id"] or ""
        return given

    @model_validator(mode="before")
    @classmethod
    def _only_some_may_be_null(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            for name, value in given.items():
                if value is None and name != "external_id":
                    raise ValueError(f"{name} cannot be null; leave it out to keep it")
        return given


def kept(description: str | None = None) -> Any:
    """Return the field of a `Change` that may be left out, but is never null."""
    # The default is never seen: `changes` returns what was given.
    return Field(
        None, description=description, json_schema_extra=lambda schema: schema.pop("default")
    )


class Query(BaseModel):
    """Parameters or a form: texts that are read as what they should be."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A reply."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


def _storable_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    _require_plain(metadata, DEEPEST_METADATA)
    try:
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
    except ValueError:  # an integer of thousands of digits
        raise ValueError("holds a number that is too long") from None
    if size > LARGEST_METADATA:
        raise ValueError(f"has {size} bytes as JSON; at most {LARGEST_METADATA} are stored")
    return metadata


def _require_plain(value: Any, depth: int) -> None:
    """Refuse what JSON cannot say or Postgres cannot store."""
    if depth < 0:
        raise ValueError(f"is nested more than {DEEPEST_METADATA} levels deep")
    if isinstance(value, str):
        _storable(value)
    elif isinstance(value, float) and value - value != 0:  # NaN or infinite
        raise ValueError("may hold finite numbers only")
    elif isinstance(value, dict):
        for key, member in value.items():
            _storable(key)
            _require_plain(member, depth - 1)
    elif isinstance(value, list):
        for member in value:
            _require_plain(member, depth - 1)


Text: TypeAlias = Annotated[
    str, StringConstraints(max_length=LONGEST_NAME), AfterValidator(_storable)
]
Name: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_storable),
    Field(description=f"1 to {LONGEST_NAME} characters; blanks around it are dropped."),
]
ExternalId: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_storable),
    Field(description="Your own key: unique among its like, any characters, never in an address."),
]
Metadata: TypeAlias = Annotated[
    dict[str, Any],
    AfterValidator(_storable_metadata),
    Field(description=f"Anything of yours, up to {LARGEST_METADATA // 1024} KiB of JSON."),
]
Threshold: TypeAlias = Annotated[
    float,
    Field(ge=-1, le=1, allow_inf_nan=False, description="Cosine from which two faces match."),
]


class PageQuery(Query):
    """Where in a list to go on, and how far."""

    limit: int = Field(USUAL_PAGE, ge=1, le=LARGEST_PAGE, description="Most items of the page.")
    cursor: str | None = Field(
        None,
        max_length=LONGEST_CURSOR,
        description="`next_cursor` of the page before; all filters must stay the same.",
    )


class Page(Answer, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Ask with it for the next page; null at the end.")


class Box(Answer):
    """A rectangle in pixels of the upright image; it may reach a little outside the picture."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, box: Sequence[float]) -> Self:
        """Take left, top, right, bottom."""
        left, top, right, bottom = (float(side) for side in box)
        return cls(
            left=round(left, 2),
            top=round(top, 2),
            width=round(right - left, 2),
            height=round(bottom - top, 2),
        )


class RelativeBox(Answer):
    """The same rectangle as fractions of the image's width and height."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, box: Sequence[float], width: int, height: int) -> Self:
        """Take left, top, right, bottom in pixels of an image of this size."""
        left, top, right, bottom = (float(side) for side in box)
        return cls(
            left=round(left / width, 5),
            top=round(top / height, 5),
            width=round((right - left) / width, 5),
            height=round((bottom - top) / height, 5),
        )


class Quality(Answer):
    """How much a face can be trusted to look like its owner."""

    overall: float = Field(description="0 (bad) to 1 (good), as the three that follow.")
    sharpness: float
    brightness: float
    size: float
    yaw: float = Field(description="Degrees; above 0 it looks to the right, once upright.")
    pitch: float = Field(description="Degrees; above 0 it looks up.")
    roll: float = Field(description="Degrees, -180 to 180; above 0 it is turned clockwise.")

    @classmethod
    def of(
        cls,
        *,
        overall: float,
        sharpness: float,
        brightness: float,
        size: float,
        yaw: float,
        pitch: float,
        roll: float,
    ) -> Self:
        """Round to what means anything."""
        return cls(
            overall=round(overall, 3),
            sharpness=round(sharpness, 3),
            brightness=round(brightness, 3),
            size=round(size, 3),
            yaw=round(yaw, 1),
            pitch=round(pitch, 1),
            roll=round(roll, 1),
        )


class PersonName(Answer):
    """Who a face belongs to."""

    id: UUID
    name: str


class Problem(Answer):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Address of a page about this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="One sentence for the person who made the request.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="Stable, for programs.")
    retryable: bool = Field(description="The same request may succeed later without a change.")
    details: dict[str, Any] = Field(description="More for programs; depends on the code.")
    request_id: str = Field(description="Stands in the log of the server too.")


def landmarks(points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Round five points to hundredths of a pixel."""
    return [(round(float(x), 2), round(float(y), 2)) for x, y in points]
