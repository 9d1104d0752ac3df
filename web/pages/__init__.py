"""The page that people use. Views call core and render; what they show is decided there."""

from datetime import datetime

from flask import Blueprint, Flask, request

from core.counting import counted
from core.estimates import duration
from web.pages import (
    changes,
    collections,
    images,
    imports,
    indexes,
    jobs,
    people,
    pictures,
    recall,
    reports,
    reviews,
    search,
    system,
    together,
)
from web.pages.words import NOTES, PAGES, UNKNOWN, Words, in_words

NOUNS = (
    search,
    together,
    collections,
    imports,
    indexes,
    recall,
    images,
    people,
    changes,
    reports,
    reviews,
    jobs,
    system,
)


def register(app: Flask) -> None:
    """Add every page and what their templates use to *app*."""
    # Photos of crowds have thousands of rows; the lines of the templates' tags need not travel.
    app.jinja_options = {**app.jinja_options, "trim_blocks": True, "lstrip_blocks": True}
    pages = Blueprint("pages", __name__)
    for noun in NOUNS:
        pages.register_blueprint(noun.blueprint)
    app.register_blueprint(pages)
    app.add_template_filter(_day, "day")
    app.add_template_filter(counted, "count")
    app.add_template_filter(_bytes, "bytes")
    app.add_template_filter(duration, "duration")
    app.add_template_filter(_base_name, "base_name")
    app.add_template_global(_problem_words, "problem_words")
    app.add_template_global(_note, "note")
    app.add_template_global(pictures.blank, "blank")


def _day(moment: datetime) -> str:
    return f"{moment:%-d %b %Y, %H:%M} UTC"


def _bytes(number: int) -> str:
    kib = 1024
    if number < kib:
        return f"{number} bytes"
    if number < kib * kib:
        return f"{number / kib:.0f} KiB"
    if number < kib**3:
        return f"{number / kib / kib:.1f} MiB"
    return f"{number / kib**3:.1f} GiB"


def _base_name(filename: str | None) -> str:
    """Return what a person calls a photo; programs send whole paths."""
    return (filename or "").replace("\\", "/").rstrip("/").rpartition("/")[2] or "Photo"


def _problem_words(code: str, status: int) -> Words:
    """Return the words of a problem document."""
    told = in_words(code)
    return told if told is not UNKNOWN else PAGES.get(status, UNKNOWN)


def _note() -> str | None:
    """Return what the page says once after a form was sent."""
    return NOTES.get(request.args.get("note", ""))
