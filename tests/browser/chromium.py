"""Finds the Chromium of this machine. As a program: exit code 0 when there is one."""

import os
import shutil
import sys
from pathlib import Path

CHOSEN = "FACESEARCH_TEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> Path | None:
    """Return the browser that the environment names, one of the machine, or Playwright's own."""
    chosen = os.environ.get(CHOSEN)
    if chosen:
        return Path(chosen)
    for name in NAMES:
        found = shutil.which(name)
        # Ubuntu's package is a script that asks to install a snap.
        if found and b"snap" not in Path(found).read_bytes()[:4096]:
            return Path(found)
    return _downloaded()


def _downloaded() -> Path | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  slow, and seldom needed

    with sync_playwright() as playwright:
        found = Path(playwright.chromium.executable_path)
    return found if found.exists() else None


if __name__ == "__main__":
    sys.exit(0 if find() else 1)
