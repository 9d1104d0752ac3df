"""Rows of a binary COPY as NumPy arrays: millions of them in seconds."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

ID: Final = "V16"
"""An id in a row."""

ID_BYTES: Final = "S16"
"""An id as NumPy sorts and finds it: by its bytes, as Postgres does."""


def layout(columns: Sequence[tuple[str, str]]) -> np.dtype[np.void]:
    """Return the layout of a row: before each column stands how long it is."""
    lengths = [(f"{name} bytes", ">i4") for name, _ in columns]
    fields = [field for pair in zip(lengths, columns, strict=True) for field in pair]
    return np.dtype([("columns", ">i2"), *fields])


def ids(column: NDArray[np.void]) -> NDArray[np.bytes_]:
    """Return a column of ids as `ID_BYTES`."""
    return column.copy().view(ID_BYTES)


def id_bytes(uuids: Sequence[UUID]) -> NDArray[np.bytes_]:
    """Return ids as `ID_BYTES`."""
    return np.frombuffer(b"".join(each.bytes for each in uuids), ID_BYTES)


def uuid_of(packed: bytes) -> UUID:
    """Return the id that an element of such an array is; NumPy cuts zeros at its end."""
    return UUID(bytes=packed.ljust(16, b"\0"))
