"""A kept Postgres of the product with galleries in it, as collections like any other."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from core.db.collections import Collection
from core.db.index_work import Action
from core.db.indexes import Kind, index_name
from core.db.migrate import upgrade
from core.db.pool import Connection, connect
from core.db.rows import fetch_value
from core.errors import CollectionNotFound
from core.inference.packs import read_manifest
from core.local import temporary
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
def connected(folder: Path, url: str, *, connections: int, **changed: object) -> Iterator[Database]:
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
    """Load a gallery, and promote and index it where the product would."""
    collection = collection_of(database, each)
    settings = database.services.settings
    if collection.layout == "own" or collection.face_count <= settings.promote_faces:
        return collection
    with database.connection(autocommit=True) as conn:
        work = indexes.ask(conn, collection.id, Action.PROMOTE, actor="benchmark")
        with timed(collection.name, "promoted, index included,"):
            maintenance.do_one(conn, work.id, settings)
        conn.execute("CHECKPOINT")
    return collection_of(database, each)


def collection_of(database: Database, each: Gallery) -> Collection:
    """Return the collection of a gallery, which is loaded first where it is missing."""
    name = each.folder.name
    with database.connection() as conn:
        found = _find(conn, name)
        if found:
            return found
        load(conn, each, name)
    with database.connection(autocommit=True) as conn, timed(name, "vacuumed"):
        conn.execute("VACUUM ANALYZE faces, images, people")
    with database.connection() as conn:
        return collections.find(conn, name)


def _find(conn: Connection, name: str) -> Collection | None:
    try:
        return collections.find(conn, name)
    except CollectionNotFound:
        return None


def load(conn: Connection, each: Gallery, name: str) -> UUID:
    """Copy a gallery into a new collection, in the caller's transaction."""
    pack = read_manifest(TEST_PACKS).pack(PACK)
    made = collections.create(conn, pack, name=name).id
    number = fetch_value(conn, "SELECT count(*) FROM collections", {})
    facets = packed.Facets(each)
    with timed(name, "people copied"):
        _copy_people(conn, each, made, number)
    with timed(name, "images copied"):
        images = packed.image_rows(each, facets, made, number)
        _copy(conn, "images", packed.IMAGE_COLUMNS, images)
    with timed(name, "faces copied"):
        faces = packed.face_rows(each, facets, made, number)
        _copy(conn, "faces", packed.FACE_COLUMNS, faces)
    conn.execute(
        "UPDATE collections SET image_count = %s, face_count = %s WHERE id = %s",
        [each.size, each.size, made],
    )
    return made


def _copy_people(conn: Connection, each: Gallery, collection: UUID, number: int) -> None:
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


@contextmanager
def timed(name: str, what: str) -> Iterator[None]:
    """Say how long a phase took."""
    begin = perf_counter()
    yield
    print(f"{name}: {what} in {perf_counter() - begin:.1f} s", flush=True)


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
    processes = [server, *server.children(recursive=True)]
    return sum(process.memory_full_info().pss for process in processes)


def forget_cached(folder: Path) -> None:
    """Let the system forget the files of the server, which must not run, so that it starts cold."""
    os.sync()
    for path in (folder / "cluster").rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
