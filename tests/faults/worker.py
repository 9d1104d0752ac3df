"""The worker's application, for tests: some photos kill the process that decodes them.

A segmentation fault of a decoder, or the kernel that is out of memory, ends a process so.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

import core.pipeline
from tests.faults import surroundings
from tests.faults.photos import POISON
from workers.app import app

__all__ = ["app"]

AGONY_S = 0.3
"""Killing takes its time: meanwhile others of the same process are at work."""

_decode = vars(core.pipeline)["decode"]


def _fragile(data: bytes, *arguments: Any, **options: Any) -> Any:
    if POISON in data:
        time.sleep(AGONY_S)
        with Path(os.environ[surroundings.DEATHS]).open("a") as deaths:
            deaths.write(f"{os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return _decode(data, *arguments, **options)


vars(core.pipeline)["decode"] = _fragile
surroundings.install_disk()
