"""docs/models.md follows the manifest: no key and no pack is left out."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from core.gates import Floors
from core.inference import packs
from core.inference.packs import read_manifest, tracked_manifest

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")

GIVEN_BY_THE_TABLE = {("Pack", "name")}


@pytest.mark.parametrize(
    "described",
    [
        packs.Licence, packs.Pack, packs.PinnedFile, packs.ScrfdSpec, packs.CenterFaceSpec,
        packs.RecogniserSpec, packs.PackageSource, packs.ArchiveSource, packs.LocalSource,
        Floors,
    ],
)  # fmt: skip
def test_every_key_of_the_manifest_is_explained(described: type) -> None:
    keys = {
        each.name
        for each in fields(described)
        if (described.__name__, each.name) not in GIVEN_BY_THE_TABLE
    }

    assert keys - set(re.findall(r"`(\w+)`", PAGE)) == set()


def test_every_pack_stands_in_the_table_with_its_threshold() -> None:
    for pack in read_manifest(tracked_manifest()):
        (row,) = [line for line in PAGE.splitlines() if re.match(rf"\|.*`{pack.name}`", line)]
        *_, dimension, commercial, threshold = (cell.strip() for cell in row.strip("|").split("|"))

        assert dimension == str(pack.recogniser.dimension)
        assert commercial == ("yes" if pack.licence.commercial else "no")
        assert threshold == f"{pack.threshold:g}"
