"""How Alembic runs a revision: on the connection it is given, each in its own transaction.

A lock that is not had in four seconds fails the migration instead of stopping the whole service
behind it; a statement has five seconds. A revision that needs more says so itself, for itself:
``op.execute("SET LOCAL statement_timeout = '10min'")``.
"""

from alembic import context
from sqlalchemy import Connection, text


def run(connection: Connection) -> None:
    """Run what is missing."""
    connection.execute(text("SET lock_timeout = '4s'"))
    connection.execute(text("SET statement_timeout = '5s'"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
