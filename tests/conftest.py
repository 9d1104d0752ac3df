"""Fixtures: real embedded servers, one migrated database per run, the folder of shared photos."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from psycopg import sql

from core.db import pool
from core.db.migrate import upgrade
from core.inference.contracts import FaceModels
from core.inference.install import install
from core.inference.loading import load_models
from core.inference.packs import read_manifest
from core.local import temporary
from core.local.broker import Broker
from core.local.postgres import Postgres
from core.settings import Device, Settings

TEMPLATE = "template_facesearch"
TEST_PACKS = Path(__file__).parent / "data" / "packs.toml"


@dataclass(frozen=True, slots=True)
class LocalServers:
    """A running Postgres, whose template database is migrated, and a running broker."""

    postgres: Postgres
    broker: Broker


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of photos and weights that some tests need, outside the repository."""
    folder = os.environ.get("FACESEARCH_TEST_DATA")
    if folder is None:
        pytest.skip("FACESEARCH_TEST_DATA is not set")
    if not Path(folder).is_dir():
        pytest.fail(f"FACESEARCH_TEST_DATA names {folder}, which is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def scrfd_models(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceModels:
    """det_500m and mobilefacenet_ms1m_512, loaded on the CPU."""
    pack = read_manifest(TEST_PACKS).packs["test_scrfd"]
    folder = tmp_path_factory.mktemp("models")
    install(pack, folder, source=shared_data / "weights", accept_licence=True)
    return load_models(pack, Settings(models_dir=folder, device=Device.CPU))


@pytest.fixture(scope="session")
def local_servers() -> Iterator[LocalServers]:
    """Postgres and broker of this run, gone after it."""
    with temporary.postgres() as postgres, temporary.broker() as broker:
        _admin(postgres, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        upgrade(postgres.url_of(TEMPLATE))
        yield LocalServers(postgres, broker)


@pytest.fixture
def fresh_database(local_servers: LocalServers) -> Iterator[Callable[[], str]]:
    """Make a migrated, empty database of the test's own; returns its URL."""
    made: list[str] = []

    def make() -> str:
        made.append(_clone(local_servers.postgres))
        return made[-1]

    yield make
    for url in made:
        name = sql.Identifier(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        _admin(local_servers.postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture(scope="session")
def database_url(local_servers: LocalServers) -> str:
    """The database that all tests of a run share; tests that commit use `fresh_database`."""
    return _clone(local_servers.postgres)


@pytest.fixture
def conn(database_url: str) -> Iterator[pool.Connection]:
    """A connection as core uses it; whatever the test does is rolled back."""
    with pool.connect(database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def broker_url(local_servers: LocalServers) -> str:
    """The broker of this run, emptied."""
    with redis.Redis.from_url(local_servers.broker.url) as client:
        client.flushall()
    return local_servers.broker.url


def _clone(postgres: Postgres) -> str:
    name = f"test_{uuid4().hex}"
    _admin(
        postgres,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(TEMPLATE)
        ),
    )
    return postgres.url_of(name)


def _admin(postgres: Postgres, statement: sql.Composed) -> None:
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement)
