"""Registering a recogniser of the user's own as a pack: looked at, tried, installed, written down.

The pack is a table at the end of the user's own manifest, as text: what stands there already,
comments too, is not touched.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from core.errors import DigestMismatch, ModelError, NameTaken, PackNotInstalled, SetupError
from core.inference import archives, install, probing
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.install import Installed
from core.inference.loading import keep_reference, load_detector
from core.inference.packs import (
    OWN_MANIFEST,
    Licence,
    LocalSource,
    Manifest,
    Pack,
    PinnedFile,
    RecogniserSpec,
    load_manifest,
    own_manifest,
    read_manifest,
    tracked_manifest,
)
from core.inference.probing import FaceCheck, GraphShape, Probe
from core.inference.reference import SAMPLES
from core.inference.session import open_session
from core.inference.templates import TEMPLATES
from core.inference.values import PACK_NAME
from core.settings import Device, Settings

LICENCE_FILE: Final = "LICENCE.txt"
GUESSED_THRESHOLD: Final = 0.45
GUESS: Final = "a guess, nothing was measured; calibrate it on your own faces"

HEADER: Final = """\
# Your own model packs, of the same form as packs.toml; docs/models.md explains every key.
# `facesearch models add` writes at the end of this file, and leaves the rest as it is.

version = 1
"""


@dataclass(frozen=True, slots=True)
class Registration:
    """What the user says of a recogniser.

    Attributes:
        file: The ONNX file.
        detector: Pack whose detector finds the faces; by default the settings' pack.
        side: Of the crops, in pixels, where the graph leaves it open.
        mean, std: One number, or one each for red, green and blue.
        threshold_source: Where the threshold comes from.
        licence: Its name or one sentence; with *licence_file* its title.
        licence_file: Its text, kept beside the weights.
    """

    file: Path
    name: str
    detector: str | None = None
    side: int | None = None
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, ...] = (127.5,)
    std: tuple[float, ...] = (127.5,)
    flip: Literal["none", "sum"] = "none"
    threshold: float | None = None
    threshold_source: str | None = None
    title: str | None = None
    licence: str | None = None
    licence_file: Path | None = None
    commercial: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """A pack that was added, and what was found out about its recogniser.

    Attributes:
        manifest: The file that it was written into.
        faces: None where no faces could be compared: the sample photos are not installed.
    """

    pack: Pack
    installed: Installed
    manifest: Path
    shape: GraphShape
    probe: Probe
    faces: FaceCheck | None


def register(wish: Registration, settings: Settings) -> Registered:
    """Try the recogniser, install it as a pack with a detector that is there, and write it down.

    All of it or nothing. The networks run on the CPU: what is tried is the file, not the device.

    Raises:
        NameTaken: There is a pack or a folder of this name.
        PackNotFound, PackNotInstalled: So it is with the pack whose detector was asked for.
        ModelError: The file is no recogniser that can be used; one sentence says why.
        SetupError: The own manifest is wrong, or nothing can be appended to it.
        DigestMismatch, DiskFull: As *install* does.
    """
    for text in (wish.file.name, wish.title, wish.licence, wish.threshold_source):
        if text is not None and not text.isprintable():
            raise ModelError(f"{text!a} holds what cannot be printed; give one line of text.")
    settings = settings.model_copy(update={"device": Device.CPU})
    with install.disk_errors(settings.models_dir):
        donor = packs_without(wish.name, settings).pack(wish.detector or settings.pack)
        detector = load_detector(donor, settings)
        data = wish.file.read_bytes()
        session = open_session(honest_recogniser(data), Device.CPU, settings.inference_threads)
        shape = probing.inspect(session, wish.side)
        licence_text = wish.licence_file.read_bytes() if wish.licence_file else None
        if licence_text == b"":
            raise ModelError("The licence file is empty.")
        pack = _pack(wish, donor, shape, data, licence_text)
        embedder = OnnxEmbedder(session, pack.recogniser)
        probe = probing.probe(embedder)
        photos = sorted((settings.models_dir / SAMPLES).glob("*.jpg"))
        faces = probing.check_faces(detector, embedder, photos)
        origins = {
            pack.detector.file: settings.models_dir / donor.name / donor.detector.file,
            pack.recogniser.file: wish.file,
        }
        if wish.licence_file:
            origins[LICENCE_FILE] = wish.licence_file
        installed, path = install_own(pack, origins, settings)
    return Registered(pack, installed, path, shape, probe, faces)


def packs_without(name: str, settings: Settings) -> Manifest:
    """Return all packs; there is none of this name, and there can be one.

    Raises:
        NameTaken: There is one.
        ModelError: It is no name for a pack.
        SetupError: The own manifest is wrong.
    """
    if not re.fullmatch(PACK_NAME, name):
        raise ModelError(
            "A pack's name is made of small letters, digits and _, at most 64 of them."
        )
    # The own manifest may be named and not written yet.
    written = own_manifest(settings).exists()
    manifest = load_manifest(settings) if written else read_manifest(tracked_manifest())
    if name in manifest.packs:
        raise NameTaken(f"There is a pack {name} already.", pack=name)
    return manifest


def _pack(
    wish: Registration, donor: Pack, shape: GraphShape, data: bytes, licence_text: bytes | None
) -> Pack:
    template = next(each.name for each in TEMPLATES.values() if each.side == shape.side)
    file = f"{wish.name}.onnx"
    files = [
        donor.file(donor.detector.file),
        PinnedFile(file, archives.sha256_of(data), len(data)),
    ]
    if licence_text:
        files.append(PinnedFile(LICENCE_FILE, archives.sha256_of(licence_text), len(licence_text)))
    source = wish.threshold_source or (
        GUESS if wish.threshold is None else "given when the pack was added"
    )
    try:
        return Pack(
            name=wish.name,
            title=wish.title or f"{donor.title.split(' + ')[0]} + {wish.name}",
            summary=f"Added from {wish.file.name}, with the detector of the pack {donor.name}.",
            threshold=GUESSED_THRESHOLD if wish.threshold is None else wish.threshold,
            threshold_source=source,
            licence=_licence(wish),
            detector=donor.detector,
            recogniser=RecogniserSpec(
                kind="arcface",
                file=file,
                dimension=shape.dimension,
                template=template,
                colours=wish.colours,
                layout=shape.layout,
                mean=_channels("mean", wish.mean),
                std=_channels("std", wish.std),
                flip=wish.flip,
            ),
            sources=(LocalSource("local", tuple(files)),),
        )
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "The pack"
        raise ModelError(f"{place}: {fault['msg'].removeprefix('Value error, ')}.") from None


def _channels(name: str, values: tuple[float, ...]) -> tuple[float, float, float]:
    match values:
        case (one,):
            return (one, one, one)
        case (red, green, blue):
            return (red, green, blue)
    raise ModelError(f"{name} is one number, or three for red, green and blue.")


def _licence(wish: Registration) -> Licence:
    title = wish.licence or (
        "See the licence file" if wish.licence_file else "No licence was given"
    )
    kept = f" Its text is {LICENCE_FILE} beside the weights." if wish.licence_file else ""
    return Licence(
        id=f"LicenseRef-{wish.name.replace('_', '-')}",
        title=title,
        summary=f"Given when the pack was added: {title}.{kept}",
        commercial=wish.commercial,
        acceptance=False,
    )


# --- installing and writing down ------------------------------------------------------------------


def install_own(
    pack: Pack, origins: Mapping[str, Path], settings: Settings, *, accept_licence: bool = False
) -> tuple[Installed, Path]:
    """Install a new pack from links to its files, write it down, and note what it gives.

    Args:
        origins: Where each file of the pack is, by its name there.

    Returns:
        The pack's record, and the manifest that it was written into.

    Raises:
        NameTaken: There is a folder of its name.
        SetupError: Nothing can be appended to the own manifest.
    """
    models_dir = settings.models_dir
    # No pack has this name: a pack's has no hyphen.
    with install.locked(models_dir, "own-packs") as work:
        folder = models_dir / pack.name
        if folder.exists() and not _left_over(pack, models_dir):
            raise NameTaken(f"There is a folder {pack.name} among the models already.")
        path = own_manifest(settings).resolve()
        draft = _draft(pack, path)
        try:
            for name, origin in origins.items():
                (work / name).symlink_to(origin.absolute())
            installed = install.install(
                pack, models_dir, source=work, accept_licence=accept_licence
            )
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            raise
    keep_reference(pack, settings)
    return installed, path


def _left_over(pack: Pack, models_dir: Path) -> bool:
    """Whether the folder is this very pack, from a run that was killed before it wrote it down."""
    try:
        install.verify(pack, models_dir)
    except (PackNotInstalled, DigestMismatch):
        return False
    return True


def _draft(pack: Pack, path: Path) -> Path:
    """Write the manifest as it will be beside *path*, and read it to see that it says the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else HEADER
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(f"{before.rstrip()}\n\n{table(pack)}")
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, draft)
    try:
        same = read_manifest(draft).packs.get(pack.name) == pack
    except SetupError:
        same = False
    if not same:
        draft.unlink()
        raise SetupError(
            f"The pack cannot be appended to {path.name}; write its packs as tables, "
            f"[packs.NAME], as in the {OWN_MANIFEST} that facesearch writes."
        )
    return draft


def table(pack: Pack) -> str:
    """Describe a pack as TOML, to be appended to a manifest."""
    values = _plain(pack)
    name = values.pop("name")
    return "\n".join(_lines(f"packs.{name}", values)) + "\n"


def _plain(value: Any) -> Any:
    """Turn a part of a pack into what TOML knows; what is so by default is left out."""
    if is_dataclass(value):
        pairs = [(each, getattr(value, each.name)) for each in fields(value)]
        return {
            each.name: _plain(found) for each, found in pairs if found not in (each.default, {})
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def _lines(path: str, values: Mapping[str, Any], brackets: str = "[{}]") -> Iterator[str]:
    """Yield the lines of one table, its plain values first, as TOML wants them."""
    yield brackets.format(path)
    tables = {key: each for key, each in values.items() if _is_table(each)}
    for key, each in values.items():
        if key not in tables:
            yield f"{key} = {_text(each)}"
    for key, each in tables.items():
        for one in each if isinstance(each, list) else [each]:
            yield from _lines(f"{path}.{key}", one, "[[{}]]" if isinstance(each, list) else "[{}]")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        # JSON's strings are TOML's, but for the one control character that JSON lets through.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
