"""Conditions on what is found, as options that several commands have."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import click

from core.facets import clean_tags, read_moment
from core.filters import Filter

Command = Callable[..., Any]


def options(*each: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds some options, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(each):
            command = option(command)
        return command

    return add


on_photos = options(
    click.option("--tag", "tags", multiple=True, help="Only photos with one of these tags."),
    click.option("--not-tag", "not_tags", multiple=True, help="No photos with one of these tags."),
    click.option("--since", metavar="TIME", help="Only photos taken then or later."),
    click.option("--until", metavar="TIME", help="Only photos taken before then."),
    click.option("--min-quality", type=click.FloatRange(0, 1), help="Overall quality of a face."),
)

on_names = options(
    click.option("--named/--unnamed", default=None, help="Only faces with, or without, a name."),
    click.option(
        "--person", "people", type=click.UUID, multiple=True, metavar="ID",
        help="Only faces of these people.",
    ),
)  # fmt: skip


def asked(
    *,
    tags: Sequence[str],
    not_tags: Sequence[str],
    since: str | None,
    until: str | None,
    min_quality: float | None,
    named: bool | None = None,
    people: Sequence[UUID] = (),
) -> Filter:
    """Return what the options ask for.

    Raises:
        InvalidRequest: A tag or a time cannot be read.
    """
    return Filter(
        tags_any=clean_tags(tags),
        tags_none=clean_tags(not_tags),
        captured_from=None if since is None else read_moment(since),
        captured_before=None if until is None else read_moment(until),
        named=named,
        people=tuple(people),
        min_quality=min_quality,
    )
