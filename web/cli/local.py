"""``facesearch up | down | status | migrate``: the whole system on this machine."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType

import click
import psutil
from rich.table import Table

from core.db import migrate as migrations
from core.errors import SetupError
from core.findings import Finding, troubles
from core.local import state
from core.local.processes import page
from core.local.status import Status, look
from core.local.supervisor import Supervisor
from core.settings import Settings
from web.cli.common import json_option, output, print_json, settings

NOT_RUNNING = 3
PARTLY = 1
START_S = 900
STOP_S = 120


@click.command()
@click.option("--detach", is_flag=True, help="Return when everything is up, and let it run.")
def up(detach: bool) -> None:
    """Start Postgres, broker, worker, beat and web on this machine; Ctrl-C stops them.

    What FACESEARCH_DATABASE_URL or FACESEARCH_BROKER_URL name is used instead of an embedded one.
    """
    if detach:
        started = _start_detached(settings())
        click.echo(f"facesearch is up at {started.page}; `facesearch down` stops it.")
    else:
        supervise(settings(), _say_ready)


@click.command()
def down() -> None:
    """Stop what `facesearch up` started on this data folder."""
    running = state.running(settings().data_dir)
    process = running.supervisor.process() if running else None
    if process is None:
        click.echo("facesearch is not running.")
        return
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(STOP_S)
        except psutil.TimeoutExpired:
            raise SetupError(
                f"The supervisor, pid {process.pid}, does not stop; see its log."
            ) from None
    click.echo("facesearch is stopped.")


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say what runs. Exit code 0: everything answers; 3: nothing runs; 1: something in between."""
    found = look(settings())
    if as_json:
        print_json(asdict(found))
    else:
        _print_status(found)
    if not found.ready:
        ctx.exit(PARTLY if found.running else NOT_RUNNING)


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database to the schema of this version; safe to run at any time, twice, by two."""
    database_url = state.database_url(settings())
    before, _ = migrations.status(database_url)
    after = migrations.upgrade(database_url)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        click.echo(f"The database is at revision {after} already.")
    else:
        click.echo(f"The database went from revision {before or 'none'} to {after}.")


def _say_ready(resolved: Settings) -> bool:
    click.echo(
        f"facesearch is up at {page(resolved)}; `facesearch login` lets a browser in, Ctrl-C "
        "stops everything."
    )
    return True


def supervise(chosen: Settings, on_ready: Callable[[Settings], bool]) -> None:
    """Run the local system in this process until a signal asks for its end.

    Args:
        on_ready: See `Supervisor.run`.
    """
    supervisor = Supervisor(chosen)
    with _signals_stop(supervisor), _remarks():
        supervisor.run(on_ready)


@contextmanager
def _signals_stop(supervisor: Supervisor) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        supervisor.stop()

    caught = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asks to outlive the terminal
        caught.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _remarks() -> Iterator[None]:
    """Show what the supervisor has to say."""
    handler = logging.StreamHandler()
    logger = logging.getLogger("core.local")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _start_detached(chosen: Settings) -> state.State:
    """Run `facesearch up` in a session of its own and wait until it is ready.

    Raises:
        SetupError: What it said when it failed.
    """
    chosen.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = chosen.data_dir / "up.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "web.cli", "up"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=chosen.environment(),
            start_new_session=True,
        )
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        running = state.running(chosen.data_dir)
        if running and running.ready and running.supervisor.pid == process.pid:
            return running
        if process.poll() is not None:
            words = log.read_text().strip().splitlines()
            raise SetupError(words[-1].removeprefix("facesearch: ") if words else "It ended.")
        time.sleep(0.1)
    process.terminate()
    raise SetupError(f"It was not ready within {START_S} s; see {log}.")


def _print_status(found: Status) -> None:
    if not found.running:
        click.echo("facesearch is not running: start it with `facesearch up`.")
        return
    table = Table("part", "pid", "state", "up for")
    for part in found.parts:
        table.add_row(
            part.name,
            "" if part.pid is None else str(part.pid),
            "answers" if part.answers else "does not answer",
            "" if part.seconds is None else f"{part.seconds} s",
        )
    output().print(table)
    _print_findings(found.findings)
    click.echo(f"page: {found.page}")


def _print_findings(found: Sequence[Finding]) -> None:
    wrong = troubles(found)
    if found and not wrong:
        click.echo(f"all {len(found)} checks passed")
    for finding in wrong:
        click.echo(f"{finding.level}: {finding.what}\n  {finding.cure}")
