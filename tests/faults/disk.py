"""A disk whose free space a test says, for whatever looks before it writes."""

import os
import shutil
from pathlib import Path
from typing import Any

FREE = "FACESEARCH_TEST_FREE_DISK"
"""Names a file that holds the free bytes; without the file the real ones count."""

_disk_usage = shutil.disk_usage


def _told(path: Any) -> Any:
    real = _disk_usage(path)
    try:
        return real._replace(free=int(Path(os.environ[FREE]).read_text()))
    except (FileNotFoundError, ValueError):
        return real


def install() -> None:
    """Let this process believe the file."""
    if FREE in os.environ:
        shutil.disk_usage = _told
