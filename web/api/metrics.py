"""``/metrics``: figures for Prometheus, outside of ``/v1`` because that is where it looks."""

from flask import Blueprint, Response, request

from core import metrics
from web.services import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def show() -> Response:
    """Show all figures of this process and of the database."""
    body, media_type = metrics.scrape(services(), request.headers.get("Accept", ""))
    return Response(body, content_type=media_type)
