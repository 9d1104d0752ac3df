"""Which Postgres, pgvector and schema this code needs, and how versions are compared."""

from importlib import resources

OLDEST_SERVER = 18
"""The first with uuidv7()."""

OLDEST_VECTOR = (0, 8, 4)
"""Older versions can corrupt an HNSW index under inserts and vacuum at the same time."""


def parse(text: str) -> tuple[int, ...]:
    """Read ``0.8.6`` as numbers, so that 0.10 is newer than 0.9."""
    return tuple(int(part) for part in text.split("."))


def show(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version)


def newest_revision() -> str:
    """Return the revision of this code's schema, from the names of its migrations alone: Alembic
    knows it too, and takes half a second to load.
    """
    files = (each.name for each in (resources.files("migrations") / "versions").iterdir())
    return max(name[:4] for name in files if name[:4].isdigit())
