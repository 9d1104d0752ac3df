"""Manifests: one photo a line, NDJSON or CSV, each with its outcome.

A manifest is hostile until it is read: one line is in memory at a time, and whatever a line says,
its neighbours are taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Self, TypeAlias

from core.errors import BadManifest, ItemInvalid
from core.manifest_items import ManifestFault, ManifestItem, item, shown
from core.manifest_rows import BadLineError, Row, csv_rows, ndjson_rows
from core.settings import Settings

Outcome: TypeAlias = ManifestItem | ManifestFault


class Format(StrEnum):
    """How a manifest is written."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken of one manifest.

    Attributes:
        items: Lines that hold something, those with faults included.
    """

    items: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits that the operator set."""
        return cls(items=settings.max_archive_entries)


def entries(file: BinaryIO, format: Format, limits: Limits) -> Iterator[Outcome]:
    """Yield what each line of a manifest names, in its order; blank ones are passed over.

    Args:
        file: Read once, from where it stands; it need not be seekable.

    Raises:
        BadManifest: Nothing of it can be read (see `core.manifest_rows`), or, behind the last item
            that is taken, there are more than the limit.
    """
    for row in _rows(file, format, limits):
        fields = None
        try:
            fields = row.fields()
            yield item(fields, line=row.number, bytes_read=row.end)
        except BadLineError as error:
            fault = ItemInvalid(str(error))
            yield ManifestFault(row.number, row.end, shown(error.key), fault)
        except ItemInvalid as fault:
            key = shown(fields.get("key")) if fields else None
            yield ManifestFault(row.number, row.end, key, fault)


def count(file: BinaryIO, format: Format, limits: Limits) -> int:
    """Return how many outcomes `entries` will have; what the lines say is not looked at.

    Raises:
        BadManifest: See `entries`.
    """
    return sum(1 for _ in _rows(file, format, limits))


def _rows(file: BinaryIO, format: Format, limits: Limits) -> Iterator[Row]:
    rows = ndjson_rows(file) if format is Format.NDJSON else csv_rows(file)
    for number, row in enumerate(rows, start=1):
        if number > limits.items:
            raise BadManifest(
                f"The manifest has more than {limits.items:,} items; the rest is left out.",
                max_items=limits.items,
            )
        yield row
