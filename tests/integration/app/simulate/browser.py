"""A real browser without a window: what a page is after its scripts ran, and what stands in its console."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "BROWSER_TESTS"
LOAD_SECONDS = 120.0
_CONSOLE = re.compile(r"CONSOLE[:(].*")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as the browser has it."""

    dom: str
    console: list[str]
    """Every line that the page, or the browser because of it, has written there."""


def find_browser() -> str:
    """Give a browser's command; skip where there is none, unless BROWSER_TESTS=required."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    missing = f"no browser is installed (one of {', '.join(NAMES)})"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(missing)
    pytest.skip(missing)


def show(page: str, folder: Path, *, width: int = 1280) -> Shown:
    """Load a page from a file, let its scripts run, and give what is there then."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return show_address(path.as_uri(), folder, width=width)


def show_address(address: str, folder: Path, *words: str, width: int = 1280) -> Shown:
    """Load what stands at an address, let its scripts run, and give what is there then; `words` are further options."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += [f"--window-size={width},1200", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr"]
    done = subprocess.run(
        [find_browser(), *options, *words, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=LOAD_SECONDS,
        check=True,
    )
    return Shown(done.stdout, _CONSOLE.findall(done.stderr))
