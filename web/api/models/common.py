"""What the models of every noun share: base classes, texts, metadata, pages, boxes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Self, TypeAlias, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from core import facets, texts
from core.errors import InvalidRequest
from core.texts import LARGEST_METADATA, LONGEST_NAME

LARGEST_PAGE = 500
USUAL_PAGE = 100
LONGEST_CURSOR = 2048

Item = TypeVar("Item")
Value = TypeVar("Value")


class Body(BaseModel):
    """A JSON request: a number is a number and no text; unknown members are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Change(Body):
    """A change: what is left out stays, and an external id of null goes.

    Attributes:
        may_be_null: What a null clears.
    """

    may_be_null: ClassVar[frozenset[str]] = frozenset({"external_id"})

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
                if value is None and name not in cls.may_be_null:
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


def _read(read: Callable[[Any], Value], kind: type = str) -> Callable[[Any], Value]:
    """Let pydantic collect what core raises of what it is given, if that is of this kind."""

    def reading(given: Any) -> Value:
        if not isinstance(given, kind):
            raise ValueError("must be text")
        try:
            return read(given)
        except InvalidRequest as error:
            raise ValueError(str(error)) from None

    return reading


LONGEST_PATH = 4096
"""Of a file or folder of the server, as Linux limits it."""

Text: TypeAlias = Annotated[
    str, StringConstraints(max_length=LONGEST_NAME), AfterValidator(_read(texts.storable))
]
SomeText: TypeAlias = Annotated[Text, StringConstraints(min_length=1)]
LongText: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_PATH),
    AfterValidator(_read(texts.storable)),
]
Name: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_read(texts.storable)),
    Field(description=f"1 to {LONGEST_NAME} characters; blanks around it are dropped."),
]
ExternalId: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_read(texts.storable)),
    Field(description="Your own key: unique among its like, any characters, never in an address."),
]
Metadata: TypeAlias = Annotated[
    dict[str, Any],
    AfterValidator(_read(texts.clean_metadata, dict)),
    Field(description=f"Anything of yours, up to {LARGEST_METADATA // 1024} KiB of JSON."),
]
Threshold: TypeAlias = Annotated[
    float,
    Field(ge=-1, le=1, allow_inf_nan=False, description="Cosine from which two faces match."),
]


Tags: TypeAlias = Annotated[
    list[str],
    AfterValidator(_read(facets.clean_tags, list)),
    Field(
        description=f"Up to {facets.MOST_TAGS}, each of 1 to {facets.LONGEST_TAG} characters without "
        "a comma; blanks around them are dropped."
    ),
]
TagsInText: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(_read(facets.split_tags), json_schema_input_type=str),
    Field(description="Tags, separated by commas.", examples=["staff,2024"]),
]
Tag: TypeAlias = Annotated[
    str,
    AfterValidator(_read(facets.clean_tag)),
    Field(description="Only with this tag, exactly as it is stored."),
]
MOMENT = WithJsonSchema({"type": "string", "format": "date-time"})
Moment: TypeAlias = Annotated[datetime, PlainValidator(_read(facets.read_moment)), MOMENT]
"""ISO 8601; in UTC where it names no zone. Pydantic alone would take numbers for seconds."""
Captured: TypeAlias = Annotated[datetime, PlainValidator(_read(facets.read_captured)), MOMENT]
CAPTURED_FROM = (
    "Only what was taken then or later; a date or a time, in UTC unless it names a zone."
)
CAPTURED_BEFORE = "Only what was taken before then."


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
