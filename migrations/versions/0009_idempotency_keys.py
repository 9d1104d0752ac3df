"""Answers that are kept for whoever sends the same request again.

Why: a client that lost the answer to a POST cannot know whether it was done, and must be able to ask
again without doing it twice.
Old code while this runs: unaffected. Locks: none. Undo: DROP TABLE idempotency_keys;
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table."""
    op.execute(
        """
        CREATE TABLE idempotency_keys (
            requester bytea NOT NULL,
            key text NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
            request bytea NOT NULL,
            holder uuid NOT NULL,
            valid_until timestamptz NOT NULL,
            body bytea,
            body_size bigint,
            status smallint,
            headers jsonb,
            answer bytea,
            PRIMARY KEY (requester, key)
        );
        COMMENT ON COLUMN idempotency_keys.requester IS 'SHA-256 of the API key or session.';
        COMMENT ON COLUMN idempotency_keys.request IS
            'SHA-256 of path, query and kind of content.';
        COMMENT ON COLUMN idempotency_keys.holder IS 'The try that works on it, or did.';
        COMMENT ON COLUMN idempotency_keys.valid_until IS
            'Then the row counts no more: its process is taken for dead, or its answer is old.';
        COMMENT ON COLUMN idempotency_keys.body IS
            'SHA-256; null before the answer, and where success did not need the whole body.';
        COMMENT ON COLUMN idempotency_keys.status IS 'HTTP; null before the answer.';
        CREATE INDEX idempotency_keys_by_end ON idempotency_keys (valid_until);
        """
    )
