"""``facesearch index audit`` and what ``collections change`` does about it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core import recall
from core.services import Services
from tests.galleries import Gallery, manifold
from web.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch` with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(recall, "QUERIES", 20)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(each) for each in arguments])

    return invoke


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_audit_is_shown_and_its_proposal_used(run: Run, gallery: Callable[..., Gallery]) -> None:
    made = gallery(manifold(500))
    name = made.collection.name

    shown = run("index", "audit", name)
    used = run("index", "audit", name, "--use")
    again = told(run("index", "audit", name, "--json"))

    assert "100 (in use)" in shown.stdout
    assert (
        "20 queries (20 of them made of stored faces) among 500 faces, index hnsw." in shown.stdout
    )
    assert "ef_search 40 is the smallest that is enough; --use sets it." in shown.stdout
    assert "Searches use ef_search 40 from now on." in used.stdout
    assert (again["ef_search"], again["proposed_ef_search"]) == (40, 40)


def test_what_has_no_index_is_refused_in_one_line(
    run: Run, gallery: Callable[..., Gallery]
) -> None:
    made = gallery(manifold(50), kind=None)

    refused = run("index", "audit", made.collection.name)

    assert refused.exit_code == 1
    assert "has no index; all of it is searched exactly" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_collection_is_told_to_keep_no_queries_and_how_far_to_look(run: Run) -> None:
    made = told(run("collections", "create", "shy", "--no-keep-queries", "--json"))
    changed = told(
        run("collections", "change", "shy", "--ef-search", 160, "--keep-queries", "--json")
    )
    cleared = told(run("collections", "change", "shy", "--ef-search", 0, "--json"))
    wrong = run("collections", "change", "shy", "--ef-search", 5)

    assert (made["keeps_queries"], made["ef_search"]) == (False, None)
    assert (changed["keeps_queries"], changed["ef_search"]) == (True, 160)
    assert (cleared["keeps_queries"], cleared["ef_search"]) == (True, None)
    assert wrong.exit_code == 2
