"""The last bytes of an archive came, and nobody learned of it."""

import io
from collections.abc import Callable
from uuid import UUID

import pytest

from core import import_content, import_sweep
from core.errors import OffsetMismatch
from core.import_wishes import Source
from core.spool import Spool
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


def test_an_import_whose_receiver_died_after_the_last_byte_is_started_by_the_sweeper(
    importing: Importing, photo: Photo
) -> None:
    content = archive({"a.png": photo(1)})
    whole = importing.create(Source.ARCHIVE, bytes=len(content))
    half = importing.create(Source.ARCHIVE, bytes=len(content))
    spool = Spool(importing.services.settings, whole.id)
    spool.append(io.BytesIO(content), offset=0)
    append(importing, half.id, content[:100], 0)

    import_sweep.sweep(importing.services)
    importing.run()

    assert importing.ends(whole) == [("a.png", "indexed", None)]
    assert importing.get(half).state == "receiving"


def test_the_sweeper_leaves_an_archive_alone_to_which_somebody_adds(
    importing: Importing, photo: Photo
) -> None:
    content = archive({"a.png": photo(1)})
    made = importing.create(Source.ARCHIVE, bytes=len(content))

    class Sweeping(io.BytesIO):
        """Lets a sweep happen when all bytes are there, and their sender is not done yet."""

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                import_sweep.sweep(importing.services)
                states.append(importing.get(made).state)
            return data

    states: list[str] = []
    import_content.append(
        importing.services, importing.doorbell, made.id, Sweeping(content), offset=0, coming=None
    )

    assert states == ["receiving"]
    assert importing.get(made).state == "reading"


def append(importing: Importing, import_id: UUID, data: bytes, offset: int) -> None:
    import_content.append(
        importing.services,
        importing.doorbell,
        import_id,
        io.BytesIO(data),
        offset=offset,
        coming=len(data),
    )
