"""docs/reports.md: no report, kind, decision or setting is left out, and its commands can be run."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from core import reviews
from core.answers import Decision
from core.reports import registry
from core.reports.files.formats import Format
from core.reports.words import KINDS
from core.settings import ENV_PREFIX, Settings
from web.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")

COMMANDS = re.findall(r"^facesearch (.*?)(?: {2,}#.*)?$", PAGE, re.MULTILINE)
ID = "01a20cb7-189f-74ac-9927-7f7cea50a24d"


def column(heading: str) -> set[str]:
    """Return what the first column of a table names."""
    rows = PAGE.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return {row.split("|")[1].strip().strip("`") for row in rows}


def test_every_report_and_every_form_of_a_file_is_explained() -> None:
    assert column("report") == set(registry.REPORTS)
    assert column("format") == set(Format)


def test_every_kind_of_finding_and_every_decision_is_named() -> None:
    assert [kind for kind in KINDS if f"`{kind}`" not in PAGE] == []
    assert [each for each in Decision if f"`{each}`" not in PAGE] == []
    assert [each for each in reviews.SOURCES if f"`{each}`" not in PAGE] == []


@pytest.mark.parametrize("name", ["report_hours", "report_versions"])
def test_settings_are_told_with_their_defaults(name: str) -> None:
    default = Settings.model_fields[name].default

    assert f"`{ENV_PREFIX}{name.upper()}` ({default})" in PAGE


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_can_be_read(line: str) -> None:
    group: Any = main
    words = shlex.split(line.replace("ITEM", ID).replace("REPORT", ID).replace("CHANGE", ID))
    context = click.Context(group)
    while isinstance(group, click.Group):
        group = group.get_command(context, words.pop(0))

    assert group is not None
    group.make_context("facesearch", words)
