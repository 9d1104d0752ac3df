"""Reading the PDFs that fpdf2 writes: their pages, pictures and texts."""

import re
import zlib
from collections.abc import Mapping

STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
SHOWN = re.compile(rb"/F(\d+) [\d.]+ Tf|\(((?:\\.|[^\\)])*)\) Tj", re.DOTALL)
LETTER = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")
ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def pages(pdf: bytes) -> int:
    """Return how many pages there are."""
    return len(re.findall(rb"/Type /Page\b(?!s)", pdf))


def pictures(pdf: bytes) -> int:
    """Return how many JPEG pictures are inside."""
    return pdf.count(b"/DCTDecode")


def text(pdf: bytes) -> str:
    """Return all texts, in the order in which they were written, a line of the file each."""
    streams = [_unpacked(data) for data in STREAM.findall(pdf)]
    fonts = [_letters(stream) for stream in streams if b"beginbfchar" in stream]
    lines, font = [], 0
    for stream in streams:
        if b" Tj" not in stream:
            continue
        for switch, shown in SHOWN.findall(stream):
            if switch:
                font = int(switch) - 1
            else:
                lines.append("".join(fonts[font][code] for code in _codes(shown)))
    return "\n".join(lines)


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return data


def _letters(stream: bytes) -> Mapping[int, str]:
    return {
        int(code, 16): bytes.fromhex(letter.decode()).decode("utf-16-be")
        for code, letter in LETTER.findall(stream)
    }


def _codes(shown: bytes) -> list[int]:
    plain = re.sub(rb"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), shown, flags=re.DOTALL)
    return [int.from_bytes(plain[at : at + 2]) for at in range(0, len(plain), 2)]
