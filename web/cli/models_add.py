"""``facesearch models add``: register an ONNX recogniser as a pack of one's own."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from core.inference.registering import Registered, Registration, register
from core.inference.templates import TEMPLATES
from web.cli.common import json_option, output, print_json, settings

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SIDES = sorted({template.side for template in TEMPLATES.values()})


def numbers(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, ...]:
    """Read one number, or several with commas between."""
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("one number is expected, or three with commas between") from None


@click.command()
@click.argument("file", type=FILE)
@click.option("--name", required=True, help="Of the pack: small letters, digits and _.")
@click.option("--title", help="For lists; else made of the detector and the name.")
@click.option("--detector", metavar="PACK", help="Pack whose detector is used; else the default.")
@click.option("--size", type=click.Choice([str(side) for side in SIDES]),
              help="Width and height of a crop, where the graph leaves it open; else 112.")  # fmt: skip
@click.option("--colours", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True)
@click.option("--mean", callback=numbers, default="127.5", show_default=True,
              help="Subtracted; one number, or R,G,B.")  # fmt: skip
@click.option("--std", callback=numbers, default="127.5", show_default=True,
              help="Divided by; one number, or R,G,B.")  # fmt: skip
@click.option("--flip", type=click.Choice(["none", "sum"]), default="none", show_default=True,
              help="sum: add the embedding of the mirrored crop, at twice the time.")  # fmt: skip
@click.option("--threshold", type=float, help="Cosine from which two faces are one person.")
@click.option("--threshold-source", metavar="TEXT", help="What the threshold was measured on.")
@click.option("--licence", metavar="TEXT", help="Terms of the weights: a name or one sentence.")
@click.option("--licence-file", type=FILE, help="Their text, kept beside the weights.")
@click.option("--commercial-use", is_flag=True, help="The licence allows commercial use.")
@json_option
def add(as_json: bool, **options: Any) -> None:
    """Register the ONNX recogniser FILE as a pack of your own.

    The graph is looked at and tried first: on plain pictures, and on the faces of the sample photos
    where they are installed. The pack is written into your own manifest, FACESEARCH_EXTRA_PACKS or
    own-packs.toml among the models.
    """
    if options["threshold_source"] and options["threshold"] is None:
        raise click.UsageError("--threshold-source needs --threshold.")
    size, commercial = options.pop("size"), options.pop("commercial_use")
    wish = Registration(side=size and int(size), commercial=commercial, **options)
    added = register(wish, settings())
    if as_json:
        print_json(_plain(added))
    else:
        _print(added)


def _plain(added: Registered) -> dict[str, Any]:
    return {
        "pack": added.pack.name,
        "space": added.pack.space.id,
        "folder": added.installed.folder,
        "manifest": added.manifest,
        "graph": asdict(added.shape),
        "norms": added.probe.norms,
        "normalised": added.probe.normalised,
        "faces": added.faces and asdict(added.faces),
    }


def _print(added: Registered) -> None:
    pack, shape, faces = added.pack, added.shape, added.faces
    batch = "any batch" if shape.batch is None else f"{shape.batch} at a time"
    kind = "normalised" if added.probe.normalised else "not normalised"
    low, high = added.probe.norms
    table = Table(box=None, show_header=False)
    for label, value in (
        ("pack", f"{pack.name}: {pack.title}"),
        (
            "input",
            f"{shape.input}: {shape.side} x {shape.side} pixels, {shape.layout.upper()}, {batch}",
        ),
        ("output", f"{shape.output}: {shape.dimension} numbers, {kind} ({low:.3g} to {high:.3g})"),
        (
            "faces",
            f"{faces.faces} in {faces.photo}: cosine with a changed copy {faces.copy:.3f} and more, "
            f"with a stranger {faces.strangers:.3f} and less"
            if faces
            else "not compared; `facesearch demo --fetch` installs the photos for it",
        ),
        ("threshold", f"{pack.threshold:g} ({pack.threshold_source})"),
        ("space", pack.space.id),
        ("sha256", pack.file(pack.recogniser.file).sha256),
        ("licence", pack.licence.title),
        ("folder", str(added.installed.folder)),
        ("manifest", str(added.manifest)),
    ):
        table.add_row(label, value)
    output(soft_wrap=True).print(table)
    click.echo("Restart facesearch where it runs, then collections can use this pack.")
