"""The receiving half of RFC 6455: any cut of the bytes, and whatever a peer may get wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from jupyter_server_ext.channel.deframing import Deframer, FrameError
from jupyter_server_ext.hub.framing import close_frame, control_frame

LIMIT = 1000
MASK = b"\x01\x80\x7f\xff"


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return what a client sends, as another implementation frames it."""
    return Frame(Opcode(opcode), payload, fin).serialize(mask=True)


def read(data: bytes, limit: int = LIMIT) -> list[tuple[int, bytes]]:
    return [tuple(message) for message in Deframer(limit).messages(data)]  # type: ignore[misc]


def broken(data: bytes, limit: int = LIMIT) -> int:
    """Return the close code that bytes deserve."""
    with pytest.raises(FrameError) as caught:
        read(data, limit)
    return caught.value.code


texts = st.text(max_size=60).map(str.encode)
messages = st.lists(
    st.one_of(
        st.tuples(st.just(1), texts),
        st.tuples(st.just(2), st.binary(max_size=200)),
        st.tuples(st.sampled_from([9, 10]), st.binary(max_size=125)),
        st.tuples(st.just(1), st.just(b"x" * 900)),
    ),
    max_size=6,
)


@given(messages, st.data())
def test_any_cut_of_the_bytes_gives_the_same_messages(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b""
    for opcode, payload in sent:
        if opcode > 2 or not data.draw(st.booleans()):
            stream += masked(opcode, payload)
            continue
        # In pieces, with a ping between them, which comes before the message is whole.
        middle = data.draw(st.integers(0, len(payload)))
        stream += masked(opcode, payload[:middle], fin=False) + masked(9, b"between")
        stream += masked(0, b"", fin=False) + masked(0, payload[middle:])
    deframer, found, place = Deframer(LIMIT), [], 0
    while place < len(stream):
        step = data.draw(st.integers(1, 300))
        found += list(deframer.messages(stream[place : place + step]))
        place += step
    assert [tuple(each) for each in found if each.payload != b"between"] == sent


@given(st.binary(max_size=400))
def test_garbage_is_refused_or_waited_for(data: bytes) -> None:
    codes = []
    try:
        for opcode, payload in Deframer(LIMIT).messages(data):
            assert opcode in {1, 2, 8, 9, 10}
            assert len(payload) <= LIMIT
    except FrameError as error:
        codes.append(error.code)
    assert set(codes) <= {1002, 1007, 1009}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1\x80" + MASK, 1002),  # a reserved bit
        (b"\x83\x80" + MASK, 1002),  # an opcode that means nothing
        (b"\x81\x00", 1002),  # not masked
        (b"\x09\x80" + MASK, 1002),  # half a ping
        (b"\x89\xfe\x00\x7e" + MASK, 1002),  # a long ping
        (masked(0, b"x"), 1002),  # the rest of nothing
        (masked(1, b"x", fin=False) + masked(1, b"y"), 1002),  # a message within another
        (masked(1, b"\xff"), 1007),
        (masked(1, "é".encode()[:1], fin=False) + masked(0, b"", fin=True), 1007),
        (masked(8, b"\x03"), 1002),  # half a code
        (masked(8, b"\x03\xed"), 1002),  # 1005 is never sent
        (masked(8, b"\x03\xe8\xff"), 1007),
        (b"\x81\xfe" + (LIMIT + 1).to_bytes(2, "big"), 1009),  # before it has come
        (b"\x81\xff" + (1 << 62).to_bytes(8, "big"), 1009),
        (masked(1, b"x" * 600, fin=False) + masked(0, b"x" * 401), 1009),
    ],
)
def test_what_breaks_the_protocol_has_its_code(data: bytes, code: int) -> None:
    assert broken(data) == code


def test_a_text_may_be_cut_within_a_character() -> None:
    euro = "€".encode()
    data = masked(1, euro[:1], fin=False) + masked(0, euro[1:])
    assert read(data) == [(1, euro)]


def test_messages_before_the_mistake_count() -> None:
    messages = Deframer(LIMIT).messages(masked(1, b"a") + b"\xff\xff")
    assert next(messages).payload == b"a"
    with pytest.raises(FrameError):
        next(messages)


@given(st.sampled_from([1000, 1002, 4008, 4500]), st.text(max_size=200))
def test_closings_fit_into_a_frame(code: int, reason: str) -> None:
    frame = close_frame(code, reason)
    assert frame[1] == len(frame) - 2 <= 125
    close = Close.parse(frame[2:])
    assert close.code == code
    assert reason.startswith(close.reason)


def test_control_frames() -> None:
    assert control_frame(9) == Frame(Opcode.PING, b"").serialize(mask=False)
    assert control_frame(10, b"abc") == Frame(Opcode.PONG, b"abc").serialize(mask=False)
    assert close_frame(None) == Frame(Opcode.CLOSE, b"").serialize(mask=False)
