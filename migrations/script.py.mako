"""${message}.

Why: .
Old code while this runs: .
Locks: . Undo: .
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """."""
    op.execute("")
