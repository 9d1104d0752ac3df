"""``facesearch models quantise``: an installed pack with a recogniser of 8 bits, as a pack of one's own."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from core.inference.quantising import LEAST_FACES, quantise
from web.cli.common import json_option, output, print_json, settings


@click.command("quantise")
@click.argument("pack")
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", help="Of the new pack; else that of the old with _int8 behind.")
@click.option("--faces", type=click.IntRange(LEAST_FACES), default=256, show_default=True,
              help="Most faces that are used.")  # fmt: skip
@json_option
def quantise_(pack: str, photos: Path, name: str | None, faces: int, as_json: bool) -> None:
    """Make a pack of PACK whose recogniser computes with 8 bits.

    The range of every tensor is measured on faces in PHOTOS, a folder; a quarter of them is left
    out of that and compared. Only if the new pack embeds at least 1.5 times as many faces a second
    on this machine, and tells faces apart as before, is it installed and written into your own
    manifest. It is for the CPU, and has a space of its own.
    """
    made = quantise(pack, photos, settings(), name=name, faces=faces)
    found = made.comparison
    if as_json:
        plain = {
            "pack": made.pack.name,
            "origin": made.origin.name,
            "space": made.pack.space.id,
            "folder": made.installed.folder,
            "manifest": made.manifest,
            "calibrated_on": made.calibrated_on,
        }
        print_json(plain | asdict(found))
        return
    table = Table(box=None, show_header=False)
    least, mean = found.cosine
    for label, value in (
        ("pack", f"{made.pack.name}: {made.pack.title}"),
        ("faces", f"{made.calibrated_on} to measure ranges on, {found.faces} others compared"),
        ("speed", f"{found.gain:.2f} times as many faces a second, 8 at a time"),
        (
            "vectors",
            f"cosine with those of {made.origin.name} {mean:.4f} on average, {least:.4f} least",
        ),
        ("pairs", f"their cosines correlate by {found.likeness:.4f} with what they were"),
        ("space", made.pack.space.id),
        ("folder", str(made.installed.folder)),
        ("manifest", str(made.manifest)),
    ):
        table.add_row(label, value)
    output(soft_wrap=True).print(table)
    click.echo(
        f"Compare `facesearch evaluate FOLDER` with --pack {made.origin.name} and --pack "
        f"{made.pack.name} before you use it; then restart facesearch where it runs."
    )
