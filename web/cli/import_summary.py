"""What came out of imports, for people and for programs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, islice
from typing import Any, Final

import click
from rich.filesize import decimal
from rich.table import Table

from web.cli.common import output
from web.cli.import_bars import duration
from web.cli.targets import STATES, Row, Target, View

REFUSED: Final = ("rejected", "failed", "dead")
FACELESS: Final = ("no_face_found", "no_usable_face")
SHOWN: Final = 20
"""Refused items that are listed."""


class Summary:
    """Imports that one command made or went on with, and what it could not even send."""

    def __init__(self, target: Target, views: Sequence[View], troubles: Sequence[Row]) -> None:
        self._target = target
        self._views = views
        self._troubles = troubles
        self.states = _sum([view.counts for view in views], [row.state for row in troubles])
        self.reasons = _sum(
            [view.reasons for view in views],
            [
                *(row.reason for row in troubles if row.reason),
                *(view.reason for view in views if view.state == "failed" and view.reason),
            ],
        )

    @property
    def refused_any(self) -> bool:
        """Whether something was refused, or the rest of an import could not be read or was cancelled."""
        return any(self.states[state] for state in REFUSED) or any(
            view.state in ("failed", "cancelled") for view in self._views
        )

    def print_json(self) -> None:
        """Print everything as one JSON document, item by item."""
        head = {
            "import_id": self._views[0].id if self._views else None,
            "imports": [asdict(view) for view in self._views],
            "total": self.states.total(),
            "states": self.states,
            "reasons": self.reasons,
            "passed_over": sum(view.passed_over for view in self._views),
        }
        click.echo(
            json.dumps(head, default=str, ensure_ascii=False)[:-1] + ', "items": [', nl=False
        )
        between = ""
        for view, row in self._items():
            item = {
                "key": row.key,
                "state": row.state,
                "image_id": row.image_id,
                "reason": row.reason,
                "detail": row.detail,
                "import_id": None if view is None else view.id,
            }
            click.echo(between + json.dumps(item, default=str, ensure_ascii=False), nl=False)
            between = ", "
        click.echo("]}")

    def _items(self) -> Iterator[tuple[View | None, Row]]:
        for view in self._views:
            for row in self._target.results(view.id):
                yield view, row
        for row in self._troubles:
            yield None, row

    def print(self) -> None:
        """Print counts, reasons and the first of what was refused."""
        counts = ", ".join(
            f"{self.states[state]:,} {state}" for state in STATES if self.states[state]
        )
        total = self.states.total()
        click.echo(f"{total:,} photos: {counts or 'there was nothing to do'}.")
        passed_over = sum(view.passed_over for view in self._views)
        if passed_over:
            click.echo(f"  Besides, {passed_over:,} hidden or system files were passed over.")
        faceless = {reason: self.reasons[reason] for reason in FACELESS if self.reasons[reason]}
        if faceless:
            told = ", ".join(f"{count:,} {reason}" for reason, count in faceless.items())
            click.echo(
                f"  {sum(faceless.values()):,} of them without a face that was stored: {told}."
            )
        self._print_refused()
        for view in self._views:
            if view.state in ("failed", "cancelled"):
                click.echo(f"  {view.name}: {view.reason}. {view.detail or ''}".rstrip())
            elif not view.is_over:
                options = self._target.options
                click.echo(f"  {view.name} goes on: `facesearch imports watch {view.id}{options}`.")

    def _print_refused(self) -> None:
        for row in islice(self._refused(), SHOWN):
            click.echo(f"  {row.key}: {row.reason}. {row.detail or ''}".rstrip())
        left = sum(self.states[state] for state in REFUSED) - SHOWN
        if left > 0:
            options = self._target.options
            click.echo(f"  … and {left:,} more. To see all:")
            for view in self._views:
                click.echo(f"  `facesearch imports results {view.id}{options} --refused`")

    def _refused(self) -> Iterator[Row]:
        refused = (row for row in self._troubles if row.state in REFUSED)
        return chain(
            refused,
            (
                row
                for view in self._views
                for state in REFUSED
                if view.counts.get(state)
                for row in self._target.results(view.id, state)
            ),
        )


def _sum(counts: Sequence[Mapping[str, int]], others: Sequence[str]) -> Counter[str]:
    found = Counter(others)
    for each in counts:
        found.update({name: count for name, count in each.items() if count})
    return found


def print_forecast(
    target: Target, forecast: Mapping[str, Any], kept: View | None, *, as_json: bool
) -> None:
    """Print what a dry run found, and how to go on with it where it is kept."""
    if as_json:
        told = {**forecast, "import_id": None if kept is None else kept.id}
        click.echo(json.dumps(told, default=str, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    table.add_row("photos", f"{forecast['entries']:,}, of which {forecast['sampled']:,} were tried")
    table.add_row("faces", f"{forecast['faces']:,}")
    table.add_row("refused", f"{forecast['refused']:,}")
    table.add_row("there already, or twice", f"{forecast['duplicates']:,}")
    for reason, count in forecast["reasons"].items():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("time of one worker", duration(forecast["seconds"]))
    table.add_row("disk", decimal(int(forecast["bytes"])))
    output().print(table)
    if kept is not None:
        click.echo("Nothing is in the collection yet. To import all of it, or to forget it:")
        for verb in ("confirm", "delete"):
            click.echo(f"  facesearch imports {verb} {kept.id}{target.options}")
