"""Settings from the environment and .env, as an operator meets them."""

from pathlib import Path

import pytest

from core.errors import SetupError
from core.settings import Settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_wrong_setting_is_named_at_once(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_PORT", "abc")
    monkeypatch.setenv("FACESEARCH_PROT", "8000")
    (empty_folder / ".env").write_text("FACESEARCH_DEVICE=tpu\nFACESEARCH_DATADIR=x\n")

    with pytest.raises(SetupError) as raised:
        Settings.load()

    lines = str(raised.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        "These settings are wrong",
        "FACESEARCH_DATADIR",
        "FACESEARCH_DEVICE",
        "FACESEARCH_PORT",
        "FACESEARCH_PROT",
    ]


def test_variables_of_other_programs_and_of_the_tests_are_let_through(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_TEST_ANYTHING", "1")
    (empty_folder / ".env").write_text("POSTGRES_PASSWORD=secret\nFACESEARCH_PORT=8001\n")

    assert Settings.load().port == 8001


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_PORT", "")

    assert Settings.load().port == 8000


def test_a_child_process_gets_the_same_settings_wherever_it_runs(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_PORT", "8001")
    monkeypatch.setenv("FACESEARCH_DATABASE_URL", "postgresql:///elsewhere")
    settings = Settings.load().model_copy(update={"database_url": None})

    environment = settings.environment()

    assert environment["FACESEARCH_PORT"] == "8001"
    assert environment["FACESEARCH_DATA_DIR"] == str(empty_folder / "data")
    assert "FACESEARCH_DATABASE_URL" not in environment
    assert "PATH" in environment


def test_secrets_reach_child_processes_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_S3_ACCESS_KEY", "the-access-key")
    monkeypatch.setenv("FACESEARCH_S3_SECRET_KEY", "the-secret-key")

    settings = Settings.load()

    assert "the-" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.environment()["FACESEARCH_S3_ACCESS_KEY"] == "the-access-key"
    assert settings.environment()["FACESEARCH_S3_SECRET_KEY"] == "the-secret-key"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BLOBS_URL", "/var/photos"),
        ("BLOBS_URL", "s3://"),
        ("BLOBS_URL", "s3://Not_A_Bucket"),
        ("BLOBS_URL", "s3://bucket//photos"),
        ("BLOBS_URL", "s3://bucket/a/../b"),
        ("S3_ENDPOINT", "minio:9000"),
        ("S3_ENDPOINT", "https://name:secret@minio:9000"),
        ("S3_SECRET_KEY", "without its access key"),
        ("IMPORT_BUCKETS", "good-one,"),
        ("IMPORT_BUCKETS", "s3://bucket"),
        ("IMPORT_BUCKETS", "bucket/.."),
    ],
)
def test_places_of_objects_are_looked_at_before_they_are_used(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"FACESEARCH_{name}", value)

    with pytest.raises(SetupError) as raised:
        Settings.load()

    (_, line) = str(raised.value).splitlines()
    assert line.startswith(f"  FACESEARCH_{name}: ")
    assert "secret" not in line.partition(": ")[2]


def test_an_access_key_without_its_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_S3_ACCESS_KEY", "lonely")

    with pytest.raises(SetupError, match="set together or not at all"):
        Settings.load()
