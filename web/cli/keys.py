"""``facesearch keys`` and ``facesearch login``: who may use the page and the API."""

from dataclasses import asdict

import click
from rich.table import Table

from core import access
from core.errors import SetupError
from core.local.processes import page
from core.services import Services
from web.cli.common import FaceSearchGroup, json_option, output, print_json
from web.cli.services import system


@click.group(cls=FaceSearchGroup)
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every key; their secret parts are not stored."""
    with system() as services, services.pool.connection() as conn:
        found = access.keys(conn)
    if as_json:
        print_json([asdict(key) for key in found])
        return
    table = Table("name", "begins with", "created", "last used", "state", box=None)
    for key in found:
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        state = "revoked" if key.revoked_at else "valid"
        table.add_row(key.name, f"{key.hint}…", f"{key.created_at:%Y-%m-%d}", used, state)
    output().print(table if found else "There is no API key yet.")


@keys.command()
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Create a key called NAME and print it: this once, never again."""
    with system() as services, services.pool.connection() as conn:
        key = access.create_key(conn, name)
    if as_json:
        print_json({"name": name, "key": key})
    else:
        click.echo(key)


@keys.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Make the key called NAME useless at once."""
    with system() as services, services.pool.connection() as conn:
        if not access.revoke_key(conn, name):
            raise SetupError(f"There is no valid API key named {name!r}.")
    click.echo(f"{name} is revoked.")


@click.command()
@json_option
def login(as_json: bool) -> None:
    """Print a link that logs one browser in, once."""
    with system() as services:
        link = login_link(services)
        minutes = services.settings.login_link_minutes
    if as_json:
        print_json({"link": link, "minutes": minutes})
    else:
        click.echo(link)


def login_link(services: Services) -> str:
    """Make a link that logs one browser in, once."""
    with services.pool.connection() as conn:
        token = access.create_login_token(conn, minutes=services.settings.login_link_minutes)
    return f"{page(services.settings).rstrip('/')}/login?token={token}"
