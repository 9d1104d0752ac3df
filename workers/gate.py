"""How many batches one worker runs at once."""

import threading


class Gate:
    """Lets so many batches run at once. A ring that was turned away is not forgotten: whoever
    leaves next is told, because the photos it rang for may have come after the last claim.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._turned_away = False
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place; False when there is none."""
        with self._lock:
            if not self._free:
                self._turned_away = True
                return False
            self._free -= 1
            return True

    def leave(self) -> bool:
        """Give a place back; say whether somebody was turned away since the last who left."""
        with self._lock:
            self._free += 1
            turned_away, self._turned_away = self._turned_away, False
            return turned_away
