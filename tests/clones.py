"""Databases made ahead of the tests that need them: copying one takes as long as many a test."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql

from core.local.postgres import Postgres

TEMPLATE = "template_facesearch"
AHEAD = 2
PATIENCE_S = 60


class Clones:
    """Copies of the template, two of them ready."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._ready: queue.Queue[str | psycopg.Error] = queue.Queue(AHEAD)
        self._over = threading.Event()

    @classmethod
    @contextmanager
    def of(cls, postgres: Postgres) -> Iterator["Clones"]:
        """Make copies from a thread for as long as the block runs."""
        clones = cls(postgres)
        maker = threading.Thread(target=clones._make_ahead, name="clones", daemon=True)
        maker.start()
        try:
            yield clones
        finally:
            clones._over.set()
            while maker.is_alive():
                clones._drain()
                maker.join(0.05)

    def take(self) -> str:
        """Return the URL of a migrated, empty database that nobody else gets."""
        made = self._ready.get(timeout=PATIENCE_S)
        if isinstance(made, psycopg.Error):
            raise made
        return made

    def _make_ahead(self) -> None:
        while not self._over.is_set():
            try:
                self._ready.put(self._clone())
            except psycopg.Error as error:
                self._ready.put(error)

    def _clone(self) -> str:
        name = f"test_{uuid4().hex}"
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        with psycopg.connect(self._postgres.url_of("postgres"), autocommit=True) as connection:
            connection.execute(copy.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        return self._postgres.url_of(name)

    def _drain(self) -> None:
        while not self._ready.empty():
            self._ready.get_nowait()
