"""``facesearch ingest PATH…``: photos from files, folders, archives and lists into a collection."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from core.facets import SEPARATOR, read_captured, split_tags
from core.import_wishes import Options
from core.offers import OnDuplicate
from web.cli.common import console, json_option
from web.cli.import_bars import Bars
from web.cli.import_summary import Summary, print_forecast
from web.cli.ingesting import Asked, Run
from web.cli.sending import Order
from web.cli.sending_manifest import format_of
from web.cli.services import PARTLY
from web.cli.targets import Patience, open_target, target_options

JOBS = 4
MOST_JOBS = 8


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option("--create", is_flag=True, help="Create the collection when there is none.")
@target_options
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="List of photos with what is said of each, *.ndjson or *.csv.")  # fmt: skip
@click.option("--server-folder", metavar="PATH", help="Folder that the server itself reads.")
@click.option("--name", help="Of the import; otherwise that of what is sent.")
@click.option("--people", is_flag=True,
              help="The folder that a photo lies in is the name of who is on it.")  # fmt: skip
@click.option("--on-duplicate", type=click.Choice([each.value for each in OnDuplicate]),
              default=OnDuplicate.SKIP.value, show_default=True,
              help="Of photos that are there: skip them, update what is said of them, or refuse.")  # fmt: skip
@click.option("--tag", "tags", multiple=True,
              help="Tag of all these photos; give it once for each tag.")  # fmt: skip
@click.option("--captured-at", metavar="TIME",
              help="When the photos were taken, as 2024-05-31T18:30+02:00, where nothing else is "
              "said; otherwise their EXIF counts.")  # fmt: skip
@click.option("--jobs", default=JOBS, show_default=True, type=click.IntRange(1, MOST_JOBS),
              help="Requests with photos at the same time.")  # fmt: skip
@click.option("--new", "anew", is_flag=True,
              help="Do not go on with what the same command began before.")  # fmt: skip
@click.option("--dry-run", is_flag=True,
              help="Try a sample, add nothing to the collection, say what would be. An archive, a "
              "manifest or a server folder can be confirmed then; what was sent of it is kept for that.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Return when everything is sent.")
@json_option
@click.pass_context
def ingest(
    ctx: click.Context,
    paths: tuple[Path, ...],
    collection: str,
    create: bool,
    server: str | None,
    key: str | None,
    manifest: Path | None,
    server_folder: str | None,
    name: str | None,
    people: bool,
    on_duplicate: str,
    tags: tuple[str, ...],
    captured_at: str | None,
    jobs: int,
    anew: bool,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Put the photos at PATHS into a collection: files, and folders with all below them.

    A ZIP, TAR, TAR.GZ or TAR.ZST is sent as it is, and opened by the server. Photos that are there
    already are skipped. The same command again goes on where it stopped, whatever ended it. Exit
    code 4: some were refused, and are listed, or somebody cancelled it.
    """
    if bool(paths) + bool(manifest) + bool(server_folder) != 1:
        raise click.UsageError("Give PATHS, or --manifest, or --server-folder.")
    options = Options(
        on_duplicate=OnDuplicate(on_duplicate),
        people_by_folder=people,
        dry_run=dry_run,
        tags=split_tags(SEPARATOR.join(tags)),
        captured_at=None if captured_at is None else read_captured(captured_at),
        format=None if manifest is None else format_of(manifest),
    )
    asked = Asked(paths, manifest, server_folder, name)
    asked.require_any()
    patience = Patience()
    with open_target(server, key, patience) as target:
        bars = Bars()
        patience.tell = bars.tell
        order = Order(
            target=target,
            collection_id=target.collection(collection, create=create),
            limits=target.limits(),
            options=options,
            patience=patience,
            bars=bars,
            jobs=jobs,
            anew=anew or dry_run,
        )
        run = Run(order, asked)
        if dry_run:
            with _ctrl_c_told(run), bars:
                forecast, kept = run.forecast()
            print_forecast(target, forecast, kept, as_json=as_json)
        elif _do(run, wait=not no_wait, as_json=as_json):
            ctx.exit(PARTLY)


def _do(run: Run, *, wait: bool, as_json: bool) -> bool:
    """Send everything and print what came of it; return whether something was refused."""
    with _ctrl_c_told(run), run.order.bars:
        views = run.do(wait=wait)
    summary = Summary(run.order.target, views, run.order.troubles)
    if as_json:
        summary.print_json()
    else:
        summary.print()
    return summary.refused_any


@contextmanager
def _ctrl_c_told(run: Run) -> Iterator[None]:
    """Say what Ctrl-C has ended, and what goes on."""
    try:
        yield
    except KeyboardInterrupt:
        run.order.patience.stop.set()
        with suppress(KeyboardInterrupt):
            console().print(_left(run), highlight=False, soft_wrap=True)
        raise


def _left(run: Run) -> str:
    sent = (
        "Everything was sent" if run.all_sent else "What was sent is kept; the same command goes on"
    )
    lines = [f"{sent}. Indexing goes on without this command:"]
    options = run.order.target.options
    for view in run.views:
        lines.append(f"  facesearch imports watch {view.id}{options}")
        lines.append(f"  facesearch imports cancel {view.id}{options}")
    return "\n".join(lines if run.views else ["Nothing was sent."])
