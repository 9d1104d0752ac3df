"""The browser that tests marked `browser` drive: the machine's own, or Playwright's download."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest


def find_chromium() -> Path | None:
    spec = importlib.util.spec_from_file_location("chromium", Path(__file__).parent / "chromium.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Path | None = module.find()
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch it; without one the test is skipped, and in CI it fails."""
    found = find_chromium()
    if found is None:
        reason = "no Chromium is installed: `make test` installs one where it can"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return {**browser_type_launch_args, "executable_path": str(found)}
