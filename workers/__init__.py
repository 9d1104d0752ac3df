"""Thin shells around core that Celery runs."""
