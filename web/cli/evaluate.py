"""``facesearch evaluate``: measure a pack on photos of known people, without a database."""

import click

from web.cli.common import FaceSearchGroup, Lazy

USUAL = "people"


class EvaluateGroup(FaceSearchGroup):
    """A group that takes ``evaluate FOLDER`` for ``evaluate people FOLDER``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the usual command before arguments that name none."""
        if args and args[0] not in {*self.list_commands(ctx), *ctx.help_option_names}:
            args = [USUAL, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=EvaluateGroup,
    lazy={
        "people": Lazy("web.cli.evaluate_people", "Search for people who are all enrolled."),
        "identification": Lazy(
            "web.cli.evaluate_identification", "Search for enrolled people and for strangers."
        ),
        "lfw": Lazy("web.cli.evaluate_lfw", "Compare pairs of photos, in ten folds."),
    },
)
def evaluate() -> None:
    """Measure how well a pack tells people apart.

    `facesearch evaluate FOLDER` is `facesearch evaluate people FOLDER`. FOLDER holds one folder per
    person, with photos in it; where a photo shows several faces, the one nearest to its centre
    counts. Nothing is stored.
    """
