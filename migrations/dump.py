"""The whole schema in one file, ``schema.sql``, so that a reviewer sees what a migration makes.

``python -m migrations.dump`` writes it; a test compares it with what the migrations make.
"""

import re
import subprocess
from pathlib import Path

from core.db.migrate import upgrade
from core.local import temporary
from core.local.postgres import program_folder

SNAPSHOT = Path(__file__).with_name("schema.sql")

NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)$\n", re.M)
"""What differs between runs or says nothing: a random key, versions, session settings."""


def schema(database_url: str) -> str:
    """Return the definition of everything in a database, in an order that is always the same."""
    dumped = subprocess.run(
        [
            program_folder() / "pg_dump",
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            database_url,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return re.sub(r"\n{3,}", "\n\n", NOISE.sub("", dumped)).strip() + "\n"


def main() -> None:
    """Write the snapshot anew."""
    with temporary.postgres() as server:
        server.create_database()
        upgrade(server.url)
        SNAPSHOT.write_text(schema(server.url))


if __name__ == "__main__":
    main()
