"""A dry run of photos on this machine: a sample of them is sent as an archive, and nothing of it stays.

Confirmed, the sample would be photos without their names and folders.
"""

import random
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.errors import FileTooLarge, SetupError, WorkerUnavailable
from core.forecast import SAMPLE
from core.import_wishes import Source, Wish
from web.cli.import_bars import Watch
from web.cli.photo_files import PhotoFile
from web.cli.sending import Order, send_content


def forecast_of_files(order: Order, name: str, files: Iterator[PhotoFile]) -> dict[str, Any]:
    """Try a sample of *files*; return what all of them would come to.

    Raises:
        SetupError: None of the sample can be read.
        WorkerUnavailable: Nobody tries them.
    """
    sample, total = _drawn(files)
    with TemporaryDirectory(prefix="facesearch-") as folder:
        path = Path(folder) / "sample.tar"
        packed, too_large = _pack(order, path, sample)
        if not packed:
            raise SetupError("None of these files can be read, or is small enough to be a photo.")
        wish = Wish(Source.ARCHIVE, name, order.options, bytes=path.stat().st_size)
        made = order.target.create(order.collection_id, wish)
        try:
            view = Watch(order.target, order.bars).until_over(send_content(order, path, made))
        except (WorkerUnavailable, KeyboardInterrupt):
            order.target.change(made.id, "cancel")  # with that its bytes go
            raise
    order.target.delete(view.id)
    if view.forecast is None:
        raise SetupError(f"There is no forecast: the import of the sample is {view.state}.")
    return _scaled(view.forecast, too_large, total)


def _drawn(files: Iterator[PhotoFile]) -> tuple[list[PhotoFile], int]:
    """Draw `SAMPLE` of *files* by lot, each as likely as any other; return how many there are."""
    sample: list[PhotoFile] = []
    number = 0
    for number, file in enumerate(files, start=1):
        if len(sample) < SAMPLE:
            sample.append(file)
        elif (place := random.randrange(number)) < SAMPLE:  # noqa: S311
            sample[place] = file
    return sample, number


def _pack(order: Order, path: Path, files: list[PhotoFile]) -> tuple[int, int]:
    """Write an archive; return how many files are in it, and how many are too large for one."""
    packed = too_large = 0
    with tarfile.open(path, "w") as archive:
        for number, file in enumerate(files):
            try:
                if file.path.stat().st_size > order.limits.photo_bytes:
                    too_large += 1
                    continue
                archive.add(file.path.resolve(), f"{number}.photo", recursive=False)
            except OSError as error:
                order.trouble(file.key, error)
            else:
                packed += 1
    return packed, too_large


def _scaled(found: Mapping[str, Any], too_large: int, entries: int) -> dict[str, Any]:
    """Add what was not even packed to a forecast, and scale it to so many entries."""
    tried = found["entries"] + too_large
    factor = entries / tried
    reasons = Counter(found["reasons"])
    if too_large:
        reasons[FileTooLarge.code] += too_large
    return {
        "entries": entries,
        "sampled": tried,
        "faces": round(found["faces"] * factor),
        "refused": round((found["refused"] + too_large) * factor),
        "duplicates": round(found["duplicates"] * factor),
        "reasons": {code: round(count * factor) for code, count in reasons.items()},
        "seconds": found["seconds"] * factor,
        "bytes": round(found["bytes"] * factor),
    }
