"""Rows in and out of Postgres: one module per noun, all SQL in ``queries/*.sql``."""
