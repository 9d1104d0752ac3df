"""What a collection keeps of its photos: the originals, the crops of faces, or vectors only.

Why: some may not keep photos of people, and some have no room for them.
Old code while this runs: unaffected; it keeps originals.
Locks: ACCESS EXCLUSIVE on collections and images while the check reads the images once, about a second for
a million; constant defaults rewrite nothing.
Undo: ALTER TABLE collections DROP COLUMN keeps; ALTER TABLE images DROP COLUMN kept;
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns."""
    op.execute("SET LOCAL statement_timeout = '1h'")
    op.execute(
        """
        ALTER TABLE collections ADD COLUMN keeps text NOT NULL DEFAULT 'originals'
            CHECK (keeps IN ('originals', 'crops', 'vectors'));
        COMMENT ON COLUMN collections.keeps IS
            'originals: photo, small copies and crops; crops: crops alone; vectors: no picture at all. '
            'Counts for photos indexed from now on.';
        ALTER TABLE images ADD COLUMN kept text NOT NULL DEFAULT 'originals'
            CHECK (kept IN ('originals', 'crops', 'vectors'));
        COMMENT ON COLUMN images.kept IS 'What there is of it: originals while it waits or was given up, then what its collection keeps.';
        """
    )
