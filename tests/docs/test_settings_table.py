"""docs/settings.md lists every setting as the program reads it.

Run as a program it writes the table anew: `make docs`.
"""

from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from core.settings import ENV_PREFIX, Device, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN = "<!-- made by `make docs` -->\n"
END = "<!-- end -->\n"


def table() -> str:
    rows = [
        f"| `{ENV_PREFIX}{name.upper()}` | {default(field)} | {kind(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | values | meaning |", "|---|---|---|---|", *rows, ""])


def default(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "unset" if field.default is None else f"`{field.default}`"


def kind(field: FieldInfo) -> str:
    types = [field.annotation]
    if get_origin(field.annotation) in {Union, UnionType}:
        types = [each for each in get_args(field.annotation) if each is not type(None)]
    [found] = types
    if found is Device:
        return ", ".join(f"`{device}`" for device in Device)
    limits = {
        sign: getattr(rule, name)
        for rule in field.metadata
        for name, sign in (("ge", "from"), ("gt", "more than"), ("le", "to"))
        if hasattr(rule, name)
    }
    words = {
        str: "text",
        bool: "true or false",
        int: "whole number",
        float: "number",
        Path: "path",
        SecretStr: "secret text",
    }[found]
    return " ".join([words, *(f"{sign} {value}" for sign, value in limits.items())])


def test_the_page_shows_every_setting_as_the_program_reads_it() -> None:
    assert PAGE.read_text().split(BEGIN)[1].split(END)[0] == table()


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


if __name__ == "__main__":
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.split(END)[1])
