"""Tags and times as people and programs give them."""

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import InvalidRequest
from core.facets import LONGEST_TAG, MOST_TAGS, clean_tags, read_captured, read_moment, split_tags


def test_tags_are_trimmed_and_kept_once_in_the_order_given() -> None:
    assert clean_tags([" b ", "a", "b", "two words", "\tÄ\n"]) == ("b", "a", "two words", "Ä")
    assert clean_tags([]) == ()


@pytest.mark.parametrize(
    "tag",
    ["\u0645\u06cc\u200c\u062e\u0648", "👩\u200d👧", "a\u00a0b", "日本", "R&B", "'; --", "<b>"],
)
def test_a_tag_is_of_any_script(tag: str) -> None:
    assert clean_tags([tag]) == (tag,)


def test_commas_separate_the_tags_of_one_text() -> None:
    assert split_tags("vip, two words,,vip , ") == ("vip", "two words")
    assert split_tags("") == ()


@pytest.mark.parametrize(
    "tag", ["", "  ", "a,b", "a\0b", "a\nb", "\ud800", "x" * (LONGEST_TAG + 1)]
)
def test_what_cannot_be_a_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidRequest):
        clean_tags(["fine", tag])


def test_a_photo_has_so_many_tags_and_no_more() -> None:
    most = [f"{n}" for n in range(MOST_TAGS)]

    assert len(clean_tags([*most, *most])) == MOST_TAGS
    with pytest.raises(InvalidRequest):
        clean_tags([*most, "one more"])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-31", datetime(2024, 5, 31, tzinfo=UTC)),
        (" 2024-05-31T18:30 ", datetime(2024, 5, 31, 18, 30, tzinfo=UTC)),
        ("2024-05-31 18:30:01.5", datetime(2024, 5, 31, 18, 30, 1, 500_000, tzinfo=UTC)),
        ("2024-05-31T18:30:00Z", datetime(2024, 5, 31, 18, 30, tzinfo=UTC)),
        ("2024-05-31T00:30:00+02:00", datetime(2024, 5, 30, 22, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_and_are_in_utc_where_they_name_no_zone(text: str, moment: datetime) -> None:
    read = read_moment(text)

    assert (read, read.utcoffset()) == (moment, timedelta(0))


@pytest.mark.parametrize(
    "text", ["", "now", "2024", "1716000000", "2024-13-01", "0001-01-01T00:00:00+14:00", "\0"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_moment(text)


@pytest.mark.parametrize("text", ["1825-12-31", "9999-01-01", "0001-01-01"])
def test_no_photo_is_taken_before_there_was_photography_or_after_tomorrow(text: str) -> None:
    assert read_moment(text)
    with pytest.raises(InvalidRequest):
        read_captured(text)
