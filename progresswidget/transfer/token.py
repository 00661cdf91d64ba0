"""The user's token for the notebook server, where this process may know it.

The secret that the server leaves to its kernels opens no files, for it lies in one itself. But a
kernel runs as the user who started the server, and finds what every program of that user finds: the
file in which the server tells of itself, or the variable in which a hub gives its token. Nothing
else than the server that is meant is ever told of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def users_token(url: str, pid: int | None) -> str | None:
    """Return the token of the user, or None.

    Parameters
    ----------
    url, pid
        Of the server that it must be for: the extension's root, and the process if it is on this
        machine.
    """
    return _of_hub(url) or _of_server(url, pid)


def _of_hub(url: str) -> str | None:
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    meant = bool(prefix) and urlsplit(url).path.startswith(prefix)
    return os.environ.get("JUPYTERHUB_API_TOKEN") or None if meant else None


def _of_server(url: str, pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError:  # no kernel, then
        return None
    path = Path(jupyter_runtime_dir()) / f"jpserver-{pid}.json"
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        base, meant = str(found["base_url"]), urlsplit(url)
        # The number may have been given to another process since.
        same = meant.port == found["port"] and meant.path.startswith(base)
        return str(found["token"]) or None if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
