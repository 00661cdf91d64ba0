"""Thrift's compact protocol, for structs of thriftpy2, whose own makes five calls for each field.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. Each unit of a
Parquet file has a footer that is read and written, and meanwhile nobody else has the interpreter.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from thriftpy2.thrift import TType

from progresswidget.export.workers import give_way

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST = 1, 2, 3, 4, 5, 6, 7, 8, 9
_STRUCT: Final = 12
_CODES: Final = {
    TType.BOOL: _TRUE,
    TType.BYTE: _BYTE,
    TType.I16: _I16,
    TType.I32: _I32,
    TType.I64: _I64,
    TType.DOUBLE: _DOUBLE,
    TType.STRING: _BINARY,
    TType.BINARY: _BINARY,
    TType.LIST: _LIST,
    TType.STRUCT: _STRUCT,
}
_DOUBLES: Final = struct.Struct("<d")
_SHORT: Final = 15
"""The size of a list from which on it does not fit four bits; of a step between fields the last."""
_MORE: Final = 0x80
"""The bit which says that a number goes on."""


class Place(int):
    """A number that is a place in the file; it moves with its unit."""


def read(kind: Any, data: bytes, place: int = 0) -> tuple[Any, int]:
    """Return the struct that begins at a place, and where it ends; unknown fields are left out.

    Parameters
    ----------
    kind
        The class that thriftpy2 has made of the struct.
    data
        Holds the struct.
    place
        Where it begins.
    """
    give_way()
    made = kind()
    known = kind.thrift_spec
    number = 0
    while head := data[place]:
        place += 1
        step, code = head >> 4, head & 0x0F
        if step:
            number += step
        else:
            number, place = _read_integer(data, place)
        field = known.get(number)
        if code <= _FALSE:
            value: Any = code == _TRUE
        elif _I16 <= code <= _I64:
            value, place = _read_integer(data, place)
        else:
            value, place = _read_value(code, field, data, place)
        if field is not None:
            setattr(made, field[1], value)
    return made, place + 1


def _read_value(code: int, field: Any, data: bytes, place: int) -> tuple[Any, int]:
    """Return a value that is neither a whole number nor a field's own boolean.

    What is expected of it comes first in `field`, and that of its members third; None is unknown.
    """
    if code == _BINARY:
        size, begin = read_varint(data, place)
        place = begin + size
        value = data[begin:place]
        return (_text(value) if field and field[0] == TType.STRING else value), place
    if code == _STRUCT:
        return read(field[2] if field else _Unknown, data, place)
    if code == _LIST:
        return _read_list(field[2] if field else None, data, place)
    if code == _DOUBLE:
        return _DOUBLES.unpack_from(data, place)[0], place + _DOUBLES.size
    if code == _BYTE:
        return int.from_bytes(data[place : place + 1], "little", signed=True), place + 1
    raise ValueError(f"type {code} of the compact protocol")


def _read_list(member: Any, data: bytes, place: int) -> tuple[list[Any], int]:
    size, code = data[place] >> 4, data[place] & 0x0F
    place += 1
    if size == _SHORT:
        size, place = read_varint(data, place)
    expected = (member[0], "", member[1]) if isinstance(member, tuple) else (member, "", None)
    values: list[Any] = []
    for _ in range(size):
        if code <= _FALSE:
            value: Any = data[place] == _TRUE
            place += 1
        elif _I16 <= code <= _I64:
            value, place = _read_integer(data, place)
        else:
            value, place = _read_value(code, None if member is None else expected, data, place)
        values.append(value)
    return values, place


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


class _Unknown:
    """A struct of which every field is left out."""

    thrift_spec: Final[dict[int, Any]] = {}


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, which has no sign, and where it ends."""
    value = data[place]
    place += 1
    if value < _MORE:
        return value, place
    value &= _MORE - 1
    bits = 7
    while True:
        byte = data[place]
        place += 1
        if byte < _MORE:
            return value | byte << bits, place
        value |= (byte & (_MORE - 1)) << bits
        bits += 7


def _read_integer(data: bytes, place: int) -> tuple[int, int]:
    value, place = read_varint(data, place)
    return (value >> 1) ^ -(value & 1), place


def write(value: Any, places: list[int] | None = None) -> bytes:
    """Return a struct as bytes.

    Parameters
    ----------
    value
        The struct; in the place of one within it may be its bytes.
    places
        Gets where each `Place` lies in the bytes.
    """
    out = bytearray()
    _write(out, value, [] if places is None else places)
    return bytes(out)


def _write(out: bytearray, value: Any, places: list[int]) -> None:
    if isinstance(value, bytes):
        out += value
        return
    last = 0
    for number, field in value.thrift_spec.items():
        item = getattr(value, field[1])
        if item is None:
            continue
        kind = field[0]
        code = _CODES[kind]
        if code == _TRUE:
            code = _TRUE if item else _FALSE
        step, last = number - last, number
        if 0 < step <= _SHORT:
            out.append(step << 4 | code)
        else:
            out.append(code)
            write_varint(out, number << 1)
        if _I16 <= code <= _I64:
            if type(item) is Place:
                places.append(len(out))
            write_varint(out, _zigzag(item))
        elif code > _FALSE:
            _write_value(out, field, item, places)
    out.append(0)


def _write_value(out: bytearray, field: Any, item: Any, places: list[int]) -> None:
    code = _CODES[field[0]]
    if code == _BINARY:
        encoded = item.encode() if isinstance(item, str) else item
        write_varint(out, len(encoded))
        out += encoded
    elif code == _STRUCT:
        _write(out, item, places)
    elif code == _LIST:
        _write_list(out, field[2], item, places)
    elif code == _DOUBLE:
        out += _DOUBLES.pack(item)
    else:
        out += item.to_bytes(1, "little", signed=True)


def _write_list(out: bytearray, member: Any, items: list[Any], places: list[int]) -> None:
    field = (member[0], "", member[1]) if isinstance(member, tuple) else (member, "", None)
    code = _CODES[field[0]]
    if len(items) < _SHORT:
        out.append(len(items) << 4 | code)
    else:
        out.append(_SHORT << 4 | code)
        write_varint(out, len(items))
    for item in items:
        if code == _TRUE:
            out.append(_TRUE if item else _FALSE)
        elif _I16 <= code <= _I64:
            if type(item) is Place:
                places.append(len(out))
            write_varint(out, _zigzag(item))
        else:
            _write_value(out, field, item, places)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def write_varint(out: bytearray, value: int) -> None:
    """Add a number without a sign to `out`."""
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    out.append(value)
