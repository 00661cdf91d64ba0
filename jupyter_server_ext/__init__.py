"""The server side of progresswidget: what the notebook server loads.

It keeps the state of every export, tells browsers of it, and serves the finished files. Only
`progresswidget.protocol` is shared with the package that runs in the kernel.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Name the extension application, as jupyter_server's discovery asks."""
    from jupyter_server_ext.extension import ProgressExtension

    return [{"module": "jupyter_server_ext", "app": ProgressExtension}]
