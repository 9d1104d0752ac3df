"""The API: one module of routes per noun, all under ``/v1``, and the document that describes it."""

from flask import Flask

from web.api import (
    audits,
    changes,
    collections,
    documentation,
    faces,
    images,
    import_content,
    imports,
    indexes,
    jobs,
    metrics,
    people,
    reports,
    reviews,
    search,
    system,
)
from web.api.routes import Operation, Routes

NOUNS: tuple[Routes, ...] = (
    system.routes,
    collections.routes,
    indexes.routes,
    audits.routes,
    images.routes,
    faces.routes,
    people.routes,
    changes.routes,
    search.routes,
    jobs.routes,
    imports.routes,
    import_content.routes,
    reports.routes,
    reviews.routes,
)


def init_app(app: Flask) -> None:
    """Serve every noun and the documentation."""
    for noun in NOUNS:
        app.register_blueprint(noun.blueprint)
    app.register_blueprint(metrics.blueprint)
    documentation.init_app(app, NOUNS)


def operations() -> list[Operation]:
    """Return every operation of the API."""
    return [operation for noun in NOUNS for operation in noun.operations]
