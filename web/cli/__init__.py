"""The command ``facesearch``. Each subcommand is imported when it is run, so that help is fast."""

import click

from web.cli.common import FaceSearchGroup, Lazy


@click.command(
    cls=FaceSearchGroup,
    lazy={
        "up": Lazy("web.cli.local", "Start everything on this machine."),
        "down": Lazy("web.cli.local", "Stop what `up` started."),
        "status": Lazy("web.cli.local", "Say what runs."),
        "migrate": Lazy("web.cli.local", "Bring the database to this version's schema."),
        "demo": Lazy("web.cli.demo", "Show the whole system on sample photos."),
        "models": Lazy("web.cli.models", "List, install, add and check model packs."),
        "collections": Lazy("web.cli.collections", "Create, list and delete collections."),
        "ingest": Lazy("web.cli.ingest", "Put photos into a collection."),
        "imports": Lazy("web.cli.imports", "Look at imports; pause, cancel or retry them."),
        "index": Lazy("web.cli.indexes", "Search indexes of large collections."),
        "search": Lazy("web.cli.search", "Find the people of a photo, or who looks like somebody."),
        "together": Lazy("web.cli.together", "Find photos with some people, and without others."),
        "people": Lazy("web.cli.people", "Name people, merge and split them, undo."),
        "report": Lazy("web.cli.report", "Find duplicates, wrong labels, look-alikes and more."),
        "reports": Lazy(
            "web.cli.reports", "Look at reports that were made; cancel or delete them."
        ),
        "review": Lazy("web.cli.review", "Decide what reports ask about faces."),
        "blobs": Lazy("web.cli.blobs", "Find files that are missing, and those of nothing."),
        "login": Lazy("web.cli.keys", "Print a one-time login link."),
        "keys": Lazy("web.cli.keys", "Create, list and revoke API keys."),
        "evaluate": Lazy("web.cli.evaluate", "Measure how well a pack tells people apart."),
        "bench": Lazy("web.cli.bench", "Measure how fast this machine is."),
        "calibrate": Lazy("web.cli.calibrate", "Find the threshold that people's faces call for."),
    },
)
@click.version_option(package_name="facesearch", message="%(prog)s %(version)s")
def main() -> None:
    """Self-hosted face search. `facesearch up` starts it."""
