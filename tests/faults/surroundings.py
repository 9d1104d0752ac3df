"""What a test says of the surroundings of a process: names of variables, and how they come to count."""

import os
import shutil
from pathlib import Path
from typing import Any

FREE = "FACESEARCH_TEST_FREE_DISK"
"""Names a file that holds the free bytes of the disk; without the file the real ones count."""

DEATHS = "FACESEARCH_TEST_DEATHS"
"""Names a file that gets a line for each worker that a photo killed."""

HOLD = "FACESEARCH_TEST_HOLD_S"
"""Seconds after which a request may be sent again whose process died."""

_disk_usage = shutil.disk_usage


def _told(path: Any) -> Any:
    real = _disk_usage(path)
    try:
        return real._replace(free=int(Path(os.environ[FREE]).read_text()))
    except (FileNotFoundError, ValueError):
        return real


def install_disk() -> None:
    """Let whatever looks before it writes believe the file."""
    shutil.disk_usage = _told
