"""From an installed pack to its two networks, ready to run."""

import logging
import tempfile
from pathlib import Path

import onnxruntime as ort

from core.errors import DeviceUnavailable
from core.inference import boxes, proof, reference
from core.inference.accelerators import CUDA, Placement, Shape
from core.inference.centerface import CenterFace
from core.inference.contracts import Detector, FaceModels
from core.inference.embedder import BATCHES, OnnxEmbedder
from core.inference.graphs import MOST_AT_ONCE, batched_scrfd, honest_recogniser
from core.inference.install import load_graph
from core.inference.packs import CenterFaceSpec, DetectorSpec, Pack, RecogniserSpec
from core.inference.prelu import fast_on_cpu
from core.inference.proof import Proof
from core.inference.reference import Networks, Reference
from core.inference.scrfd import Scrfd
from core.inference.session import open_session
from core.inference.templates import TEMPLATES
from core.inference.turning import Turning
from core.settings import Device, Settings

log = logging.getLogger(__name__)


def load_models(pack: Pack, settings: Settings) -> FaceModels:
    """Load the networks of a pack on one device, each checked by its digest, and prove that they work.

    ``auto`` takes CUDA where both networks run and are proven there, else the CPU, and logs why.

    Raises:
        PackNotInstalled: The weights are not there; the message names the command that cures it.
        DigestMismatch: A file has changed since the install.
        DeviceUnavailable: The device is missing, does not start, or does not stand the proof.
        ModelError: A graph does not fit the manifest.
    """
    if settings.device is not Device.AUTO:
        return _load(pack, settings, settings.device)
    if CUDA in ort.get_available_providers():
        try:
            return _load(pack, settings, Device.CUDA)
        except DeviceUnavailable as error:
            log.warning("%s Going on with the CPU.", error)
    else:
        log.info("This ONNX Runtime knows no GPU.")
    return _load(pack, settings, Device.CPU)


def load_detector(pack: Pack, settings: Settings) -> Detector:
    """Load the detector of a pack alone, on the CPU.

    Raises:
        ModelError: As *load_models* does.
    """
    return _detector(pack, settings, Device.CPU)[0]


def keep_reference(pack: Pack, settings: Settings) -> Reference:
    """Write down what the pack gives on this machine's CPU; returns it.

    Raises:
        ModelError: As *load_models* does.
    """
    networks = _networks(pack, settings, Device.CPU)
    photos = sorted((settings.models_dir / reference.SAMPLES).glob("*.jpg"))
    made = reference.make(pack, networks, photos)
    reference.keep(pack, settings.models_dir, made)
    return made


def _load(pack: Pack, settings: Settings, device: Device) -> FaceModels:
    with tempfile.TemporaryDirectory(prefix="facesearch-proof-") as folder:
        networks = _networks(pack, settings, device, Path(folder))
        kept = reference.read(pack, settings.models_dir)
        if kept is None:
            log.info("The pack %s has no reference yet; this machine's CPU makes it.", pack.name)
            kept = keep_reference(pack, settings)
        proven = _prove(pack, settings, networks, device, kept)
    ran = f", {proven.kernels} kernels ran there" if proven.kernels else ""
    log.info("pack %s is proven on %s: least cosine %.6f%s", pack.name, device, proven.cosine, ran)
    return FaceModels(
        _looking_again(networks.detector, pack.detector.turned_threshold),
        networks.embedder,
        device,
        min_face=pack.recogniser.min_face,
        finest=max(pack.detector.sides),
    )


def _prove(
    pack: Pack, settings: Settings, networks: Networks, device: Device, kept: Reference
) -> Proof:
    """Prove; where an accelerator differs, ask the CPU first whether the reference is still true."""
    try:
        return proof.prove(pack, networks, device, kept)
    except DeviceUnavailable as refused:
        if device is not Device.CPU and "cosine" in refused.details:
            proof.prove(pack, _networks(pack, settings, Device.CPU), Device.CPU, kept)
        raise


def _networks(
    pack: Pack, settings: Settings, device: Device, profile: Path | None = None
) -> Networks:
    """Load both, one after the other: two sessions that start at once on one GPU spoil each other."""
    detector, detector_session = _detector(pack, settings, device, profile)
    graph = honest_recogniser(load_graph(pack, settings.models_dir, pack.recogniser))
    session = open_session(
        fast_on_cpu(graph) if device is Device.CPU else graph,
        device,
        settings.inference_threads,
        placement=_placement(settings, device, profile),
        shapes=_crop_shapes(pack.recogniser),
    )
    return Networks(detector, OnnxEmbedder(session, pack.recogniser), detector_session, session)


def _detector(
    pack: Pack, settings: Settings, device: Device, profile: Path | None = None
) -> tuple[Detector, ort.InferenceSession]:
    graph = load_graph(pack, settings.models_dir, pack.detector)
    scrfd = pack.detector.kind == "scrfd"
    session = open_session(
        # A CPU is no faster with several photos in a run.
        batched_scrfd(graph) if scrfd and device is not Device.CPU else graph,
        device,
        settings.inference_threads,
        shapes_lie=scrfd,
        placement=_placement(settings, device, profile),
        shapes=_photo_shapes(pack.detector),
    )
    return detector_of(session, pack.detector), session


def detector_of(session: ort.InferenceSession, spec: DetectorSpec) -> Detector:
    """Return the detector around a session."""
    return CenterFace(session, spec) if isinstance(spec, CenterFaceSpec) else Scrfd(session, spec)


def _placement(settings: Settings, device: Device, profile: Path | None) -> Placement:
    # On the CPU there is nothing to be found out, and a profile costs a file.
    return Placement.of(settings, None if device is Device.CPU else profile)


def _crop_shapes(spec: RecogniserSpec) -> tuple[Shape, Shape, Shape]:
    side = TEMPLATES[spec.template].side
    crop = (3, side, side) if spec.layout == "nchw" else (side, side, 3)
    return (BATCHES[0], *crop), (BATCHES[-2], *crop), (BATCHES[-1], *crop)


def _photo_shapes(spec: DetectorSpec) -> tuple[Shape, Shape, Shape]:
    side = max(spec.sides[-1], reference.SIDE)  # the proof is a run, too
    most = MOST_AT_ONCE if spec.kind == "scrfd" else 1
    return (1, 3, boxes.STRIDE, boxes.STRIDE), (1, 3, side, side), (most, 3, side, side)


def _looking_again(detector: Detector, threshold: float) -> Detector:
    return Turning(detector, threshold) if threshold < 1 else detector
