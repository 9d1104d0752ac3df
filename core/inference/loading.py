"""From an installed pack to its two networks, ready to run."""

import onnxruntime as ort

from core.inference.centerface import CenterFace
from core.inference.contracts import Detector, FaceModels
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.install import load_graph
from core.inference.packs import CenterFaceSpec, Pack
from core.inference.scrfd import Scrfd
from core.inference.session import CHAINS, open_session
from core.inference.turning import Turning
from core.settings import Device, Settings


def load_models(pack: Pack, settings: Settings) -> FaceModels:
    """Load the networks of a pack on the device of the settings, each checked by its digest.

    Raises:
        PackNotInstalled: The weights are not there; the message names the command that cures it.
        DigestMismatch: A file has changed since the install.
        DeviceUnavailable: The device that the settings name is missing or does not start.
        ModelError: A graph does not fit the manifest.
    """

    detector = load_detector(pack, settings)
    graph = load_graph(pack, settings.models_dir, pack.recogniser)
    recogniser = open_session(honest_recogniser(graph), settings.device, settings.inference_threads)
    embedder = OnnxEmbedder(recogniser, pack.recogniser)
    return FaceModels(
        _looking_again(detector, pack.detector.turned_threshold),
        embedder,
        _device_of(recogniser),
        min_face=pack.recogniser.min_face,
    )


def load_detector(pack: Pack, settings: Settings) -> Detector:
    """Load the detector of a pack alone.

    Raises:
        ModelError: As *load_models* does.
    """
    graph = load_graph(pack, settings.models_dir, pack.detector)
    session = open_session(
        graph, settings.device, settings.inference_threads, shapes_lie=pack.detector.kind == "scrfd"
    )
    if isinstance(pack.detector, CenterFaceSpec):
        return CenterFace(session, pack.detector)
    return Scrfd(session, pack.detector)


def _looking_again(detector: Detector, threshold: float) -> Detector:
    return Turning(detector, threshold) if threshold < 1 else detector


def _device_of(session: ort.InferenceSession) -> Device:
    used = session.get_providers()[0]
    return next(device for device, chain in CHAINS.items() if chain[0][0] == used)
