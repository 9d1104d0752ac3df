"""Nobody gets in without a key or a session, and no other site can use somebody's session."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from core import access
from core.services import Services
from web import security
from web.app import create_app

OTHER = "http://evil.example"


def own_page(site: str = "same-origin") -> dict[str, str]:
    return {"Sec-Fetch-Site": site}


@pytest.fixture
def token(services: Services) -> str:
    with services.pool.connection() as conn:
        return access.create_login_token(conn, minutes=5)


@pytest.fixture
def visitor(app: Flask, token: str) -> FlaskClient:
    """A browser that used its login link."""
    browser = app.test_client()
    assert browser.get(f"/login?token={token}").status_code == 303
    return browser


def every_call(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in security.PUBLIC:
            for method in sorted((rule.methods or set()) - {"OPTIONS"}):
                yield method, _address(rule)


def _address(rule: Rule) -> str:
    usual = "01a20cb7-189f-74ac-9927-7f7cea50a24d"
    others = {"verb": "start", "position": 0}
    values: dict[str, Any] = {name: others.get(name, usual) for name in rule.arguments}
    _, path = rule.build(values) or ("", "")
    return path or str(rule)


def test_only_login_health_and_static_files_are_public() -> None:
    """Health answers probes; the login page and its style must come before the login."""
    assert {"static", "security.login", "system.health"} == security.PUBLIC


def wants_document(path: str) -> bool:
    """Programs ask there; the others are pages."""
    return path.startswith("/v1") or path in ("/openapi.json", "/metrics")


def test_a_stranger_gets_nothing_at_any_address(app: Flask, stranger: FlaskClient) -> None:
    calls = list(every_call(app))

    assert len(calls) > 40
    for method, path in calls:
        response = stranger.open(path, method=method)
        if wants_document(path) or method not in ("GET", "HEAD"):
            assert response.status_code == 401, (method, path)
        else:
            assert response.status_code == 303, (method, path)
            assert response.location == "/login"


def test_a_stranger_cannot_tell_which_addresses_exist(stranger: FlaskClient, problem) -> None:
    response = stranger.get("/v1/nothing")

    problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer fsk_wrong",
        "Bearer wrong",
        "Basic YTpi",
        "fsk_",
        "Bearer fsk_\xe9",
    ],
)
def test_a_wrong_key_is_refused(stranger: FlaskClient, problem, header: str) -> None:
    response = stranger.get("/v1/limits", headers={"Authorization": header})

    problem(response, 401, "unauthorized")


def test_a_key_lets_in_until_it_is_revoked(services: Services, client, problem) -> None:
    assert client.get("/v1/limits").status_code == 200

    with services.pool.connection() as conn:
        assert access.revoke_key(conn, "tests")

    problem(client.get("/v1/limits"), 401, "unauthorized")


def test_a_wrong_key_beside_a_session_is_still_wrong(visitor: FlaskClient) -> None:
    response = visitor.get("/v1/limits", headers={"Authorization": "Bearer fsk_wrong"})

    assert response.status_code == 401


def test_a_login_link_works_once(app: Flask, token: str) -> None:
    first, second = app.test_client(), app.test_client()

    assert first.get(f"/login?token={token}").location == "/"
    refused = second.get(f"/login?token={token}")

    assert refused.status_code == 401
    assert "facesearch login" in refused.text
    assert first.get("/v1/limits").status_code == 200
    assert second.get("/v1/limits").status_code == 401


def test_looking_at_a_login_link_does_not_use_it_up(app: Flask, token: str) -> None:
    assert app.test_client().head(f"/login?token={token}").status_code == 200

    assert app.test_client().get(f"/login?token={token}").status_code == 303


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%00", "?token=%ff"])
def test_the_login_page_says_how_to_get_a_link(stranger: FlaskClient, query: str) -> None:
    response = stranger.get(f"/login{query}")

    assert response.status_code == (401 if query else 200)
    assert "facesearch login" in response.text
    assert "Set-Cookie" not in response.headers


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    app: Flask, token: str
) -> None:
    cookie = app.test_client().get(f"/login?token={token}").headers["Set-Cookie"]

    assert cookie.startswith("facesearch_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


def test_on_https_the_session_cookie_never_travels_in_the_clear(
    services: Services, bell, token: str
) -> None:
    settings = services.settings.model_copy(update={"public_url": "https://faces.example/"})
    app = create_app(replace(services, settings=settings), bell)

    cookie = app.test_client().get(f"/login?token={token}").headers["Set-Cookie"]

    assert "Secure" in cookie


def test_logging_out_ends_the_session_for_good(visitor: FlaskClient) -> None:
    cookie = visitor.get_cookie("facesearch_session")
    assert cookie is not None

    response = visitor.post("/logout", headers=own_page())

    assert response.location == "/login"
    assert response.headers["Clear-Site-Data"] == '"cache"'
    assert visitor.get_cookie("facesearch_session") is None
    visitor.set_cookie("facesearch_session", cookie.value)
    assert visitor.get("/v1/limits").status_code == 401


def make_collection(client: FlaskClient, headers: Mapping[str, str]) -> TestResponse:
    return client.post("/v1/collections", json={"name": "team"}, headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": OTHER},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Referer": "http://localhost/"},
    ],
)
def test_another_site_cannot_use_a_session(
    visitor: FlaskClient, problem, headers: dict[str, str]
) -> None:
    problem(make_collection(visitor, headers), 403, "cross_site_request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
    ],
)
def test_our_own_page_can(visitor: FlaskClient, headers: dict[str, str]) -> None:
    assert make_collection(visitor, headers).status_code == 201


def test_behind_a_proxy_the_public_address_is_our_own(services: Services, bell, token: str) -> None:
    settings = services.settings.model_copy(update={"public_url": "https://faces.example/"})
    app = create_app(replace(services, settings=settings), bell)
    browser = app.test_client()
    # The link is opened through the proxy; the test client needs the cookie for plain http.
    cookie = browser.get(f"/login?token={token}").headers["Set-Cookie"].split(";")[0]
    _, _, session = cookie.partition("=")
    browser.set_cookie("facesearch_session", session)

    assert make_collection(browser, {"Origin": "https://faces.example"}).status_code == 201
    assert make_collection(browser, {"Origin": OTHER}).status_code == 403


def test_a_key_needs_no_origin(client) -> None:
    response = client.post(
        "/v1/collections", json={"name": "team"}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert response.status_code == 201


def test_reading_needs_no_origin(visitor: FlaskClient) -> None:
    assert visitor.get("/v1/limits", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_pages_run_our_own_scripts_only_and_are_kept_nowhere(visitor: FlaskClient) -> None:
    headers = visitor.get("/docs").headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "private, no-store"


def test_answers_of_the_api_load_nothing(client) -> None:
    headers = client.get("/v1/limits").headers

    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "private, no-store"


def test_whoever_names_a_face_stands_in_its_history(services: Services, client) -> None:
    team = client.collection()["id"]
    image = client.add(team, (10, 0))

    client.name(team, "Ada", image["faces"][0]["id"])

    with services.pool.connection() as conn:
        rows = conn.execute("SELECT actor FROM assignment_events").fetchall()
    assert rows == [("key:tests",)]
