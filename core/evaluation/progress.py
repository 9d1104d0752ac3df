"""Being told how far a long evaluation is."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int], None]
"""Is told how many more are done."""
