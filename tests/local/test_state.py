"""What commands learn from the state file of a running system."""

import os
from pathlib import Path

import pytest

from core.errors import NotRunning, SetupError
from core.local import state
from core.local.state import Running, State
from core.local.temporary import folder
from core.settings import Settings


def noted(data_dir: Path, supervisor: Running) -> Settings:
    (data_dir / "run").mkdir()
    state.write(
        data_dir,
        State(
            supervisor=supervisor,
            database_url="postgresql:///embedded",
            broker_url="unix:///embedded",
            sockets=str(data_dir / "run"),
            page="http://127.0.0.1:8000/",
            children={"web": supervisor},
        ),
    )
    return Settings(_env_file=None, data_dir=data_dir)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    noted(tmp_path, Running.of(os.getpid()))

    found = state.running(tmp_path)

    assert found is not None
    assert found.children == {"web": Running.of(os.getpid())}


def test_a_process_that_has_the_number_of_a_dead_supervisor_is_not_taken_for_it(
    tmp_path: Path,
) -> None:
    settings = noted(tmp_path, Running(os.getpid(), created=1.0))

    assert state.running(tmp_path) is None
    with pytest.raises(NotRunning, match="start it with `facesearch up`"):
        state.resolve(settings)


def test_only_what_is_not_set_comes_from_the_local_system(tmp_path: Path) -> None:
    settings = noted(tmp_path, Running.of(os.getpid()))
    half = settings.model_copy(update={"database_url": "postgresql:///elsewhere"})

    resolved = state.resolve(half)

    assert resolved.database_url == "postgresql:///elsewhere"
    assert resolved.broker_url == "unix:///embedded"


def test_settings_that_name_both_servers_need_no_local_system(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None, data_dir=tmp_path, database_url="postgresql:///a", broker_url="redis://b"
    )

    assert state.resolve(settings) is settings


@pytest.mark.parametrize("text", ["", "{", "{}", '{"supervisor": {}}'])
def test_a_damaged_state_file_means_that_nothing_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text(text)

    assert state.running(tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_system_of_another_user_is_said_to_be_theirs() -> None:
    with folder() as data_dir:
        noted(data_dir, Running.of(os.getpid()))
        os.seteuid(65534)
        try:
            with pytest.raises(SetupError, match="belongs to another user"):
                state.running(data_dir)
        finally:
            os.seteuid(0)
