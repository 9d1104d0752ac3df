"""``facesearch`` whose worker and web are those of this folder; all else is as usual."""

from dataclasses import replace

from core.local import processes
from core.local.process import Command
from core.settings import Settings
from web.cli import main

_worker, _web = processes.worker, processes.web


def _with(command: Command, usual: str, ours: str) -> Command:
    assert usual in command.argv
    return replace(command, argv=tuple(ours if each == usual else each for each in command.argv))


def _fragile_worker(settings: Settings) -> Command:
    return _with(_worker(settings), "workers.app", "tests.faults.worker")


def _web_on_told_disk(settings: Settings) -> Command:
    return _with(_web(settings), "web.app:create()", "tests.faults.page:create()")


processes.worker = _fragile_worker
processes.web = _web_on_told_disk

main(prog_name="facesearch")
