"""The Chromium that the page tests drive: find one, or install one. Run as `python -m tests.browser`.

Covered: an installed Chromium or Chrome; Playwright's own; as root on Debian, the `chromium` package; elsewhere a
download by Playwright. Under CI a machine that ends up without a browser fails; elsewhere the page tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def executable() -> str | None:
    """Path of a Chromium that can be started, or None."""
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    if _MAC.is_file():
        return str(_MAC)
    return _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def _install() -> None:
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=False, env=environment)
        # The fonts let screenshots show Chinese as people see it.
        packages = ["chromium", "fonts-noto-cjk"]
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", *packages], check=False, env=environment, stdout=subprocess.DEVNULL
        )
    if executable() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    if executable() is None:
        _install()
    found = executable()
    if found is None:
        print("No Chromium could be found or installed for the page tests; install one and run make test again.")
        return 1 if os.environ.get("CI") else 0
    print(f"Page tests use {found}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
