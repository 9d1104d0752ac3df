"""What a person sees when Postgres takes too long."""

from collections.abc import Callable
from typing import Any

import pytest

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py


@pytest.mark.parametrize("kind", ["photo", "face", "person"])
def test_a_search_that_takes_too_long_says_so_and_can_be_tried_again(
    visitor: Visitor,
    client: API,
    crowd: str,
    slow: Callable[[], None],
    picture: Callable[..., bytes],
    kind: str,
) -> None:
    face = client.get(f"/v1/collections/{crowd}/faces").json["items"][0]["id"]
    person = client.get(f"/v1/collections/{crowd}/people").json["items"][0]["id"]
    slow()

    if kind == "photo":
        response = visitor.search(crowd, picture((10, 0)))
    else:
        response = visitor.get(f"/?collection={crowd}&{kind}={face if kind == 'face' else person}")

    assert response.status_code == 503
    assert "The search took longer than 0.5 s." in visitor.read(response)
