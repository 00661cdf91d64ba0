"""Frames against those of a library, at the lengths where their form changes."""

from __future__ import annotations

import pytest
from websocket import ABNF

from jupyter_server_ext.hub.framing import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_what_a_library_makes_of_it(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 0, payload).format()


def test_nothing_but_the_head_is_added() -> None:
    payload = "进度 📦".encode()
    assert text_frame(payload) == bytes((0x81, len(payload))) + payload
