"""What a search can be narrowed by: tags, the time a photo was taken, a group of unnamed faces.

Why: a filter that stands beside the vector is tried on each candidate of an index scan; one behind a
join is not. So faces repeat the tags and the time of their image, and whoever changes those of an
image changes its faces in the same transaction.
Old code while this runs: waits for the locks; then unaffected, since every column has a default.
Locks: ACCESS EXCLUSIVE on images and faces for an instant (constant defaults rewrite nothing), then
SHARE while the partial indexes are made: nothing is in them yet, but each reads its table once.
Undo: drop the columns; their indexes go with them.
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns and the indexes that narrow a search."""
    op.execute(
        """
        ALTER TABLE images ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
                           ADD COLUMN captured_at timestamptz;
        ALTER TABLE faces ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
                          ADD COLUMN captured_at timestamptz,
                          ADD COLUMN cluster_id uuid;
        COMMENT ON COLUMN images.captured_at IS
            'As the uploader said, else as EXIF says (taken as UTC where it names no zone).';
        COMMENT ON COLUMN faces.tags IS 'A copy of the image''s, as captured_at is.';
        COMMENT ON COLUMN faces.cluster_id IS 'Unnamed faces with the same value look like one person.';

        CREATE INDEX faces_by_capture ON faces (collection_id, captured_at)
            WHERE captured_at IS NOT NULL;
        CREATE INDEX faces_by_tag ON faces USING gin (tags) WHERE tags <> '{}';
        CREATE INDEX faces_by_cluster ON faces (cluster_id) WHERE cluster_id IS NOT NULL;
        CREATE INDEX images_by_tag ON images USING gin (tags) WHERE tags <> '{}';
        CREATE INDEX images_by_capture ON images (collection_id, captured_at)
            WHERE captured_at IS NOT NULL;
        CREATE INDEX images_by_metadata ON images USING gin (metadata jsonb_path_ops)
            WHERE metadata <> '{}';
        CREATE INDEX people_by_metadata ON people USING gin (metadata jsonb_path_ops)
            WHERE metadata <> '{}';
        CREATE INDEX images_by_external_prefix ON images
            (collection_id, external_id text_pattern_ops) WHERE external_id IS NOT NULL;
        CREATE INDEX people_by_external_prefix ON people
            (collection_id, external_id text_pattern_ops) WHERE external_id IS NOT NULL;
        """
    )
