"""The web application, for tests: on a disk whose free space a test says, and less patient."""

import os
from functools import partial

from core import idempotency
from tests.faults import surroundings
from web.app import create

__all__ = ["create"]

surroundings.install_disk()
vars(idempotency)["begin"] = partial(idempotency.begin, hold_s=float(os.environ[surroundings.HOLD]))
