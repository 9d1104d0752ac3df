"""Somebody who is logged in, with a browser that runs no scripts."""

import re
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from core import access
from core.services import Services


class Visitor:
    """Follows links and sends forms, as a browser does."""

    def __init__(self, app: Flask, link_token: str) -> None:
        self._client = app.test_client()
        assert self._client.get(f"/login?token={link_token}").status_code == 303

    def get(self, path: str, **headers: str) -> TestResponse:
        return self._client.get(path, headers=headers)

    def post(
        self, path: str, *, site: str = "same-origin", script: bool = False, **fields: Any
    ) -> TestResponse:
        """Send a form from a page of *site*, and go where the answer leads."""
        headers = {"Sec-Fetch-Site": site, **({"X-Fragment": "1"} if script else {})}
        return self._client.post(path, data=fields, headers=headers, follow_redirects=True)

    def search(self, collection_id: str, photo: bytes, **more: Any) -> TestResponse:
        return self.post("/", collection=collection_id, photo=(BytesIO(photo), "q.png"), **more)

    @staticmethod
    def read(response: TestResponse) -> str:
        """Return what a person reads: no tags, single spaces."""
        body = re.sub(r"<(title|head|svg)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.fixture
def visitor(app: Flask, services: Services) -> Visitor:
    with services.pool.connection() as conn:
        return Visitor(app, access.create_login_token(conn, minutes=5))
