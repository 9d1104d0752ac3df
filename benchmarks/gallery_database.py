"""A kept Postgres of the product with galleries in it, as collections like any other."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from uuid import UUID

import psutil
from psycopg import sql

from benchmarks import gallery_rows as packed
from benchmarks.gallery import Gallery
from benchmarks.lfw import PACK, TEST_PACKS
from core import collections, indexes, maintenance
from core.db import index_work as work_rows
from core.db.collections import Collection
from core.db.index_work import Action, State
from core.db.indexes import Kind, index_name
from core.db.migrate import upgrade
from core.db.pool import Connection, connect
from core.db.rows import fetch_value
from core.errors import CollectionNotFound
from core.inference.packs import read_manifest
from core.local import temporary
from core.maintenance import KEPT_WORK
from core.services import Services, close_services, open_services
from core.settings import Device, Settings

NOBODY = "redis://localhost:1"
"""A broker that nothing here asks for."""


@dataclass(frozen=True)
class Database:
    """A running, migrated server."""

    url: str
    services: Services

    @contextmanager
    def connection(self, *, autocommit: bool = False) -> Iterator[Connection]:
        """Open a connection of its own."""
        with connect(self.url, autocommit=autocommit) as conn:
            yield conn


@dataclass(frozen=True)
class Sizes:
    """Bytes of a collection's own table; of a shared one for a small collection."""

    heap: int
    hnsw: int
    others: int


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """Run the server in *folder*, made on the first time."""
    folder.mkdir(parents=True, exist_ok=True)
    with temporary.postgres(durable=True, inside=folder.resolve()) as server:
        server.create_database()
        upgrade(server.url)
        with connected(folder, server.url, connections=4) as opened:
            yield opened


@contextmanager
def connected(folder: Path, url: str, *, connections: int) -> Iterator[Database]:
    """Be one process of the product, at a server that runs."""
    settings = Settings(
        _env_file=None,
        database_url=url,
        broker_url=NOBODY,
        data_dir=folder,
        extra_packs=TEST_PACKS,
        device=Device.CPU,
    )
    services = open_services(settings, connections=connections)
    try:
        yield Database(url, services)
    finally:
        close_services(services)


def prepare(database: Database, each: Gallery) -> Collection:
    """Load a gallery, and promote and index it where the product would, whatever is missing."""
    collection = collection_of(database, each)
    if wants_promotion(database, collection):
        with timed(each.folder, "promoted, index included,"):
            promote(database, collection)
    return collection_of(database, each)


def wants_promotion(database: Database, collection: Collection) -> bool:
    """Say whether the product would give the collection a table of its own."""
    least = database.services.settings.promote_faces
    return collection.layout != "own" and collection.face_count > least


def promote(database: Database, collection: Collection) -> None:
    """Let the product promote and index a collection now."""
    with database.connection(autocommit=True) as conn:
        work = indexes.ask(conn, collection.id, Action.PROMOTE, actor="benchmark")
        maintenance.do_one(conn, work.id, database.services.settings)
        done = work_rows.get(conn, work.id)
        if done is None or done.state != State.DONE:
            raise SystemExit(f"The promotion failed: {done}")
        conn.execute("CHECKPOINT")


def collection_of(database: Database, each: Gallery) -> Collection:
    """Return the collection of a gallery, which is loaded first where it is missing."""
    name = each.folder.name
    with database.connection() as conn:
        try:
            return collections.find(conn, name)
        except CollectionNotFound:
            with timed(each.folder, "copied into the tables"):
                made = load(conn, each, name)
    vacuum(database)
    with database.connection() as conn:
        return collections.get(conn, made)


def vacuum(database: Database) -> None:
    """Leave the tables as a quiet server does."""
    with database.connection(autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE faces, images, people")


def load(conn: Connection, each: packed.Faces, name: str) -> UUID:
    """Copy a gallery into a new collection, in the caller's transaction."""
    pack = read_manifest(TEST_PACKS).pack(PACK)
    made = collections.create(conn, pack, name=name).id
    number = fetch_value(conn, "SELECT count(*) FROM collections", {})
    facets = packed.Facets(each)
    # Else each foreign key is planned again for each row, by what was known before this load.
    conn.execute("SET LOCAL plan_cache_mode = auto")
    _copy_people(conn, each, made, number)
    _copy(conn, "images", packed.IMAGE_COLUMNS, packed.image_rows(each, facets, made, number))
    _copy(conn, "faces", packed.FACE_COLUMNS, packed.face_rows(each, facets, made, number))
    size = len(each.owners)
    conn.execute(
        "UPDATE collections SET image_count = %s, face_count = %s, person_count = %s WHERE id = %s",
        [size, size, len(packed.people(each)), made],
    )
    return made


def _copy_people(conn: Connection, each: packed.Faces, collection: UUID, number: int) -> None:
    owners = packed.people(each)
    made = packed.ids(packed.PERSON, number, owners)
    statement = "COPY people (id, collection_id, name) FROM STDIN"
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for owner, id_ in zip(owners, made, strict=True):
            copy.write_row((UUID(bytes=id_.tobytes()), collection, f"Person {owner}"))


def _copy(conn: Connection, table: str, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(packed.HEADER)
        for part in parts:
            copy.write(part)
        copy.write(packed.TRAILER)


def number_of(database: Database, collection: Collection) -> int:
    """Return the collection's number in the ids of its rows."""
    with database.connection() as conn:
        face: UUID = fetch_value(
            conn,
            "SELECT id FROM faces WHERE collection_id = %(id)s LIMIT 1",
            {"id": collection.id},
        )
    return packed.number_of(face)


@contextmanager
def timed(folder: Path, what: str) -> Iterator[None]:
    """Say how long a phase of a gallery took."""
    begin = perf_counter()
    yield
    print(f"{folder.name}: {what} in {perf_counter() - begin:.1f} s", flush=True)


def build_seconds(database: Database, collection: Collection) -> float | None:
    """Return how long the last build of the collection's index took; None if there was none."""
    with database.connection() as conn:
        for work in work_rows.history(conn, collection.id, limit=KEPT_WORK):
            built = work.action in (Action.BUILD, Action.REBUILD) and work.state == State.DONE
            if built and work.started_at and work.finished_at:
                return (work.finished_at - work.started_at).total_seconds()
    return None


def sizes(database: Database, collection: Collection) -> Sizes:
    """Ask what the collection's faces take."""
    with database.connection() as conn:
        table: str = fetch_value(
            conn,
            "SELECT tableoid::regclass::text FROM faces WHERE collection_id = %(id)s LIMIT 1",
            {"id": collection.id},
        )
        index = index_name(collection.id, Kind.HNSW)
        heap, hnsw, others = (
            fetch_value(conn, statement, {"table": table, "index": index})
            for statement in (
                "SELECT pg_relation_size(%(table)s)",
                "SELECT coalesce(pg_relation_size(to_regclass(%(index)s)), 0)",
                "SELECT pg_indexes_size(%(table)s)",
            )
        )
    return Sizes(heap, hnsw, others - hnsw)


def server_memory(folder: Path) -> int:
    """Return the bytes that the server's processes have in memory; what they share counts once."""
    server = psutil.Process(int((folder / "cluster" / "postmaster.pid").read_text().split()[0]))
    total = 0
    for process in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a session that has just ended
            total += process.memory_full_info().pss
    return total


def forget_cached(folder: Path) -> None:
    """Let the system forget the files of the server, which must not run, so that it starts cold."""
    os.sync()
    for path in (folder / "cluster").rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
