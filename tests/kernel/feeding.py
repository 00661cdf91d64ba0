"""What workers do that count for a bar: apart, so that one which is spawned has little to load."""

from __future__ import annotations

import os
from typing import Any


def feed(bar: Any) -> int:
    for _ in range(50):
        bar.update()
    return os.getpid()
