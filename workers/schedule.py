"""What beat rings for, and how often."""

from typing import Any

from core.doorbell import INDEX_TASK, MAINTENANCE_QUEUE, RECALL_TASK, REPORT_TASK, SWEEP_TASK
from core.settings import Settings

INDEXES_S = 60.0

RECALL_S = 900.0
"""Between two looks for a recall audit that is due; audits themselves are hours apart."""


REPORTS_S = 60.0
"""Between two looks for reports that wait, or whose time has come: those are hours apart."""


def entries(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the schedule in Celery's form."""
    return {
        "sweep": _entry(SWEEP_TASK, settings.sweep_s),
        "indexes": _entry(INDEX_TASK, INDEXES_S),
        "recall": _entry(RECALL_TASK, RECALL_S),
        "reports": _entry(REPORT_TASK, REPORTS_S),
    }


def _entry(task: str, every_s: float) -> dict[str, Any]:
    # A ring that nobody heard before the next one is worth nothing.
    options = {"queue": MAINTENANCE_QUEUE, "expires": every_s}
    return {"task": task, "schedule": every_s, "options": options}
