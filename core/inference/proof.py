"""Proof that the networks of a pack run where they should, and that they see what they saw before.

ONNX Runtime gives a node that a GPU cannot run to the CPU without a word, and a driver, a kernel or
16 bits may make other vectors of the same face. So a pack is tried before the first photo.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.errors import DeviceUnavailable
from core.inference import reference as references
from core.inference.accelerators import PROVIDERS
from core.inference.embedder import BATCHES
from core.inference.graphs import BATCH, MOST_AT_ONCE
from core.inference.packs import Pack
from core.inference.reference import Networks, Reference
from core.inference.runner import Runner
from core.settings import Device

LEAST_COSINE: Final = 0.999
"""Of what a device gives and what the CPU gave. Emulated 16-bit arithmetic makes 0.99998 and more;
two photos of a person that differ as little as this do not exist."""

HEAVY: Final = re.compile("Conv|MatMul|Gemm|Attention")
"""Operators that are nearly all of a network's work. Arithmetic of shapes may run anywhere."""

Kernels: TypeAlias = Mapping[tuple[str, str], int]
"""How often an operator ran on a provider."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found.

    Attributes:
        cosine: The least of all crops and of all maps of the detector.
        kernels: That ran on the device; 0 on the CPU, where nothing else can run.
    """

    cosine: float
    kernels: int


def prove(pack: Pack, networks: Networks, device: Device, reference: Reference) -> Proof:
    """Run the reference on *device*.

    Args:
        networks: On an accelerator with profiles, which end here.

    Raises:
        DeviceUnavailable: Something ran elsewhere, or gave something else; the message says what.
    """
    vectors = _embedding_cosine(networks, reference, device)
    maps = _map_cosine(pack, networks.detector_session, reference)
    kernels = 0
    if device is not Device.CPU:
        for session in (networks.detector_session, networks.recogniser_session):
            kernels += require_kernels(kernels_of(session), device)
    _require_alike(pack, device, "an embedding of a face", vectors)
    _require_alike(pack, device, "the detector's view of a picture", maps)
    return Proof(min(vectors, maps), kernels)


def kernels_of(session: ort.InferenceSession) -> Kernels:
    """End the profile of a session and return what ran since its start."""
    path = Path(session.end_profiling())
    events = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return Counter(
        (each["args"]["op_name"], each["args"]["provider"])
        for each in events
        if each["cat"] == "Node" and "provider" in each["args"]
    )


def require_kernels(kernels: Kernels, device: Device) -> int:
    """Return how many kernels ran on *device*.

    Raises:
        DeviceUnavailable: None did, or one that is heavy ran elsewhere.
    """
    provider = PROVIDERS[device]
    there = sum(count for (_, where), count in kernels.items() if where == provider)
    elsewhere = {
        key: count
        for key, count in sorted(kernels.items())
        if key[1] != provider and HEAVY.search(key[0])
    }
    if elsewhere or not there:
        ran = ", ".join(f"{name} ({n} times on {where})" for (name, where), n in elsewhere.items())
        raise DeviceUnavailable(
            f"The device {device} was asked for, and the networks do not run there: "
            f"{ran or 'none of their kernels did'}.",
            device=str(device),
        )
    return there


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the cosine of two arrays, as flat vectors; -1 where a number is missing or not finite."""
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return -1.0
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else float(np.array_equal(a, b))


def _map_cosine(pack: Pack, session: ort.InferenceSession, reference: Reference) -> float:
    """Return the least cosine; where photos go together, of the first and last of a full run too."""
    runner = Runner(session)
    alone = references.blob(pack, reference.picture)
    seen = [runner.run(alone)]
    if session.get_inputs()[0].shape[0] == BATCH:
        full = np.zeros((MOST_AT_ONCE, *alone.shape[1:]), np.float32)
        full[[0, -1]] = alone
        together = runner.run(full)
        seen += [[each[place] for each in together] for place in (0, -1)]
    return min(cosine(*pair) for maps in seen for pair in zip(maps, reference.maps, strict=True))


def _embedding_cosine(networks: Networks, reference: Reference, device: Device) -> float:
    """Return the least cosine; on an accelerator of every batch size that it will ever run."""
    count = len(reference.crops)
    sizes = (count,) if device is Device.CPU else BATCHES
    least = 1.0
    for size in sizes:
        chosen = np.arange(size) % count
        found = networks.embedder.embed(reference.crops[chosen])
        pairs = zip(found, reference.vectors[chosen], strict=True)
        least = min([least, *(cosine(*pair) for pair in pairs)])
    return least


def _require_alike(pack: Pack, device: Device, what: str, found: float) -> None:
    if found >= LEAST_COSINE:
        return
    if device is Device.CPU:
        raise DeviceUnavailable(
            f"The pack {pack.name} does not give what it gave before on this machine: the cosine "
            f"of {what} is {found:.6f}. `facesearch models install {pack.name}` checks its files "
            "and takes this machine as the measure.",
            device=str(device),
            cosine=found,
        )
    raise DeviceUnavailable(
        f"The device {device} does not give what the CPU gives for the pack {pack.name}: the "
        f"cosine of {what} is {found:.6f}, and {LEAST_COSINE} is the least.",
        device=str(device),
        cosine=found,
    )
