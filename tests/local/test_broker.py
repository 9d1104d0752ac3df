"""The embedded broker keeps nothing on disk and loses nothing while it runs."""

from pathlib import Path
from typing import Any

import pytest
import redis

from core.errors import SetupError
from core.local import broker


def test_nothing_that_passes_through_it_touches_the_disk(
    local_servers: Any, broker_url: str
) -> None:
    folder = local_servers.broker.socket.parent
    with redis.Redis.from_url(broker_url) as client:
        client.set("photo", b"bytes of a query photo")

        settings = client.config_get("*")

    assert settings["save"] == ""
    assert settings["appendonly"] == "no"
    assert sorted(path.name for path in folder.iterdir()) == ["broker.log", "broker.sock"]


def test_a_full_broker_refuses_and_never_throws_away(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as client:
        settings = client.config_get("maxmemory*")

    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) >= 256 * 1024 * 1024


def test_without_the_wheel_a_server_on_the_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.touch(mode=0o755)
    monkeypatch.setattr(broker, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert broker.server_program() == program


def test_without_any_server_the_error_names_the_cures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError, match=r"facesearch\[local\].*FACESEARCH_BROKER_URL"):
        broker.server_program()
