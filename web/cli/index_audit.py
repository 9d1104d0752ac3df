"""``facesearch index audit``: what the index of a collection finds, beside exact search."""

from dataclasses import asdict

import click
from rich.progress import Progress
from rich.table import Table

from core import collections as collection_use
from core import recall
from core.db.pool import connect
from core.db.recall import Audit
from web.cli.common import console, json_option, output, print_json
from web.cli.services import system


@click.command()
@click.argument("collection")
@click.option("--use", is_flag=True, help="Search with the proposed ef_search from now on.")
@json_option
def audit(collection: str, use: bool, as_json: bool) -> None:
    """Measure what the index of COLLECTION finds, on its kept queries.

    Each query is searched exactly too, and every ef_search up to the first that finds enough
    (FACESEARCH_RECALL_GOAL) is tried. Searches go on meanwhile.
    """
    with system() as services:
        url = services.settings.database_url
        assert url is not None, "the system is up"  # noqa: S101
        with connect(url, autocommit=True) as conn:
            found = collection_use.find(conn, collection)
            terminal = console()
            with Progress(
                console=terminal, transient=True, disable=not terminal.is_terminal
            ) as progress:
                task = progress.add_task("Exact search", total=None)
                made = recall.audit(
                    conn,
                    found,
                    services.settings,
                    report=lambda done, total: progress.update(task, completed=done, total=total),
                )
            if use and made.proposed_ef_search is not None:
                collection_use.change(conn, found.id, ef_search=made.proposed_ef_search)
    if as_json:
        print_json(asdict(made))
    else:
        _print(made, used=use)


def _print(made: Audit, *, used: bool) -> None:
    table = Table("ef_search", "of the nearest", "of the ten nearest", "mates lost", "ms", box=None)
    for step in made.steps:
        mark = " (in use)" if step["ef_search"] == made.ef_search else ""
        table.add_row(
            f"{step['ef_search']}{mark}",
            f"{step['recall_1']:.2%}",
            f"{step['recall_10']:.2%}",
            f"{step['lost_mates']:,} of {step['mates']:,}",
            f"{step['ms']:.2f}",
        )
    table.add_row("exact", "100.00%", "100.00%", "0", f"{made.exact_ms:.2f}")
    output().print(table)
    click.echo(
        f"{made.queries} queries ({made.stored_queries} of them made of stored faces) among "
        f"{made.faces:,} faces, index {made.kind}."
    )
    click.echo(_advice(made, used=used))


def _advice(made: Audit, *, used: bool) -> str:
    proposed = made.proposed_ef_search
    if proposed is None:
        return "None of these finds enough; a rebuilt index or exact search would."
    if made.applied:
        return "FACESEARCH_RECALL_TUNES is on: ef_search was moved towards the proposal."
    if proposed == made.ef_search:
        return f"ef_search {proposed} is the smallest that is enough: nothing to change."
    if used:
        return f"Searches use ef_search {proposed} from now on."
    return f"ef_search {proposed} is the smallest that is enough; --use sets it."
