"""What is searched for and how, over the wire."""

import re
from collections.abc import Collection as AnyCollection
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Json,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from core.db.search import GroupBy
from core.finding import MOST_MATCHES, Options
from core.probes import MOST_PROBES, Fuse, Use
from core.routing import Mode
from core.together import MOST_SUBJECTS
from web.api.models.common import LONGEST_CURSOR, Body, Query, Text, Threshold
from web.api.models.filters import SearchFilter, asked
from web.api.models.images import FileField
from web.api.models.policies import OneIn
from web.api.reading import Photo

MOST_COLLECTIONS = 100
MOST_NUMBERS = 4000
MOST_INDEXES = 500

LARGEST = "largest"
INDEX = re.compile(r"[0-9]{1,5}")


def _face_choice(given: object) -> object:
    """Read ``all``, ``largest`` or ``0,2``."""
    if not isinstance(given, str) or given in ("all", LARGEST):
        return given
    parts = [part.strip() for part in given.split(",")]
    if len(parts) > MOST_INDEXES or not all(INDEX.fullmatch(part) for part in parts):
        raise ValueError("must be all, largest or indexes of faces, such as 0,2")
    return tuple(int(part) for part in parts)


def _ids(given: object) -> list[UUID]:
    """Read ids with commas between them."""
    parts = str(given).split(",")[: MOST_COLLECTIONS + 1]
    try:
        return _different([UUID(part.strip()) for part in parts])
    except ValueError:
        raise ValueError("must be ids of collections, with commas between them") from None


def _different(given: list[UUID]) -> list[UUID]:
    if not 1 <= len(given) <= MOST_COLLECTIONS:
        raise ValueError(f"name 1 to {MOST_COLLECTIONS} collections")
    return list(dict.fromkeys(given))


FaceChoice: TypeAlias = Annotated[
    Literal["all", "largest"] | tuple[int, ...],
    BeforeValidator(_face_choice),
    WithJsonSchema({"type": "string", "examples": ["all", "largest", "0,2"]}),
]
CollectionIds: TypeAlias = Annotated[list[UUID], AfterValidator(_different)]
CollectionIdsInText: TypeAlias = Annotated[
    list[UUID], PlainValidator(_ids, json_schema_input_type=str)
]
Vector: TypeAlias = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]],
    Field(max_length=MOST_NUMBERS, description="Of any length but 0; it is scaled to 1."),
]

COLLECTIONS = "Where to search; all of one space."
GROUPING = "One match per `person` (unnamed faces of one cluster together, others alone), `image` or `face`."
MODE = (
    "Who decides whether an index is asked: `auto` the server, `exact` nobody: every face is looked "
    "at, and no match can be missing."
)
EXPLAIN = "Say why: quality, near misses, what each condition removes, what the index lost."


class SearchPolicy(Body):
    """A budget of false alarms, for this search, instead of a cosine."""

    one_in: OneIn


def _one_policy(threshold: float | None, policy: SearchPolicy | None) -> None:
    if threshold is not None and policy is not None:
        raise ValueError("give threshold or policy, not both")


class Pictures(Body):
    """Several pictures of one person."""

    face_ids: list[UUID] = Field([], max_length=MOST_PROBES, description="Of one person.")
    vectors: list[Vector] = Field([], max_length=MOST_PROBES, description="Of the same person.")
    space_id: Text | None = Field(None, description="Of vectors; must be the collection's.")


class MorePictures(Pictures):
    """Further pictures of the person in a photo."""

    @model_validator(mode="after")
    def _space_of_vectors(self) -> Self:
        _space_if_any(self.vectors, self.space_id)
        return self


def _space_if_any(vectors: AnyCollection[Any], space_id: str | None) -> None:
    if bool(vectors) != (space_id is not None):
        raise ValueError("vectors and their space_id belong together")


def _options(asks: "SearchOptions | StoredSearch") -> Options:
    return Options(
        limit=asks.limit,
        threshold=asks.threshold,
        group_by=asks.group_by,
        only_matches=asks.only_matches,
        filter=asked(asks.filter),
        mode=asks.mode,
        one_in=None if asks.policy is None else asks.policy.one_in,
    )


class SearchOptions(Query):
    """How to search with a photo."""

    limit: int = Field(20, ge=1, le=MOST_MATCHES, description="Most matches per face.")
    threshold: Threshold | None = Field(None, description="Left out: the collection's.")
    policy: Json[SearchPolicy] | None = Field(
        None, description="JSON as text, instead of a threshold."
    )
    group_by: GroupBy = Field(GroupBy.PERSON, description=GROUPING)
    only_matches: bool = Field(False, description="Leave out what is below the threshold.")
    filter: Json[SearchFilter] | None = Field(None, description="Conditions, as JSON text.")
    mode: Mode = Field(Mode.AUTO, description=MODE)
    explain: bool = Field(False, description=EXPLAIN)
    faces: FaceChoice = Field(
        "all", description="Which faces of the photo: `all`, `largest`, or indexes like `0,2`."
    )
    fuse: Fuse | None = Field(
        None,
        description="The faces are one person's: search once, with their mean or with the nearest "
        "of them (`max`). Left out: each face is searched.",
    )
    also: Json[MorePictures] | None = Field(
        None, description="With `fuse`: further pictures of this person, as JSON text."
    )

    @property
    def options(self) -> Options:
        """The same for core."""
        return _options(self)

    @property
    def indexes(self) -> tuple[int, ...] | None:
        """The faces that were named by index."""
        return None if isinstance(self.faces, str) else self.faces

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _one_policy(self.threshold, self.policy)
        if self.also is not None and self.fuse is None:
            raise ValueError("also belongs to fuse")
        return self


class SearchForm(SearchOptions):
    """A photo to search with; every face in it is searched."""

    photo: list[FileField] = Field(min_length=1, max_length=1, description="One picture.")

    @property
    def picture(self) -> Photo:
        """The one photo."""
        return self.photo[0]


class ManySearchOptions(SearchOptions):
    """How to search several collections with a photo."""

    collections: CollectionIdsInText = Field(
        description=COLLECTIONS + " Commas separate them.", examples=["0199...,0199..."]
    )


class ManySearchForm(SearchForm):
    """A photo to search several collections with."""

    collections: CollectionIdsInText = Field(description=COLLECTIONS + " Commas separate them.")


class Subject(Pictures):
    """Who to search for: a stored face, a person, a vector, or several pictures of one person."""

    face_id: UUID | None = Field(None, description="It is not itself among the matches.")
    person_id: UUID | None = Field(None, description="Their faces are not among the matches.")
    use: Use = Field(
        Use.CENTROID,
        description="A person is searched with the mean of their faces (`centroid`), or with up to "
        f"{MOST_PROBES} `faces` that stand for all, of which the nearest counts.",
    )
    vector: Vector | None = None
    fuse: Fuse = Field(
        Fuse.MEAN, description="Of several pictures: their mean counts, or the nearest (`max`)."
    )

    @property
    def kind(self) -> Literal["face", "person", "vector", "several"]:
        """What it is."""
        if self.face_id is not None:
            return "face"
        if self.person_id is not None:
            return "person"
        return "several" if self.vector is None else "vector"

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        several = bool(self.face_ids or self.vectors)
        single = [self.face_id, self.person_id, self.vector]
        if sum(each is not None for each in single) + several != 1:
            raise ValueError(
                "give exactly one of face_id, person_id and vector, or face_ids and vectors"
            )
        vectors = self.vectors if self.vector is None else [self.vector]
        _space_if_any(vectors, self.space_id)
        given = self.model_fields_set
        if "use" in given and self.person_id is None:
            raise ValueError("use belongs to person_id")
        if "fuse" in given and not several:
            raise ValueError("fuse belongs to face_ids and vectors")
        return self


class NoQuery(Query):
    """No parameters: in a JSON search the options are members."""


GOES_ON_WITH = frozenset({"cursor", "limit", "explain"})


class StoredSearch(Body):
    """A search without a photo, or the next page of any search."""

    query: Subject | None = Field(None, description="Left out where `cursor` is given.")
    cursor: str | None = Field(
        None,
        max_length=LONGEST_CURSOR,
        description="`next_cursor` of a result, to go on with that; only `limit` and `explain` may "
        "stand beside it.",
    )
    limit: int = Field(20, ge=1, le=MOST_MATCHES, description="Most matches.")
    threshold: Threshold | None = Field(None, description="Left out: the collection's.")
    policy: SearchPolicy | None = Field(None, description="Instead of a threshold.")
    group_by: GroupBy = Field(GroupBy.PERSON, description=GROUPING)
    only_matches: bool = False
    filter: SearchFilter | None = None
    mode: Mode = Field(Mode.AUTO, description=MODE)
    explain: bool = Field(False, description=EXPLAIN)

    @property
    def options(self) -> Options:
        """The same for core."""
        return _options(self)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _one_policy(self.threshold, self.policy)
        _query_or_cursor(self.query is not None, self.cursor, self.model_fields_set - GOES_ON_WITH)
        return self


def _query_or_cursor(asks: bool, cursor: str | None, beside: AnyCollection[str]) -> None:
    if asks == (cursor is not None):
        raise ValueError("give either what to search with or a cursor")
    if cursor is not None and beside:
        raise ValueError(f"{sorted(beside)[0]} was decided with the first page; leave it out")


class ManyStoredSearch(StoredSearch):
    """A search of several collections without a photo, or the next page of any search."""

    collections: CollectionIds | None = Field(
        None, description=COLLECTIONS + " Left out where `cursor` is given."
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.cursor is None and self.collections is None:
            raise ValueError("name the collections")
        return self


class TogetherSearch(Body):
    """Who must be together in a photo, and who must not be in it; or the next page."""

    all_of: list[Subject] = Field(
        [], max_length=MOST_SUBJECTS, description="A different face for each of these."
    )
    none_of: list[Subject] = Field([], max_length=MOST_SUBJECTS, description="None of these.")
    cursor: str | None = Field(None, max_length=LONGEST_CURSOR)
    limit: int = Field(20, ge=1, le=MOST_MATCHES, description="Most photos.")
    threshold: Threshold | None = Field(None, description="Left out: the collection's.")
    policy: SearchPolicy | None = Field(None, description="Instead of a threshold.")
    filter: SearchFilter | None = Field(None, description="Of the faces of `all_of`.")
    mode: Mode = Field(Mode.AUTO, description=MODE)

    @property
    def options(self) -> Options:
        """The same for core."""
        return Options(
            limit=self.limit,
            threshold=self.threshold,
            filter=asked(self.filter),
            mode=self.mode,
            one_in=None if self.policy is None else self.policy.one_in,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _one_policy(self.threshold, self.policy)
        _query_or_cursor(bool(self.all_of), self.cursor, self.model_fields_set - GOES_ON_WITH)
        return self
