"""What the approximate index is held against: real queries, as vectors alone, and what came out.

Why: recall on made-up queries says nothing about those of this installation.
Old code while this runs: unaffected; it keeps no queries.
Locks: ACCESS EXCLUSIVE on collections for an instant. Undo: drop the tables and the columns.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables, and to collections what they decide."""
    op.execute(
        """
        ALTER TABLE collections ADD COLUMN ef_search smallint CHECK (ef_search BETWEEN 10 AND 1000),
            ADD COLUMN keeps_queries boolean NOT NULL DEFAULT true;
        COMMENT ON COLUMN collections.ef_search IS 'Null: FACESEARCH_HNSW_EF_SEARCH.';
        COMMENT ON COLUMN collections.keeps_queries IS
            'Whether a few query vectors are kept, so that recall can be measured on real ones.';

        CREATE TABLE query_samples (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            embedding halfvec NOT NULL
        );
        COMMENT ON COLUMN query_samples.id IS 'Random: it must not tell when somebody searched.';
        CREATE INDEX query_samples_by_collection ON query_samples (collection_id);

        CREATE TABLE recall_audits (
            id uuid PRIMARY KEY DEFAULT uuidv7(),
            collection_id uuid NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            kind text NOT NULL CHECK (kind IN ('hnsw', 'bit')),
            ef_search smallint NOT NULL,
            queries integer NOT NULL CHECK (queries > 0),
            stored_queries integer NOT NULL CHECK (stored_queries BETWEEN 0 AND queries),
            faces bigint NOT NULL,
            recall_1 real NOT NULL CHECK (recall_1 BETWEEN 0 AND 1),
            recall_10 real NOT NULL CHECK (recall_10 BETWEEN 0 AND 1),
            mates integer NOT NULL CHECK (mates >= 0),
            lost_mates integer NOT NULL CHECK (lost_mates BETWEEN 0 AND mates),
            approximate_ms real NOT NULL,
            exact_ms real NOT NULL,
            proposed_ef_search smallint,
            applied boolean NOT NULL DEFAULT false,
            steps jsonb NOT NULL DEFAULT '[]'
        );
        COMMENT ON COLUMN recall_audits.stored_queries IS
            'Of the queries: made of stored faces, where too few real ones were kept.';
        COMMENT ON COLUMN recall_audits.mates IS
            'Faces at or above the threshold among the ten nearest, over all queries, by exact search.';
        COMMENT ON COLUMN recall_audits.proposed_ef_search IS
            'The smallest that reaches the goal; null: none that was tried does.';
        COMMENT ON COLUMN recall_audits.applied IS 'Whether the proposal was set at once.';
        COMMENT ON COLUMN recall_audits.steps IS 'What each ef_search that was tried gave.';
        CREATE INDEX recall_audits_by_collection ON recall_audits (collection_id, id);
        """
    )
