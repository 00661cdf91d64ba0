"""Makes the published documents anew: ``python -m jupyter_server_ext.schemas``."""

from __future__ import annotations

from jupyter_server_ext.schemas import NAMES, make, path_of

for name in NAMES:
    path_of(name).write_text(make(name), encoding="utf-8")
