"""The schema's history: Alembic revisions with plain SQL inside, forward only."""
