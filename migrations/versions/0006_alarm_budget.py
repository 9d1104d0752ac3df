"""Thresholds that follow the size of the gallery.

Why: the same cosine raises ten times the false alarms in a gallery of ten times the faces. With a
budget of one in N, and with what calibration found about the impostors, each search takes the
threshold of the gallery as it is now.
Old code while this runs: unaffected; it goes on with `threshold`, and collections have no budget.
Locks: ACCESS EXCLUSIVE on collections, while its few rows are checked. Undo: drop the columns.
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns."""
    op.execute(
        """
        ALTER TABLE collections ADD COLUMN alarm_budget integer
                CHECK (alarm_budget BETWEEN 2 AND 1000000000),
            ADD COLUMN impostors jsonb,
            ADD CONSTRAINT collections_budget_is_calibrated
                CHECK (alarm_budget IS NULL OR impostors IS NOT NULL);
        COMMENT ON COLUMN collections.alarm_budget IS
            'N of "a search for a stranger finds somebody at most once in N"; null: `threshold`.';
        COMMENT ON COLUMN collections.impostors IS
            'What the last calibration found: which cosine keeps which false match rate.';
        """
    )
