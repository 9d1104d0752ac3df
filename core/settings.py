"""Settings, read once at start-up and handed to whoever needs them; no module reads os.environ."""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import SetupError
from core.hosts import read_hosts

ENV_PREFIX = "FACESEARCH_"

MIB = 1024 * 1024
"""Bytes in the unit of every limit of files and disk."""
GIB = 1024 * MIB
"""Of those that are larger."""
ENV_FILE = ".env"
TEST_PREFIX = "FACESEARCH_TEST_"
"""Variables for the tests alone; no setting begins so."""

CLIENT_SERVER: Final = "FACESEARCH_SERVER"
CLIENT_KEY: Final = "FACESEARCH_API_KEY"
"""Of the command line where it is the client of a server; no settings of a system."""

BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""What may be the name of a bucket."""


class Device(StrEnum):
    """Where models run. ``auto`` takes CUDA where it is usable, else the CPU, and says which."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class Settings(BaseSettings):
    """Everything an operator can set, as ``FACESEARCH_<NAME>`` in the environment or in ``.env``.

    Raises:
        pydantic.ValidationError: Names every missing or wrong variable at once.
    """

    model_config = SettingsConfigDict(
        # Other programs read .env too, such as Docker Compose: their variables are let through,
        # and `load` refuses unknown ones of our own prefix.
        env_prefix=ENV_PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )

    # Where things are
    data_dir: Path = Field(
        Path("data"), description="Folder of the photos and, when local, of Postgres and the logs."
    )
    database_url: str | None = Field(
        None, description="libpq URL or key=value string. Unset: the embedded Postgres in DATA_DIR."
    )
    broker_url: str | None = Field(
        None,
        description="redis://, rediss:// or unix:// URL. Unset: the embedded broker in DATA_DIR.",
    )
    models_dir: Path = Field(
        Path("models"), description="Folder that holds one folder of weights per installed pack."
    )
    extra_packs: Path | None = Field(
        None,
        description="Manifest of your own packs. Unset: own-packs.toml in MODELS_DIR, if it is there.",
    )

    # Object storage
    blobs_url: str | None = Field(
        None,
        description="s3://BUCKET or s3://BUCKET/PREFIX of photos and crops. Unset: `blobs` in DATA_DIR.",
    )
    s3_endpoint: str | None = Field(
        None, description="http:// or https:// URL of the S3-compatible server. Unset: that of AWS."
    )
    s3_region: str | None = Field(
        None, description="Its region. Unset: as AWS' own tools find it, else us-east-1."
    )
    s3_access_key: SecretStr | None = Field(
        None,
        description="Its access key. Unset: credentials are looked for as AWS' own tools do (their "
        "variables and files, the role of the machine).",
    )
    s3_secret_key: SecretStr | None = Field(
        None, validate_default=True, description="The secret that belongs to S3_ACCESS_KEY."
    )
    s3_path_style: bool | None = Field(
        None,
        description="Whether buckets are named in the path, and not in the host name. Unset: yes "
        "where S3_ENDPOINT is set.",
    )
    import_buckets: str | None = Field(
        None,
        description="Buckets whose objects the manifest of an import may name, as BUCKET or "
        "BUCKET/PREFIX, with commas between. Unset: none.",
    )

    # Models
    pack: str = Field("open", description="Model pack of collections that name none.")
    device: Device = Field(
        Device.AUTO,
        description="Where models run. A device asked for by name that is missing is an error.",
    )
    inference_threads: int = Field(
        0, ge=0, le=256, description="Threads of one model run on the CPU; 0: one per core."
    )
    gpu: int = Field(
        0, ge=0, le=255, description="Which GPU, in the order of nvidia-smi; one worker for each."
    )
    gpu_memory_mib: int = Field(
        0, ge=0, description="Most GPU memory that one network may take, in MiB; 0: no limit."
    )
    gpu_fp16: bool = Field(
        False, description="Compute with 16-bit numbers on the GPU, if the vectors stay the same."
    )

    # Web
    host: str = Field("127.0.0.1", description="Address the page and API listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the page and API listen on.")
    public_url: str | None = Field(
        None, description="Address that people type, where it differs from HOST and PORT."
    )
    web_threads: int = Field(8, ge=1, le=256, description="Requests answered at the same time.")
    session_days: int = Field(7, ge=1, le=365, description="Days a login lasts.")
    login_link_minutes: int = Field(
        60, ge=1, le=10080, description="Minutes a one-time login link can be used."
    )

    # Limits
    max_photo_mib: int = Field(32, ge=1, le=1024, description="Largest photo file, in MiB.")
    max_request_mib: int = Field(256, ge=1, le=4096, description="Largest request body, in MiB.")
    max_photos_per_request: int = Field(
        200, ge=1, le=10_000, description="Most photos in one upload request."
    )
    max_megapixels: int = Field(
        100, ge=1, le=1000, description="Most pixels of a photo, in millions, by its header."
    )
    max_faces_per_photo: int = Field(
        500, ge=1, le=5000, description="Faces kept of one photo, largest first."
    )
    max_archive_entries: int = Field(
        2_000_000,
        ge=1,
        description="Entries read of one ZIP, TAR or manifest, folders and junk included.",
    )
    max_archive_gib: int = Field(
        1024, ge=1, le=1024 * 1024, description="Bytes unpacked of one ZIP or TAR, in GiB."
    )
    max_archive_ratio: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Bytes unpacked of one ZIP or TAR for each of its own, one photo aside.",
    )
    max_import_gib: int = Field(
        64,
        ge=1,
        le=1024 * 1024,
        description="Largest archive or manifest that is sent to an import, in GiB.",
    )
    import_idle_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days without a byte after which an import that is still sent is cancelled, and "
        "what was sent to a dry run that is over is removed.",
    )
    import_ahead: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="Photos of one import that wait for workers; it is read no further for so long.",
    )
    max_backlog: int = Field(
        50_000,
        ge=1,
        description="Photos that wait for workers, of all collections; more are answered with 429.",
    )
    min_free_disk_mib: int = Field(
        512, ge=0, description="Uploads stop when less disk than this would be left, in MiB."
    )

    # What imports may read
    import_folders: str | None = Field(
        None,
        description="Folders of the server whose files an import may name, as absolute paths with "
        f"`{os.pathsep}` between. Unset: none.",
    )
    import_hosts: str | None = Field(
        None,
        description="Hosts in the internet whose photos an import may name by URL, as "
        "photos.example.org, *.example.org or http://old.example.org:8080, with commas between. "
        "Unset: none.",
    )
    import_private_hosts: str | None = Field(
        None,
        description="The same for hosts of your own network, whose addresses are private. Unset: "
        "none.",
    )

    # Search
    promote_faces: int = Field(
        50_000,
        ge=1,
        description="Collections above this size get a table and a search index of their own.",
    )
    index_build_mib: int = Field(
        0,
        ge=0,
        le=1024 * 1024,
        description="Most memory of Postgres that building an index may take, in MiB; 0: a third of "
        "its `effective_cache_size`.",
    )
    hnsw_ef_search: int = Field(
        100, ge=10, le=1000, description="Candidates that an HNSW search keeps while it looks."
    )
    recall_goal: float = Field(
        0.98,
        gt=0,
        le=1,
        description="Share of the ten nearest faces that searches by an index are to find.",
    )
    recall_audit_hours: int = Field(
        24,
        ge=0,
        le=8760,
        description="Hours between two measurements of that share, for each collection; 0: never.",
    )
    recall_tunes: bool = Field(
        False,
        description="Set each collection's `ef_search` as its measurements propose; else they only "
        "propose.",
    )
    report_hours: int = Field(
        24,
        ge=0,
        le=8760,
        description="Hours between two versions of the similarity reports that are made by themselves; "
        "0: only when somebody asks.",
    )
    report_versions: int = Field(
        12, ge=1, le=1000, description="Versions kept of each report of a collection."
    )
    activity_days: int = Field(
        400,
        ge=0,
        le=36_500,
        description="Days for which it is kept how often each collection was searched and who was found; "
        "0: nothing is counted.",
    )
    search_timeout_s: float = Field(
        20, gt=0, le=600, description="Seconds a search may take, the worker's part included."
    )

    # Queue
    worker_threads: int = Field(
        3,
        ge=2,
        le=64,
        description="Tasks of one worker at a time. One is kept free for searches; of the others, "
        "one analyses a batch while another one writes its own.",
    )
    batch_photos: int = Field(16, ge=1, le=256, description="Photos that a worker claims at once.")
    lease_s: int = Field(
        60, ge=5, le=86400, description="Seconds after which a silent worker's photos are free."
    )
    max_attempts: int = Field(
        3, ge=1, le=20, description="Tries before a photo that kills its worker is given up."
    )
    sweep_s: float = Field(
        15, ge=1, le=3600, description="Seconds between two looks for forgotten photos."
    )

    @field_validator("blobs_url")
    @classmethod
    def _names_a_bucket(cls, value: str | None) -> str | None:
        if value is not None and (
            not value.startswith("s3://") or not _is_place(value.removeprefix("s3://"))
        ):
            raise ValueError("It must be s3://BUCKET or s3://BUCKET/PREFIX")
        return value

    @field_validator("s3_endpoint")
    @classmethod
    def _is_a_server(cls, value: str | None) -> str | None:
        if value is not None:
            url = urlsplit(value)
            if url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc:
                raise ValueError(
                    "It must be an http:// or https:// URL without a name and password"
                )
        return value

    @field_validator("s3_secret_key")
    @classmethod
    def _has_its_other_half(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("s3_access_key") is None):
            raise ValueError("S3_ACCESS_KEY and S3_SECRET_KEY are set together or not at all")
        return value

    @field_validator("import_buckets")
    @classmethod
    def _names_buckets(cls, value: str | None) -> str | None:
        for place in (value or "").split(","):
            if value is not None and not _is_place(place.strip()):
                raise ValueError("It must be BUCKET or BUCKET/PREFIX, with commas between")
        return value

    @field_validator("import_folders")
    @classmethod
    def _names_folders(cls, value: str | None) -> str | None:
        if value and not all(map(os.path.isabs, filter(None, value.split(os.pathsep)))):
            raise ValueError(f"It must be absolute paths, with {os.pathsep} between")
        return value

    @field_validator("import_hosts", "import_private_hosts")
    @classmethod
    def _names_hosts(cls, value: str | None) -> str | None:
        read_hosts(value)
        return value

    @classmethod
    def load(cls) -> Self:
        """Read the environment and ``.env``.

        Raises:
            SetupError: Lists every wrong variable at once, in the names that the operator uses.
        """
        wrong = [f"  {name}: There is no such setting" for name in cls._unknown()]
        try:
            settings = cls()
        except ValidationError as error:
            wrong += [_explain(fault["loc"], fault["msg"]) for fault in error.errors()]
        if wrong:
            raise SetupError("\n".join(["These settings are wrong:", *sorted(wrong)]))
        return settings

    @classmethod
    def _unknown(cls) -> set[str]:
        known = {f"{ENV_PREFIX}{name}".upper() for name in cls.model_fields}
        known |= {CLIENT_SERVER, CLIENT_KEY}
        given = {name.upper() for name in (*os.environ, *dotenv_values(ENV_FILE))}
        return {
            name
            for name in given - known
            if name.startswith(ENV_PREFIX) and not name.startswith(TEST_PREFIX)
        }

    def environment(self) -> dict[str, str]:
        """Return the environment that gives a child process these settings, whatever ours says."""
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(ENV_PREFIX) or name.upper().startswith(TEST_PREFIX)
        }
        values = {
            f"{ENV_PREFIX}{name}".upper(): _text(value)
            for name, value in self.model_dump(mode="python").items()
            if value is not None
        }
        return others | values


def _text(value: object) -> str:
    """Write a setting as the environment has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.absolute() if isinstance(value, Path) else value)


def _is_place(text: str) -> bool:
    """Say whether *text* is a bucket, or a bucket and a prefix, that no server reads otherwise."""
    bucket, *parts = text.removesuffix("/").split("/")
    return bool(BUCKET.fullmatch(bucket)) and not any(part in {"", ".", ".."} for part in parts)


def _explain(place: tuple[int | str, ...], message: str) -> str:
    words = message.removeprefix("Value error, ")
    return f"  {ENV_PREFIX}{'_'.join(str(part) for part in place).upper()}: {words}"
