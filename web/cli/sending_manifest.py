"""Manifests on this machine: the list itself, and the files beside it that it names."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import click

from core.errors import InvalidRequest, SetupError
from core.manifest_items import ManifestItem, SourceKind
from core.manifests import Format, Limits, entries
from web.cli.sending import Order, send_content, side_by_side
from web.cli.targets import View

FORMATS: Final = {
    ".csv": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".json": Format.NDJSON,
}
MOST_ITEMS: Final = 1_000_000_000
"""The server has a limit of its own."""


def format_of(path: Path) -> Format:
    """Return how a manifest is written, by its name.

    Raises:
        click.UsageError: The name says nothing.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise click.UsageError(
            f"A manifest is called *.ndjson or *.csv, not {path.name}."
        ) from None


def send_manifest(order: Order, path: Path, view: View) -> View:
    """Send the files that a manifest names and then itself, from where it stopped; start it."""
    order.bars.sending("files", total=None)
    side_by_side(order, (partial(_send, order, view, path.parent, name) for name in _named(path)))
    order.bars.all_sent()
    return send_content(order, path, view)


def _named(path: Path) -> Iterator[str]:
    """Yield the names of the files that are to be sent along."""
    with path.open("rb") as file:
        for each in entries(file, format_of(path), Limits(MOST_ITEMS)):
            if isinstance(each, ManifestItem) and each.source.kind is SourceKind.FILE:
                yield each.source.name


def _send(order: Order, view: View, folder: Path, name: str) -> None:
    """Send one file; what cannot be sent is told, and the server says of its item that it is missing."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        order.bars.remark(f"{name} is not sent: it is not below the folder of the manifest.")
        return
    path = folder / parts
    try:
        size = path.stat().st_size
        if size > order.limits.photo_bytes:
            most = order.limits.photo_bytes
            order.bars.remark(f"{name} is not sent: it has more than {most:,} bytes.")
        elif not order.target.has_file(view.id, name, size):
            with path.open("rb") as file:
                order.target.put_file(view.id, name, file)
    except OSError as error:
        order.bars.remark(f"{name} is not sent: {error.strerror}.")
    except (InvalidRequest, SetupError) as error:  # an address cannot say every name
        order.bars.remark(f"{name} is not sent: {error}")
    order.bars.sent(1)
