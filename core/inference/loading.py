"""From an installed pack to its two networks, ready to run."""

import onnxruntime as ort

from core.inference.centerface import CenterFace
from core.inference.contracts import Detector, FaceModels
from core.inference.embedder import OnnxEmbedder
from core.inference.install import load_graph
from core.inference.packs import CenterFaceSpec, DetectorSpec, Pack, RecogniserSpec
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

    def session(network: DetectorSpec | RecogniserSpec) -> ort.InferenceSession:
        graph = load_graph(pack, settings.models_dir, network)
        return open_session(
            graph,
            settings.device,
            settings.inference_threads,
            shapes_lie=network.kind in ("scrfd", "arcface"),
        )

    detector: Detector
    if isinstance(pack.detector, CenterFaceSpec):
        detector = CenterFace(session(pack.detector), pack.detector)
    else:
        detector = Scrfd(session(pack.detector), pack.detector)
    recogniser = session(pack.recogniser)
    embedder = OnnxEmbedder(recogniser, pack.recogniser)
    return FaceModels(
        _looking_again(detector, pack.detector.turned_threshold),
        embedder,
        _device_of(recogniser),
        min_face=pack.recogniser.min_face,
    )


def _looking_again(detector: Detector, threshold: float) -> Detector:
    return Turning(detector, threshold) if threshold < 1 else detector


def _device_of(session: ort.InferenceSession) -> Device:
    used = session.get_providers()[0]
    return next(device for device, chain in CHAINS.items() if chain[0][0] == used)
