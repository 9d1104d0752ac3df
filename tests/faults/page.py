"""The web application, for tests: on a disk whose free space a test says."""

from tests.faults import disk
from web.app import create

__all__ = ["create"]

disk.install()
