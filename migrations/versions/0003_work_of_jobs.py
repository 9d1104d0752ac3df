"""What the photos of a job cost the workers, stage by stage.

Why: whoever waits for a large import wants to know what limits it, and what would help.
Old code while this runs: unaffected; it adds nothing to the sums, and they say of how many photos
they are.
Locks: ACCESS EXCLUSIVE on jobs for an instant; a constant default rewrites nothing.
Undo: ALTER TABLE jobs DROP COLUMN work, DROP COLUMN started_at;
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.execute(
        """
        ALTER TABLE jobs ADD COLUMN work jsonb NOT NULL DEFAULT '{}',
                         ADD COLUMN started_at timestamptz;
        COMMENT ON COLUMN jobs.work IS
            'Sums over its analysed photos; added to in the transaction that writes a batch.';
        COMMENT ON COLUMN jobs.started_at IS 'When a worker took the first photo that was written.';
        """
    )
