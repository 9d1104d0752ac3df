"""docs/imports.md: its examples are read as they stand, and no field, column or code is left out."""

import io
import re
from pathlib import Path

import pytest

from core import errors
from core.hosts import read_hosts
from core.manifest_items import FIELDS, ManifestItem
from core.manifest_rows import COLUMNS, METADATA_COLUMN
from core.manifests import Format, Limits, entries
from core.server_folders import allowed_folders
from core.settings import ENV_PREFIX, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "imports.md").read_text(encoding="utf-8")

EXAMPLES = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("format", "text"), [pair for pair in EXAMPLES if pair[0] in set(Format)])
def test_every_example_is_a_manifest_without_a_fault(format: str, text: str) -> None:
    outcomes = list(entries(io.BytesIO(text.encode()), Format(format), Limits(items=100)))

    assert outcomes
    assert [each for each in outcomes if not isinstance(each, ManifestItem)] == []


def test_each_format_has_its_example() -> None:
    assert {language for language, _ in EXAMPLES} >= set(Format)


def test_every_field_and_column_is_explained() -> None:
    table = PAGE.split("| field |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    fields, columns = (
        {name for row in rows for name in re.findall(r"`([^`]+)`", row[cell])} for cell in (0, 1)
    )

    assert fields == set(FIELDS)
    assert columns == {*COLUMNS, f"{METADATA_COLUMN}NAME"}


def test_the_examples_use_every_field_and_every_kind_of_column() -> None:
    said = "".join(text for language, text in EXAMPLES if language in set(Format))

    assert [name for name in (*FIELDS, METADATA_COLUMN) if name not in said] == []


def test_the_settings_of_the_examples_can_be_set() -> None:
    lines = re.findall(rf"^{ENV_PREFIX}.*", PAGE, re.MULTILINE)
    given = dict(line.removeprefix(ENV_PREFIX).lower().split("=", 1) for line in lines)
    settings = Settings(**given)

    assert settings.model_fields_set == set(given)
    assert len(allowed_folders(settings)) == 2
    assert len(read_hosts(settings.import_hosts)) == 3
    assert len(read_hosts(settings.import_private_hosts)) == 2


@pytest.mark.parametrize(
    "error",
    [errors.BadManifest, errors.ItemInvalid, errors.SourceNotAllowed, errors.SourceMissing,
     errors.SourceUnreachable, errors.FileTooLarge],
)  # fmt: skip
def test_every_way_in_which_a_source_fails_is_explained(
    error: type[errors.FaceSearchError],
) -> None:
    assert f"`{error.code}`" in PAGE
