"""What reports compare and count: a hash of each picture.

Why: the same picture comes in under other bytes, re-encoded or scaled.
Old code while this runs: unaffected; what it indexes is hashed later.
Locks: ACCESS EXCLUSIVE on images while the checks and the index read it, about two seconds for a million.
Undo: drop the columns.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns."""
    op.execute("SET LOCAL statement_timeout = '1h'")
    op.execute(
        """
        ALTER TABLE images ADD COLUMN picture_hash bytea CHECK (length(picture_hash) = 32),
            ADD COLUMN picture_unreadable boolean NOT NULL DEFAULT false;
        COMMENT ON COLUMN images.picture_hash IS
            'Bits that copies of one picture have in common; null: not known, or it never was a picture.';
        COMMENT ON COLUMN images.picture_unreadable IS
            'Nothing that is kept of it could be read when it was to be hashed; it is not tried again.';
        CREATE INDEX images_without_hash ON images (id)
            WHERE picture_hash IS NULL AND state = 'indexed' AND kept = 'originals'
              AND NOT picture_unreadable;
        """
    )
