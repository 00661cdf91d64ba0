"""Find the Chromium that the browser tests drive, and get one where there is none.

Run as a script it makes sure that there is one. The tests import `find`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "PROGRESSWIDGET_CHROMIUM"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SHELL = "chromium-headless-shell"
"""Chromium without its own windows and menus, which nobody sees here: a page costs a third less."""
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


def find() -> str | None:
    """Return the path of a Chromium: the variable's, the usual names', or Playwright's own."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            sys.exit(f"{VARIABLE}={chosen} is no program that can be run")
        return found
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> None:
    """Install Chromium: by apt where this is Debian and we are root, else Playwright's build."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        update = ["apt-get", "update", "-qq"]
        get = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        for step in (update, [*get, SHELL], [*get, "chromium"]):
            if subprocess.run(step, env=quiet, check=False).returncode == 0 and step != update:
                return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit(
            "No Chromium for the browser tests: install one (Debian: apt-get install chromium) "
            f"or name it with {VARIABLE}=/path/to/chromium"
        )
    print(f"browser tests use {path}")
