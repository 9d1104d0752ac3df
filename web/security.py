"""Who may in: an API key or a session, for everything except what is listed here."""

import hashlib
import re
import secrets
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import access
from core.errors import CrossSite, NotAuthenticated
from core.settings import Settings
from web import problems
from web.services import services

COOKIE = "facesearch_session"

PUBLIC = frozenset({"static", "security.login", "system.health"})
"""Endpoints that anybody may call. Whoever adds one explains it in a test."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

PAGE_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""For documents and photos of the API, which load nothing wherever they are shown."""

blueprint = Blueprint("security", __name__)


def init_app(app: Flask) -> None:
    """Guard every route and add the headers that browsers need."""
    app.before_request(_give_request_id)
    app.before_request(_require_access)
    app.after_request(_add_headers)
    app.register_blueprint(blueprint)


def actor() -> str:
    """Return who makes this request, for the history."""
    return str(g.actor)


def requester() -> bytes:
    """Return a digest that stands for whoever asks, by their key or session."""
    given = request.headers.get("Authorization") or request.cookies.get(COOKIE, "")
    return hashlib.sha256(given.encode()).digest()


def is_authenticated() -> bool:
    """Say whether this request, to a public address perhaps, comes from somebody who may in.

    Raises:
        psycopg.OperationalError: Postgres cannot be asked.
    """
    try:
        _identify()
    except NotAuthenticated:
        return False
    return True


@blueprint.get("/login")
def login() -> ResponseReturnValue:
    """Turn a one-time link into a session, or say how to get a link."""
    token = request.args.get("token")
    # HEAD arrives here too, and must not use the link up.
    if token is None or request.method != "GET":
        return render_template("login.html", refused=None)
    settings = services().settings
    try:
        with services().pool.connection() as conn:
            session = access.open_session(conn, token, days=settings.session_days)
    except NotAuthenticated as error:
        return render_template("login.html", refused=str(error)), HTTPStatus.UNAUTHORIZED
    response = redirect("/", HTTPStatus.SEE_OTHER)
    response.set_cookie(
        COOKIE,
        session,
        max_age=settings.session_days * 24 * 3600,
        secure=_is_https(settings),
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    """End the session."""
    session = request.cookies.get(COOKIE)
    if session is not None:
        with services().pool.connection() as conn:
            access.close_session(conn, session)
    response = redirect(url_for("security.login"), HTTPStatus.SEE_OTHER)
    response.delete_cookie(
        COOKIE, secure=_is_https(services().settings), httponly=True, samesite="Lax"
    )
    response.headers["Clear-Site-Data"] = '"cache"'  # crops and thumbnails of the session
    return response


def _give_request_id() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"


def _require_access() -> ResponseReturnValue | None:
    if request.endpoint in PUBLIC:
        return None
    try:
        by_session = _identify()
    except NotAuthenticated:
        if problems.wants_document() or request.method not in SAFE_METHODS:
            raise
        return redirect(url_for("security.login"), HTTPStatus.SEE_OTHER)
    if by_session and request.method not in SAFE_METHODS and not _is_same_site():
        raise CrossSite("This request came from a page of another site.")
    return None


def _identify() -> bool:
    """Find out who asks; True when a session says so, which any site's pages can send along.

    Raises:
        NotAuthenticated: Nobody that we know.
    """
    header = request.headers.get("Authorization")
    session = request.cookies.get(COOKIE)
    if header is None and session is None:
        raise NotAuthenticated("Send an API key as `Authorization: Bearer ...`, or log in.")
    with services().pool.connection() as conn:
        if header is not None:
            g.actor = f"key:{access.check_key(conn, _bearer(header))}"
            return False
        access.check_session(conn, session or "")
    g.actor = "session"
    return True


def _bearer(header: str) -> str:
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(access.KEY_PREFIX):
        raise NotAuthenticated(
            f"An API key is sent as `Authorization: Bearer {access.KEY_PREFIX}...`."
        )
    return key.strip()


def _is_same_site() -> bool:
    """Say whether a page of ours sent this, by what the browser swears."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    # Browsers leave the header out on plain http, except to this very machine.
    own = {request.host_url.rstrip("/")}
    public_url = services().settings.public_url
    if public_url is not None:
        parts = urlsplit(public_url)
        own.add(f"{parts.scheme}://{parts.netloc}")
    return request.headers.get("Origin") in own


def _is_https(settings: Settings) -> bool:
    return (settings.public_url or "").startswith("https:")


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    policy = DATA_POLICY if problems.wants_document() else PAGE_POLICY
    headers.setdefault("Content-Security-Policy", policy)
    if request.endpoint != "static" and response.cache_control.max_age is None:
        headers["Cache-Control"] = "private, no-store"
    return response
