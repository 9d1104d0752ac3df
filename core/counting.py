"""Numbers with their nouns, for sentences."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: 1 photo, 1,204 photos."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
