"""``python -m web.cli`` is ``facesearch``."""

from web.cli import main

main(prog_name="facesearch")
