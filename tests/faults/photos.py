"""Photos of LFW with changed bytes: another SHA-256, the same pixels, so the same faces."""

import io
import struct
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

POISON: Final = b"this photo kills its worker"

JPEG_START: Final = b"\xff\xd8"
APP0: Final = b"\xff\xe0"


def marked(jpeg: bytes, note: bytes) -> bytes:
    """Return the same picture with a comment in it."""
    assert jpeg.startswith(JPEG_START)
    begin = 2
    if jpeg[2:4] == APP0:  # JFIF wants to be the first segment
        begin += 2 + int(struct.unpack(">H", jpeg[4:6])[0])
    comment = b"\xff\xfe" + struct.pack(">H", len(note) + 2) + note
    return jpeg[:begin] + comment + jpeg[begin:]


@dataclass(frozen=True, slots=True)
class Album:
    """Photos in folders of people, as many as there shall be, each with its own bytes.

    Attributes:
        files: Of LFW.
        salt: Albums with another one have other bytes.
    """

    files: Sequence[Path]
    salt: str

    @classmethod
    def of(cls, folder: Path, salt: str) -> "Album":
        """Take the photos of all folders in *folder*."""
        return cls(sorted(folder.glob("*/*.jpg")), salt)

    def key(self, number: int) -> str:
        """Return the name of a photo: its folder is that of its person."""
        file = self.files[number % len(self.files)]
        return f"{file.parent.name}/{number:06}.jpg"

    def photo(self, number: int) -> bytes:
        """Return its bytes."""
        file = self.files[number % len(self.files)]
        return marked(file.read_bytes(), f"{self.salt} {number}".encode())

    def photos(self, numbers: range) -> Iterator[tuple[str, bytes]]:
        """Yield names and bytes."""
        for number in numbers:
            yield self.key(number), self.photo(number)


def damaged(jpeg: bytes) -> bytes:
    """Return a picture with a good header and hardly anything behind it."""
    return jpeg[: len(jpeg) // 8]


def pack(photos: Iterator[tuple[str, bytes]], more: Mapping[str, bytes]) -> bytes:
    """Return a TAR of photos, with *more* at its end."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in (*photos, *more.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
