"""Batches in company, and a last try alone: whoever is alone when the process dies was to blame.

A photo that kills its process takes along the attempts of all photos that are at work in it. Without this
an innocent one beside it, each time, would be given up as it is.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class Solitude:
    """Of one process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._company = 0
        self._alone = False
        self._last = float("-inf")

    def is_due(self, every_s: float) -> bool:
        """Say whether nobody was alone for *every_s* seconds."""
        return monotonic() - self._last >= every_s

    @contextmanager
    def company(self) -> Iterator[None]:
        """Work beside others, as soon as nobody is alone or waits to be."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._company += 1
        try:
            yield
        finally:
            with self._changed:
                self._company -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, patience_s: float) -> Iterator[bool]:
        """Work beside nobody.

        Args:
            patience_s: For which the others may take to finish.

        Yields:
            Whether they did; if not, leave it.
        """
        with self._changed:
            is_first = not self._alone
            self._alone = True  # nobody else begins
            ready = is_first and self._changed.wait_for(lambda: not self._company, patience_s)
            self._last = monotonic()
        try:
            yield ready
        finally:
            if is_first:
                with self._changed:
                    self._alone = False
                    self._changed.notify_all()
