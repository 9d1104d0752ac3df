"""How good a face must be to be taken into a collection.

Why: a blurred or tiny face finds nobody, and who enrols people wants to be told so at once.
Old code while this runs: unaffected; a collection that it makes has the gate ``off``, which is
what the old code does. So have the collections that are there.
Locks: ACCESS EXCLUSIVE on collections for an instant (a constant default rewrites nothing; the
check reads one short row a collection). Undo: ALTER TABLE collections DROP COLUMN quality_gate;
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.execute(
        """
        ALTER TABLE collections ADD COLUMN quality_gate text NOT NULL DEFAULT 'off'
            CHECK (quality_gate IN ('off', 'standard', 'strict'));
        COMMENT ON COLUMN collections.quality_gate IS
            'What faces must measure up to; counts for photos indexed from now on.';
        """
    )
