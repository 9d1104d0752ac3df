"""Cells of tables that are opened in spreadsheets, which compute what looks like a formula."""

from typing import Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What begins a cell that a spreadsheet would compute. A quotation mark before it makes it text."""


def cell(value: object) -> object:
    """Return *value* so that a spreadsheet shows it: names come from whoever sent the photos."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
