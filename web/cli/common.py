"""What the commands share: late imports, errors in one line, settings, output for programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

import click
from rich.console import Console

from core.errors import FaceSearchError
from core.settings import Settings

FAILED = 1
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Lazy:
    """A subcommand that is not imported yet.

    Attributes:
        module: Holds the command as an attribute that has the command's name.
        help: One line for the list of commands.
    """

    module: str
    help: str


class FaceSearchGroup(click.Group):
    """A group that imports its commands late and prints expected failures as one line."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order they were written down."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command when it is wanted."""
        if cmd_name in self.lazy:
            found: click.Command = getattr(import_module(self.lazy[cmd_name].module), cmd_name)
            return found
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        if not self.lazy:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected failure is one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except FaceSearchError as error:
            click.echo(f"facesearch: {error}", err=True)
            ctx.exit(FAILED)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except ImportError as error:
            # Ctrl-C while a compiled module is being imported arrives as this.
            if not isinstance(error.__cause__, KeyboardInterrupt):
                raise
            ctx.exit(INTERRUPTED)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_json(value: Any) -> None:
    """Print *value* as one JSON document; what JSON lacks (ids, dates, paths) as text."""
    click.echo(json.dumps(value, default=_text, ensure_ascii=False))


def _text(value: object) -> str:
    """Write a date as RFC 3339 does, like the API; anything else as it calls itself."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def console() -> Console:
    """Where progress and remarks go: standard error, so that output can be piped."""
    return Console(stderr=True, markup=False, emoji=False)


def output(*, soft_wrap: bool = False) -> Console:
    """Where results go. Text is shown as it is: ``[/x]`` and ``:x:`` may be parts of names."""
    return Console(markup=False, emoji=False, soft_wrap=soft_wrap)


def settings() -> Settings:
    """Read the settings.

    Raises:
        SetupError: Lists every wrong one.
    """
    return Settings.load()
