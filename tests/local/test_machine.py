"""A machine that cannot run facesearch is told so in one sentence."""

from pathlib import Path

import pytest

from core.errors import ModelError, SetupError
from core.local import machine, sockets
from core.local.accounts import folder_mode
from core.local.temporary import folder
from core.settings import Settings


def test_a_processor_without_the_needed_instructions_is_refused() -> None:
    with pytest.raises(SetupError) as raised:
        machine.require_processor({"sse2", "fma"})

    assert str(raised.value) == (
        "This processor lacks AVX2, F16C, which the embedded Postgres needs; set "
        "FACESEARCH_DATABASE_URL to a Postgres on another machine."
    )


@pytest.mark.parametrize("flags", [{"avx2", "fma", "f16c", "sse2"}, set()])
def test_a_capable_processor_and_one_of_another_kind_are_accepted(flags: set[str]) -> None:
    machine.require_processor(flags)


@pytest.mark.parametrize(
    ("pack", "says"),
    [("nix", "no model pack 'nix'"), ("buffalo_l", "facesearch models install buffalo_l")],
)
def test_an_unknown_or_missing_pack_is_named_before_anything_starts(
    tmp_path: Path, pack: str, says: str
) -> None:
    settings = Settings(_env_file=None, pack=pack, models_dir=tmp_path)

    with pytest.raises(ModelError, match=says):
        machine.require_pack(settings)


def test_sockets_stay_in_the_data_folder_where_its_path_is_short_enough() -> None:
    with folder() as run:
        assert sockets.choose(run) == run


@pytest.mark.parametrize("name", ["x" * 90, "a,b"])
def test_sockets_move_to_a_private_folder_where_the_path_does_not_suit(name: str) -> None:
    with folder() as run:
        chosen = sockets.choose(run / name)
        try:
            assert chosen != run / name
            assert sockets.fits(chosen)
            assert chosen.stat().st_mode & 0o777 == folder_mode()
        finally:
            sockets.discard(chosen, run)
        assert not chosen.exists()
