"""Partitions of their own for large collections, and the work on them that takes long.

Why: a collection with its own partition has an index that nobody shares, and is deleted by dropping a
table. Foreign keys of faces now name the collection too: Postgres then looks into one partition for
the faces of an image or of a person, where it looked into all. And every search reads its collection,
which counted its people each time.
Old code while this runs: waits; then people that it makes or deletes are not counted.
Locks: SHARE ROW EXCLUSIVE on faces, images and people (reads go on, writes wait) while the new keys
are checked: two joins over all faces. Undo: put the old foreign keys back.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Name the collection in the keys, remember where each collection is, and list the work."""
    op.execute(
        """
        ALTER TABLE images ADD CONSTRAINT images_collection_id_id_key UNIQUE (collection_id, id);
        DROP INDEX images_by_collection;
        ALTER TABLE people ADD CONSTRAINT people_collection_id_id_key UNIQUE (collection_id, id);
        DROP INDEX people_by_collection;
        -- Images lead to the collection. Putting a partition in place locks whatever its keys refer to,
        -- and those who wait for a collection meanwhile would have to be waited for.
        ALTER TABLE faces DROP CONSTRAINT faces_collection_id_fkey;
        ALTER TABLE faces DROP CONSTRAINT faces_image_id_fkey;
        ALTER TABLE faces DROP CONSTRAINT faces_person_id_fkey;
        ALTER TABLE faces ADD CONSTRAINT faces_image_fkey FOREIGN KEY (collection_id, image_id)
            REFERENCES images (collection_id, id) ON DELETE CASCADE;
        ALTER TABLE faces ADD CONSTRAINT faces_person_fkey FOREIGN KEY (collection_id, person_id)
            REFERENCES people (collection_id, id) ON DELETE SET NULL (person_id);

        -- Most rows have no external id. As plain indexes these were the smallest ones that begin with the
        -- collection, and Postgres looked for an image through them, past all that have none.
        ALTER TABLE images DROP CONSTRAINT images_collection_id_external_id_key;
        CREATE UNIQUE INDEX images_collection_id_external_id_key ON images
            (collection_id, external_id) WHERE external_id IS NOT NULL;
        ALTER TABLE people DROP CONSTRAINT people_collection_id_external_id_key;
        CREATE UNIQUE INDEX people_collection_id_external_id_key ON people
            (collection_id, external_id) WHERE external_id IS NOT NULL;
        ALTER TABLE faces DROP CONSTRAINT faces_collection_id_external_id_key;
        CREATE UNIQUE INDEX faces_collection_id_external_id_key ON faces
            (collection_id, external_id) WHERE external_id IS NOT NULL;

        ALTER TABLE collections ADD COLUMN layout text NOT NULL DEFAULT 'tail'
            CHECK (layout IN ('tail', 'own'));
        COMMENT ON COLUMN collections.layout IS
            'own: its faces are in the partition faces_c_<id>; tail: in the hashed default one.';

        -- A face is asked for by its id alone. Planning that for hundreds of partitions takes a tenth of a
        -- second; one plan for all, kept by the session, is run in less than a thousandth.
        CREATE FUNCTION home_of_face(face_id uuid) RETURNS uuid
            LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
        BEGIN
            RETURN (SELECT faces.collection_id FROM faces WHERE faces.id = face_id);
        END $$;

        ALTER TABLE collections ADD COLUMN person_count bigint NOT NULL DEFAULT 0
            CHECK (person_count >= 0);
        UPDATE collections SET person_count =
            (SELECT count(*) FROM people WHERE people.collection_id = collections.id);

        CREATE TABLE index_work (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            action text NOT NULL CHECK (action IN ('promote', 'build', 'rebuild', 'drop')),
            kind text NOT NULL DEFAULT 'hnsw' CHECK (kind IN ('hnsw', 'bit')),
            state text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'running', 'done', 'failed')),
            step text,
            done bigint NOT NULL DEFAULT 0,
            total bigint NOT NULL DEFAULT 0,
            attempts smallint NOT NULL DEFAULT 0,
            detail text,
            actor text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            started_at timestamptz,
            finished_at timestamptz
        );
        CREATE INDEX index_work_by_collection ON index_work (collection_id, id);
        CREATE UNIQUE INDEX index_work_open ON index_work (collection_id, action)
            WHERE state IN ('waiting', 'running');
        """
    )
