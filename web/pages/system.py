"""The system page: is everything well, which models are there, who has an API key."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import access, workers_seen
from core.db import jobs as job_rows
from core.db.jobs import Backlog
from core.errors import BrokerUnavailable, FaceSearchError
from core.findings import Finding, troubles
from core.inference.packs import Pack
from core.workers_seen import WorkerSeen
from web.api.documentation import marked
from web.pages import forms
from web.pages.trouble import Trouble, trouble
from web.services import services, version, web

blueprint = Blueprint("system", __name__, url_prefix="/system")


@dataclass(frozen=True, slots=True)
class Health:
    """How the parts are. (Without the database there is no page at all.)

    Attributes:
        database: Version of Postgres.
        broker: Name and version of the server that speaks the Redis protocol; None: it is away.
        findings: What the checks of the database found, all of them.
    """

    database: str
    broker: str | None
    workers: Sequence[WorkerSeen]
    backlog: Backlog
    findings: Sequence[Finding]

    @property
    def troubles(self) -> list[Finding]:
        """Of the findings, what is not well."""
        return troubles(self.findings)

    @property
    def ready(self) -> int:
        """Workers that take work."""
        return sum(worker.ready for worker in self.workers)

    @property
    def well(self) -> bool:
        """Whether photos can be analysed and searched."""
        return self.broker is not None and self.ready > 0


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Show how the system is."""
    return _page()


@blueprint.post("/keys")
def create_key() -> ResponseReturnValue:
    """Make an API key and show it, this once."""
    try:
        name = forms.name_in(request.form)
        with services().pool.connection() as conn:
            key = access.create_key(conn, name)
    except FaceSearchError as error:
        problem = trouble(error)
        return _page(problem=problem), problem.status
    return _page(new_key=key), 201


@blueprint.post("/keys/revoke")
def revoke_key() -> ResponseReturnValue:
    """Make a key useless."""
    name = forms.name_in(request.form)
    with services().pool.connection() as conn:
        access.revoke_key(conn, name)
    return redirect(url_for("pages.system.index", note="key_revoked", _anchor="keys"), 303)


def _page(*, new_key: str | None = None, problem: Trouble | None = None) -> str:
    with services().pool.connection() as conn:
        keys = [key for key in access.keys(conn) if key.revoked_at is None]
    health = _health()
    return render_template(
        "system/index.html",
        health=health,
        packs=[(pack, _workers_with(pack, health.workers)) for pack in services().manifest],
        keys=keys,
        new_key=new_key,
        problem=problem,
        settings=services().settings,
        version=version(),
        marked=marked,
    )


def _health() -> Health:
    """Ask every part; a broker that is away must not keep the page from saying so."""
    with services().pool.connection() as conn:
        major, minor = divmod(conn.info.server_version, 10_000)
        backlog = job_rows.backlog(conn)
        findings = web().checked.findings(conn)
    try:
        about = services().broker.info("server")
        workers = workers_seen.workers(services().broker)
    except (redis.RedisError, BrokerUnavailable):
        return Health(f"{major}.{minor}", None, (), backlog, findings)
    is_valkey = "valkey_version" in about
    name, number = ("Valkey", "valkey_version") if is_valkey else ("Redis", "redis_version")
    return Health(f"{major}.{minor}", f"{name} {about[number]}", workers, backlog, findings)


def _workers_with(pack: Pack, workers: Sequence[WorkerSeen]) -> int:
    return sum(worker.ready and pack.space.id in worker.spaces for worker in workers)
