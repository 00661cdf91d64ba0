"""The bounds of what goes over the wire, in bytes, characters or things."""

from __future__ import annotations

from typing import Final

MAX_FRAME: Final = 64 * 1024
"""Bytes of one WebSocket text frame, either way."""
MAX_REPORT: Final = 64 * 1024
"""Bytes of the body of one report."""
MAX_TEXT: Final = 2_000
"""Characters of a free text (an error message, a hint)."""
MAX_DETAIL: Final = 1_500
"""Characters of what is told in lines: columns with their types, options with their values."""
MAX_PATH: Final = 4_096
MAX_NAME: Final = 255
MAX_STEPS: Final = 8
"""Steps of one job."""
MAX_EPOCH: Final = 64
MAX_SUBSCRIPTIONS: Final = 1_000
"""Tasks in one `subscribe` message."""
MAX_COUNT: Final = 2**53 - 1
"""The largest integer that JavaScript holds exactly; counters beyond it are refused."""
