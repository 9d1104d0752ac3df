"""What a check found, in sentences, and how bad it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """An error stops a process at its start, a warning is told."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in a sentence.

    Attributes:
        cure: What to do, in a sentence; empty where all is well.
    """

    level: Level
    what: str
    cure: str = ""


def troubles(findings: Sequence[Finding]) -> list[Finding]:
    """Return what is not well."""
    return [finding for finding in findings if finding.level is not Level.OK]
