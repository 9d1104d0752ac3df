"""The root of the command line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from core.errors import CollectionNotFound
from web.cli import main
from web.cli.common import FaceSearchGroup

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_listed_command_is_there(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert isinstance(command, click.Command)
    assert command.help


def test_help_lists_the_commands_without_importing_them() -> None:
    program = (
        "import sys; from web.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout

    assert "Start everything on this machine." in found
    assert not {"psycopg", "flask", "celery", "numpy", "web.cli.local"} & set(found.split())


@click.group(cls=FaceSearchGroup)
def group() -> None:
    pass


@group.command()
def fails() -> None:
    raise CollectionNotFound("trip")


@group.command()
def interrupted() -> None:
    raise KeyboardInterrupt


@group.command()
def interrupted_import() -> None:
    raise ImportError("initialization failed") from KeyboardInterrupt()


def test_an_expected_failure_is_one_line_and_exit_code_1() -> None:
    result = CliRunner().invoke(group, ["fails"])

    assert (result.exit_code, result.stderr) == (1, "facesearch: There is no collection trip.\n")


@pytest.mark.parametrize("name", ["interrupted", "interrupted-import"])
def test_an_interrupted_command_exits_as_shells_expect(name: str) -> None:
    assert CliRunner().invoke(group, [name]).exit_code == 130


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2
