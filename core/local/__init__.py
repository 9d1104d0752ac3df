"""Postgres, broker and our own processes on one machine, without Docker or root."""
