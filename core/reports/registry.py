"""All reports by their names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from core.errors import InvalidRequest
from core.reports import (
    activity,
    duplicates,
    health,
    look_alikes,
    poor_enrolments,
    twice_in_photo,
    two_names,
    unnamed,
    wrong_labels,
)
from core.reports.finding import Outcome
from core.reports.material import Material

Make: TypeAlias = Callable[[Material], Outcome]

REPORTS: Final[Mapping[str, Make]] = MappingProxyType(
    {
        report.NAME: report.make
        for report in (
            duplicates,
            two_names,
            wrong_labels,
            look_alikes,
            twice_in_photo,
            unnamed,
            poor_enrolments,
            health,
            activity,
        )
    }
)
"""In the order in which they are shown."""


def require(name: str) -> str:
    """Return *name* if there is such a report.

    Raises:
        InvalidRequest: There is none.
    """
    if name not in REPORTS:
        raise InvalidRequest(f"There is no report {name!r}; there are {', '.join(REPORTS)}.")
    return name
