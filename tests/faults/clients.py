"""What people download with: each client as it is, told to go on with what is there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import programs

if TYPE_CHECKING:
    from pathlib import Path

LIMIT: Final = 120.0
CLIENTS: Final = ("curl", "wget", "aria2", "aria2 -x4")


def command(client: str, url: str, target: Path, token: str) -> list[str]:
    """Return the command line of one try."""
    header = f"Authorization: token {token}"
    if client == "curl":
        options = ["-q", "-sS", "-f", "-C", "-", "-H", header, "-o", str(target)]
        return [programs.path("curl"), *options, url]
    if client == "wget":
        options = ["--no-config", "-nv", "-c", "-t", "1", "--header", header, "-O", str(target)]
        return [programs.path("wget"), *options, url]
    streams = "4" if client.endswith("-x4") else "1"
    return [
        programs.path("aria2c"),
        "--no-conf",
        "--quiet",
        "--continue",
        "--max-tries=1",
        "--auto-file-renaming=false",
        "--file-allocation=none",
        "--min-split-size=1M",
        f"--split={streams}",
        f"--max-connection-per-server={streams}",
        f"--header={header}",
        f"--dir={target.parent}",
        f"--out={target.name}",
        url,
    ]


def begin(client: str, url: str, target: Path, token: str) -> subprocess.Popen[bytes]:
    """Start one try."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command(client, url, target, token), **quiet)  # type: ignore[call-overload,no-any-return]


def run(client: str, url: str, target: Path, token: str) -> int:
    """Do one try, and return its exit status."""
    with begin(client, url, target, token) as process:
        try:
            return process.wait(LIMIT)
        finally:
            process.kill()
