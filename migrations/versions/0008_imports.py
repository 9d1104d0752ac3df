"""Bulk imports: what they read, how far they are, and turns between those who wait.

Why: a million photos come in as a job whose every item has its own end; and whoever hands in many
must not keep others waiting.
Old code while this runs: its uploads go on; their items have no lane, and the new code's claim leaves
them to the old one. Stop the old workers, or let them finish, as with each upgrade.
Locks: ACCESS EXCLUSIVE on items and jobs while the indexes of items are built: a second for each hundred
thousand of them. Stop web and workers for it where there are millions. Undo: drop the tables and columns.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the tables and, to items, what a turn and an import need."""
    op.execute("SET LOCAL statement_timeout = '1h'")
    op.execute(
        """
        ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check,
            ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('upload', 'import')) NOT VALID;

        ALTER TABLE items DROP CONSTRAINT items_state_check,
            ADD CONSTRAINT items_state_check CHECK (state IN
                ('waiting', 'running', 'indexed', 'skipped', 'rejected', 'failed', 'dead')) NOT VALID,
            ADD COLUMN lane uuid,
            ADD COLUMN person_id uuid REFERENCES people (id) ON DELETE SET NULL;
        COMMENT ON COLUMN items.lane IS
            'Whose turn it is: the collection of an upload, or the import. Null: it has no photo yet.';
        COMMENT ON COLUMN items.person_id IS 'Who gets the most prominent face of the photo.';

        UPDATE items SET lane = collection_id WHERE state IN ('waiting', 'running');

        CREATE INDEX items_by_lane ON items (lane, id) WHERE state IN ('waiting', 'running');
        CREATE INDEX items_by_person ON items (person_id) WHERE person_id IS NOT NULL;
        -- By a digest: a key may be longer than an index takes.
        CREATE INDEX items_by_key ON items (job_id, md5(key));
        CREATE INDEX items_unread ON items (job_id, position)
            WHERE state = 'waiting' AND lane IS NULL;
        -- Most items are indexed: they need no index to be found.
        CREATE INDEX items_by_end ON items (job_id, state, position)
            WHERE state IN ('skipped', 'rejected', 'failed', 'dead');

        CREATE TABLE lanes (
            id uuid PRIMARY KEY,
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            paused boolean NOT NULL DEFAULT false,
            served_at timestamptz
        );
        COMMENT ON TABLE lanes IS 'Those who wait for workers take turns, by collection, then by lane.';
        COMMENT ON COLUMN lanes.served_at IS 'When a worker last took photos of it.';
        CREATE INDEX lanes_by_collection ON lanes (collection_id);
        INSERT INTO lanes (id, collection_id)
        SELECT DISTINCT collection_id, collection_id FROM items WHERE state IN ('waiting', 'running');

        CREATE TABLE imports (
            id uuid PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 1000),
            external_id text,
            source text NOT NULL CHECK (source IN ('files', 'archive', 'manifest', 'folder')),
            path text,
            options jsonb NOT NULL DEFAULT '{}',
            actor text NOT NULL,
            state text NOT NULL CHECK (state IN
                ('receiving', 'reading', 'read', 'cancelled', 'failed')),
            paused boolean NOT NULL DEFAULT false,
            reason text,
            detail text,
            entries_expected integer CHECK (entries_expected >= 0),
            entries_read integer NOT NULL DEFAULT 0 CHECK (entries_read >= 0),
            entries_passed_over integer NOT NULL DEFAULT 0 CHECK (entries_passed_over >= 0),
            bytes_expected bigint CHECK (bytes_expected >= 0),
            bytes_read bigint NOT NULL DEFAULT 0 CHECK (bytes_read >= 0),
            forecast jsonb,
            counts jsonb,
            held_up_by text,
            pace_from timestamptz,
            pace_items integer NOT NULL DEFAULT 0,
            lease uuid,
            lease_until timestamptz,
            attempts smallint NOT NULL DEFAULT 0,
            looked_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            read_at timestamptz,
            closed_at timestamptz
        );
        COMMENT ON COLUMN imports.external_id IS 'The sender''s own; one import of a collection has it.';
        COMMENT ON COLUMN imports.path IS 'Of a folder: below an allowed one, as the operator named it.';
        COMMENT ON COLUMN imports.state IS
            'receiving: more is to come; reading: its entries become items; read: all did.';
        COMMENT ON COLUMN imports.entries_read IS
            'Entries that have their items, so many from the first on; where reading goes on.';
        COMMENT ON COLUMN imports.bytes_expected IS 'Of the archive, manifest or files.';
        COMMENT ON COLUMN imports.forecast IS 'Sums over the sample of a dry run.';
        COMMENT ON COLUMN imports.counts IS
            'Of a closed one: its items by state and by reason, since a million take long to count.';
        COMMENT ON COLUMN imports.held_up_by IS 'disk, storage or backlog: why reading waits.';
        COMMENT ON COLUMN imports.pace_from IS
            'Since when it runs without a pause, and with how many closed items it began.';
        COMMENT ON COLUMN imports.lease IS 'Who reads it now.';
        COMMENT ON COLUMN imports.looked_at IS
            'When somebody last read some of it, since they take turns; or sent photos to it.';
        COMMENT ON COLUMN imports.closed_at IS 'When the last item got its final state.';
        CREATE UNIQUE INDEX imports_by_external_id ON imports (collection_id, external_id)
            WHERE external_id IS NOT NULL;
        CREATE INDEX imports_by_collection ON imports (collection_id, id);
        CREATE INDEX imports_open ON imports (looked_at NULLS FIRST, id) WHERE closed_at IS NULL;
        """
    )
