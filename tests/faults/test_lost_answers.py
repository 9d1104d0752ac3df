"""The last bytes of an archive came, and nobody learned of it."""

import io
from collections.abc import Callable
from uuid import UUID

import pytest

from core import import_content
from core.errors import OffsetMismatch
from core.imports import Source
from tests.importing import Importing, archive

Photo = Callable[[int], bytes]


def test_whoever_sends_the_last_bytes_again_is_told_that_all_are_there(
    importing: Importing, photo: Photo
) -> None:
    content = archive({"a.png": photo(1), "b.png": photo(2)})
    made = importing.create(Source.ARCHIVE, bytes=len(content))
    append(importing, made.id, content[:100], 0)
    append(importing, made.id, content[100:], 100)

    for _ in range(2):  # before it is read, and after it is over
        with pytest.raises(OffsetMismatch) as caught:
            append(importing, made.id, content[100:], 100)
        importing.run()

        assert caught.value.details["offset"] == len(content)
    assert importing.ends(made) == [("a.png", "indexed", None), ("b.png", "indexed", None)]


def append(importing: Importing, import_id: UUID, data: bytes, offset: int) -> None:
    import_content.append(
        importing.services,
        importing.doorbell,
        import_id,
        io.BytesIO(data),
        offset=offset,
        coming=len(data),
    )
