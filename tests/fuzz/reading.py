"""The other end of ``child.py``: a picture goes out, and what became of it comes back."""

import hashlib
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a picture.

    Attributes:
        word: ``read``, or the code of its error.
        cpu_s: Seconds of processor time that reading took.
    """

    word: str
    cpu_s: float


class Reading:
    """A child process that reads pictures; another is started where one dies or hangs."""

    def __init__(self, max_pixels: int, how: str, *, patience_s: float) -> None:
        """Name the most pixels of a picture, how far it goes, and how long one may take."""
        self._arguments = [sys.executable, str(CHILD), str(max_pixels), how]
        self._patience_s = patience_s
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def read(self, data: bytes) -> Outcome:
        """Have a file read.

        Raises:
            AssertionError: It made the child crash, die or hang; the message names a file with
                these bytes.
        """
        try:
            answer = self._ask(struct.pack("<Q", len(data)) + data, self._patience_s)
            assert answer["fault"] is None, answer["fault"]
        except AssertionError as error:
            name = f"facesearch-{hashlib.sha256(data).hexdigest()[:16]}.bin"
            kept = Path(tempfile.gettempdir(), name)
            kept.write_bytes(data)
            raise AssertionError(f"{error}\nThe picture is {kept}") from error
        return Outcome(answer["outcome"], answer["cpu_s"])

    def memory(self) -> float:
        """MiB that the child holds when nothing is being read."""
        answer: float = self._ask(struct.pack("<Q", 0), 60)["memory"]
        return answer

    def _ask(self, question: bytes, patience_s: float) -> Any:
        if self._child is None:
            self._child = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libtiff and libpng talk a lot
                cwd=CHILD.parents[2],
            )
            self._ask(struct.pack("<Q", 0), 120)  # starting is not reading
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(question)
            self._child.stdin.flush()
            return json.loads(self._line(patience_s))
        except BrokenPipeError:
            raise AssertionError(f"The child is dead: {self._end()}") from None

    def _line(self, patience_s: float) -> bytes:
        assert self._child is not None
        assert self._child.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._child.stdout], [], [], patience_s)
            if not ready:
                self._end()
                raise AssertionError(f"The picture took more than {patience_s} s")
            part = os.read(self._child.stdout.fileno(), 2**16)
            if not part:
                raise AssertionError(f"The child died: {self._end()}")
            line += part
        return line

    def _end(self) -> int | None:
        """End the child; returns its exit status, below 0 for a signal."""
        if self._child is None:
            return None
        child, self._child = self._child, None
        if child.poll() is None:
            child.kill()
        status = child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        return status
