"""Named queries, one .sql file per subject; ``load("faces")["insert"]`` is one of them."""

import re
from functools import cache
from importlib import resources
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)\n", re.MULTILINE)


@cache
def load(subject: str) -> dict[str, LiteralString]:
    """Return the queries of ``<subject>.sql`` by name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has text before the first name, or the same name twice.
    """
    text = (resources.files(__name__) / f"{subject}.sql").read_text(encoding="utf-8")
    preamble, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    if preamble.strip() or len(set(names)) != len(names):
        raise ValueError(f"{subject}.sql: text before the first name, or a name used twice")
    # Our own files, shipped with the code, are as trusted as literals in it.
    return {
        name: cast(LiteralString, body.strip()) for name, body in zip(names, bodies, strict=True)
    }
