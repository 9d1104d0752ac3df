"""What every process of facesearch holds: settings, database, broker, blobs, manifest."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from core.activity import Activity
from core.blobs import BlobStore, FolderBlobs
from core.blobs_s3 import S3Blobs
from core.db.pool import Pool, open_pool
from core.errors import DiskFull, SetupError
from core.exchange import Exchange
from core.inference.packs import Manifest, load_manifest
from core.pressure import Pressure
from core.query_samples import QuerySamples
from core.routing import Router
from core.settings import MIB, Settings
from core.solitude import Solitude

PATIENCE_S = 5
"""Beyond the longest wait that a command itself asks for."""


@dataclass(frozen=True, slots=True)
class Services:
    """Built once per process and passed on; tests build their own."""

    settings: Settings
    manifest: Manifest
    pool: Pool
    broker: redis.Redis
    blobs: BlobStore
    exchange: Exchange
    activity: Activity
    router: Router = field(default_factory=Router)
    samples: QuerySamples = field(default_factory=QuerySamples)
    pressure: Pressure = field(default_factory=Pressure)
    solitude: Solitude = field(default_factory=Solitude)


def open_services(settings: Settings, *, connections: int) -> Services:
    """Connect to everything that *settings* names; both URLs must be set.

    Raises:
        SetupError: A URL is missing.
        DatabaseUnavailable: Postgres cannot be reached. (Broker and object storage may come later.)
    """
    if settings.database_url is None or settings.broker_url is None:
        raise SetupError("DATABASE_URL and BROKER_URL are not known; is the local system up?")
    manifest = load_manifest(settings)
    broker = redis.Redis.from_url(
        settings.broker_url,
        socket_timeout=settings.search_timeout_s + PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
        # A broker that restarts is found again; one that is away costs a request no four seconds.
        retry=Retry(ConstantBackoff(0.1), 2),
    )
    pool = open_pool(settings.database_url, size=connections)
    return Services(
        settings=settings,
        manifest=manifest,
        pool=pool,
        broker=broker,
        blobs=open_blobs(settings),
        exchange=Exchange(broker),
        activity=Activity(pool, settings),
    )


def close_services(services: Services) -> None:
    """Give every connection back."""
    services.activity.close()
    services.exchange.close()
    services.pool.close()
    services.broker.close()
    services.blobs.close()


@contextmanager
def services_for(settings: Settings, *, connections: int = 4) -> Iterator[Services]:
    """Open services for the length of a command."""
    services = open_services(settings, connections=connections)
    try:
        yield services
    finally:
        close_services(services)


def open_blobs(settings: Settings) -> BlobStore:
    """Return where photos and crops are; nothing is asked of it yet."""
    return S3Blobs(settings) if settings.blobs_url else FolderBlobs(blob_folder(settings))


def blob_folder(settings: Settings) -> Path:
    """Return where photos and crops are, unless they are in a bucket."""
    return settings.data_dir / "blobs"


def require_disk(settings: Settings, incoming_bytes: int, *, local: bool = False) -> None:
    """Refuse photos that would leave less disk than the operator wants free.

    Where photos go to a bucket, only what is free now counts: an embedded Postgres and the logs grow
    here all the same.

    Args:
        local: They stay on this machine for now, wherever photos go.

    Raises:
        DiskFull: There is too little.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    if local or settings.blobs_url is None:
        free -= incoming_bytes
    if free < settings.min_free_disk_mib * MIB:
        raise DiskFull(
            f"Less than {settings.min_free_disk_mib} MiB of disk would be left; "
            "free some, or lower FACESEARCH_MIN_FREE_DISK_MIB."
        )
