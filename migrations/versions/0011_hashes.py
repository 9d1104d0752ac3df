"""What reports compare and count: a hash of each picture, the faces that are new, and searches by day.

Why: the same picture comes in under other bytes, re-encoded or scaled; a new face that looks like somebody
else is to be found without looking at all faces again; and nobody knew how much a collection is searched.
Old code while this runs: unaffected; what it indexes is hashed later and not looked at as new, and its searches
are not counted.
Locks: ACCESS EXCLUSIVE on images while the checks and the index read it, about two seconds for a million.
Undo: drop the columns and the tables.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns and the tables."""
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

        CREATE TABLE arrivals (
            face_id uuid PRIMARY KEY,
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE
        );
        COMMENT ON TABLE arrivals IS
            'Faces that no look for conflicts has seen yet; the face may be gone meanwhile.';
        CREATE INDEX arrivals_by_collection ON arrivals (collection_id, face_id);

        CREATE TABLE search_days (
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            day date NOT NULL,
            searches bigint NOT NULL,
            hits bigint NOT NULL CHECK (hits BETWEEN 0 AND searches),
            PRIMARY KEY (collection_id, day)
        );
        COMMENT ON TABLE search_days IS 'Per query face; days are of UTC.';
        COMMENT ON COLUMN search_days.hits IS 'Of the searches: those that somebody matched.';
        CREATE INDEX search_days_by_day ON search_days (day);

        CREATE TABLE found_days (
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            day date NOT NULL,
            person_id uuid NOT NULL REFERENCES people (id) ON DELETE CASCADE,
            times bigint NOT NULL CHECK (times > 0),
            PRIMARY KEY (collection_id, day, person_id)
        );
        CREATE INDEX found_days_by_person ON found_days (person_id);
        CREATE INDEX found_days_by_day ON found_days (day);
        """
    )
