from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.export.outlet import BLOCK, Blocks, Outlet
from progresswidget.export.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Full(Exception):  # noqa: N818 - a name for a test
    pass


def writing(pieces: list[bytes]) -> Callable[[Any], None]:
    def write(file: Any) -> None:
        for piece in pieces:
            assert file.write(piece) == len(piece)

    return write


@given(st.lists(st.integers(0, BLOCK + 7), max_size=6))
def test_what_was_held_comes_out_whole_and_its_memory_is_used_again(sizes: list[int]) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    blocks = Blocks()
    for _ in range(2):
        outlet = Outlet(blocks)
        outlet.run(writing(pieces))
        assert outlet.encoded
        out = bytearray()
        outlet.drain(out.extend)
        assert bytes(out) == b"".join(pieces)
    most = sum(sizes) // BLOCK + 1
    assert bool(sum(sizes)) <= len(blocks._free) <= most


def test_what_comes_later_goes_straight_on() -> None:
    outlet, begun, opened = Outlet(Blocks()), Event(), Event()
    out: list[bytes] = []

    def write(file: Any) -> None:
        file.write(b"held")
        begun.set()
        assert opened.wait(60)
        file.write(b"direct")

    def pass_on(piece: Any) -> None:
        out.append(bytes(piece))
        opened.set()

    encoder = Thread(target=outlet.run, args=(write,))
    encoder.start()
    assert begun.wait(60)
    outlet.drain(pass_on)
    encoder.join()
    assert out == [b"held", b"direct"]


def test_the_failure_of_the_encoder_is_raised_where_its_bytes_are_wanted() -> None:
    outlet = Outlet(Blocks())

    def write(file: Any) -> None:
        file.write(b"some")
        raise Full

    outlet.run(write)
    with pytest.raises(Full):
        outlet.drain(lambda _: None)


def test_the_failure_of_the_file_is_raised_and_not_what_the_encoder_makes_of_it() -> None:
    outlet, begun, opened = Outlet(Blocks()), Event(), Event()

    def write(file: Any) -> None:
        begun.set()
        assert opened.wait(60)
        try:
            file.write(b"more")
        except Full as error:
            raise RuntimeError("the encoder's own words") from error

    def pass_on(_: Any) -> None:
        raise Full

    encoder = Thread(target=outlet.run, args=(write,))
    encoder.start()
    assert begun.wait(60)
    Thread(target=opened.set).start()
    with pytest.raises(Full):
        outlet.drain(pass_on)
    encoder.join()


def test_a_piece_that_the_file_did_not_take_is_missed_whatever_the_encoder_does_then() -> None:
    outlet, begun, opened = Outlet(Blocks()), Event(), Event()
    out: list[bytes] = []

    def write(file: Any) -> None:
        begun.set()
        assert opened.wait(60)
        for piece in (b"first", b"second", b"third"):
            with suppress(Full):
                file.write(piece)

    def pass_on(piece: bytes) -> None:
        if piece == b"second":
            raise Full
        out.append(piece)

    encoder = Thread(target=outlet.run, args=(write,))
    encoder.start()
    assert begun.wait(60)
    Thread(target=opened.set).start()
    with pytest.raises(Full):
        outlet.drain(pass_on)
    encoder.join()
    assert b"third" not in out, "nothing comes behind a gap"


class Breaking:
    """A filter through which nothing goes."""

    def __init__(self) -> None:
        self.reached, self.go_on = Event(), Event()

    def feed(self, piece: Any) -> list[Any]:
        self.reached.set()
        assert self.go_on.wait(60)
        raise Full

    def finish(self) -> list[Any]:
        return []

    def close(self) -> None:
        pass


def test_what_waits_behind_a_failure_of_the_file_is_told_of_it(tmp_path: Path) -> None:
    breaking = Breaking()
    with (tmp_path / "file").open("w+b") as file:
        sink = Sink(file.fileno(), lambda _: None, filter=breaking)
        sink.append([b"bytes"])
        assert breaking.reached.wait(60)
        drained = sink.drain(Outlet(Blocks()))
        breaking.go_on.set()
        with pytest.raises(Full):
            drained.result(60)
        sink.close()
