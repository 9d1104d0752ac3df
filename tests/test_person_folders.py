"""A folder per person: who is in a photo by where it lies."""

import pytest

from core.errors import ItemInvalid
from core.person_folders import person_of


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Ada Lovelace/1.jpg", "Ada Lovelace"),
        ("George_W_Bush/George_W_Bush_0001.jpg", "George W Bush"),
        ("lfw/George_W_Bush/1.jpg", "George W Bush"),
        ("R&D_3 old/1.jpg", "R&D_3 old"),
        (" Ada /1.jpg", "Ada"),
        ("王_芳/1.jpg", "王 芳"),
        ("1.jpg", None),
        ("Ada_Lovelace.jpg", None),
        ("/1.jpg", None),
    ],
)
def test_the_folder_that_a_photo_lies_in_is_who_is_in_it(key: str, name: str | None) -> None:
    assert person_of(key) == name


@pytest.mark.parametrize("folder", ["x" * 201, "  ", "___", "a\0b"])
def test_a_folder_that_nobody_can_be_called_is_a_fault(folder: str) -> None:
    with pytest.raises(ItemInvalid, match=r"^The name of the folder must .*\.$"):
        person_of(f"{folder}/1.jpg")
