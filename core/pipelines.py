"""The pipelines of the installed packs, each loaded when the first photo of its space comes."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping

from core.errors import DeviceUnavailable, PackNotInstalled
from core.images import PhotoLimits
from core.inference.install import show
from core.inference.loading import load_models
from core.inference.packs import Manifest, Pack
from core.pipeline import Pipeline
from core.precedence import Precedence
from core.settings import Device, Settings

MOST_DECODERS = 8
"""Each may hold a photo of the largest size allowed: at 100 million pixels about 700 MB, for a
moment (four bytes a pixel in Pillow, and the array made from them)."""

DETECTORS_OF_A_GPU = 2
"""While the boxes of some photos are read out on the CPU, the next ones are computed."""

DETECTED_TOGETHER_ON_A_GPU = 8
"""Photos of a batch that may go into the detector in one call. On a CPU that gains nothing."""

logger = logging.getLogger(__name__)


class Pipelines(Mapping[str, Pipeline]):
    """By space id. A pack that is installed later is found too.

    A pack that the device of this worker refuses is not served: its photos wait for another worker.

    Thread-safe; one pack is loaded at a time, since two sessions that start at once on one GPU
    are known to spoil each other.
    """

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        self._manifest = manifest
        self._settings = settings
        self._loaded: dict[str, Pipeline] = {}
        self._refused: dict[str, DeviceUnavailable] = {}
        self._devices: set[str] = set()
        self._lock = threading.Lock()
        self._precedence = Precedence()

    def __getitem__(self, space_id: str) -> Pipeline:
        """Return a pipeline.

        Raises:
            KeyError: No installed pack is of this space.
            ModelError: The pack cannot be loaded.
        """
        with self._lock:
            if space_id in self._refused:
                refused = self._refused[space_id]
                raise DeviceUnavailable(str(refused), **refused.details)
            if space_id not in self._loaded:
                self._loaded[space_id] = self._load(self._installed()[space_id])
            return self._loaded[space_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served())

    def __len__(self) -> int:
        return len(self._served())

    def __contains__(self, space_id: object) -> bool:
        return space_id in self._served()

    def require(self, pack: Pack) -> None:
        """Load a pack now.

        Raises:
            ModelError: It is not installed or cannot be loaded; the message names the cure.
        """
        show(pack, self._settings.models_dir)
        self[pack.space.id]

    @property
    def device(self) -> str:
        """Where the loaded models run; empty before the first is loaded."""
        return ", ".join(sorted(self._devices))

    def _load(self, pack: Pack) -> Pipeline:
        started = time.monotonic()
        try:
            models = load_models(pack, self._settings)
        except DeviceUnavailable as error:
            self._refused[pack.space.id] = error
            logger.error("pack %s is not served by this worker. %s", pack.name, error)
            raise
        self._devices.add(models.device.value)
        seconds = time.monotonic() - started
        logger.info("pack %s is loaded on %s, in %.1f s", pack.name, models.device.value, seconds)
        cores = min(MOST_DECODERS, os.cpu_count() or 1)
        return Pipeline(
            models,
            PhotoLimits.of(self._settings),
            max_faces=self._settings.max_faces_per_photo,
            decode_threads=cores,
            detectors=cores if models.device is Device.CPU else DETECTORS_OF_A_GPU,
            detected_together=1 if models.device is Device.CPU else DETECTED_TOGETHER_ON_A_GPU,
            precedence=self._precedence,
        )

    def _served(self) -> list[str]:
        return [space_id for space_id in self._installed() if space_id not in self._refused]

    def _installed(self) -> dict[str, Pack]:
        found = {}
        for pack in self._manifest:
            try:
                show(pack, self._settings.models_dir)
            except PackNotInstalled:
                continue
            found[pack.space.id] = pack
        return found
