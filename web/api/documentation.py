"""``/openapi.json``, the reference at ``/docs`` made of it, and help pages for problems.

The reference is plain HTML: it needs no script, no other site, and works wherever the page does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, current_app, json, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape
from werkzeug.exceptions import NotFound

from web import problems
from web.api import openapi
from web.api.openapi import Document
from web.api.routes import Routes

NOUNS_KEPT = "facesearch-nouns"
DOCUMENT_KEPT = "facesearch-openapi"
CODE = re.compile(r"`([^`]+)`")

blueprint = Blueprint("documentation", __name__)


@dataclass(frozen=True, slots=True)
class Section:
    """A noun and its operations: path, method, and what the document says of it."""

    name: str
    description: str
    operations: list[tuple[str, str, Document]]


def init_app(app: Flask, nouns: Sequence[Routes]) -> None:
    """Serve the documentation of *nouns*."""
    app.extensions[NOUNS_KEPT] = nouns
    app.register_blueprint(blueprint)


@blueprint.get("/openapi.json")
def document() -> ResponseReturnValue:
    """The document, for programs."""
    return current_app.json.response(_document())


@blueprint.get("/docs")
def reference() -> ResponseReturnValue:
    """The document, for people."""
    return render_template(
        "docs/reference.html",
        api=_document(),
        sections=_sections(_document()),
        schemas=_document()["components"]["schemas"],
        type_of=type_of,
        marked=marked,
    )


@blueprint.get("/problems")
def problem_list() -> ResponseReturnValue:
    """Every kind of problem."""
    return render_template("docs/problems.html", kinds=problems.kinds(), chosen=None)


@blueprint.get("/problems/<code>")
def problem(code: str) -> ResponseReturnValue:
    """One kind of problem: where the ``type`` of a problem document leads."""
    chosen = [kind for kind in problems.kinds() if kind.code == code]
    if not chosen:
        raise NotFound
    return render_template("docs/problems.html", kinds=chosen, chosen=chosen[0])


def _document() -> Document:
    """Build it when it is first asked for; every start would be slower otherwise."""
    kept = current_app.extensions
    if DOCUMENT_KEPT not in kept:
        kept[DOCUMENT_KEPT] = openapi.build(kept[NOUNS_KEPT])
    document: Document = kept[DOCUMENT_KEPT]
    return document


def _sections(api: Document) -> list[Section]:
    sections = {tag["name"]: Section(tag["name"], tag["description"], []) for tag in api["tags"]}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            sections[operation["tags"][0]].operations.append((path, method.upper(), operation))
    return list(sections.values())


def marked(text: str) -> Markup:
    """Turn words between backticks into code, and blank lines into paragraphs."""
    paragraphs = [CODE.sub(r"<code>\1</code>", str(escape(each))) for each in text.split("\n\n")]
    return Markup("<br><br>".join(paragraphs))  # noqa: S704  escaped above


def type_of(schema: Document) -> str:
    """Put a JSON schema into a few words, with the names of models as they are."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(type_of(each) for each in schema[several])
    if "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "contentMediaType" in schema:
        return "file"
    return _plain_type(schema)


def _plain_type(schema: Document) -> str:
    kind = str(schema.get("type", "any"))
    if kind == "array" and "items" in schema:
        return f"list of {type_of(schema['items'])}"
    if kind == "string" and "format" in schema:
        return str(schema["format"])
    bounds: list[str] = []
    for word, name in (("from", "minimum"), ("to", "maximum")):
        if name in schema:
            bounds.append(f"{word} {_number(schema[name])}")
    return " ".join([kind, *bounds])


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
