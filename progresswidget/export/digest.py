"""The digest of a unit's data: equal rows give equal digests, however they are laid out in memory.

A resumed export reads its source again and compares digests instead of encoding, so this has to be
many times faster than any writer: XXH3-128 (https://xxhash.com), which runs at memory speed. It
tells accidents apart, not attacks, and nothing here has an attacker: who can write the journal
can write the file too.

What the same rows may differ in is kept out of it: the cuts between batches, offsets into shared
buffers, the order of a dictionary. What lies below a missing number or a missing text is not kept
out: a difference there only means that a unit is written once more.

Texts in views are gathered once, unless all of them are short: their bytes lie anywhere. Writers
that gather them anyway do it before, see `Writer.settle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import literals, memory
from progresswidget.export.size import VIEW, view_lengths
from progresswidget.export.workers import give_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa


VERSION: Final = 3
"""Raised when the same rows get another digest, so that no older journal is gone on with."""
WORDS: Final = 65_536
"""Entries of a dictionary up to which each is hashed for itself."""
INLINE: Final = 12
"""Bytes that fit a view (Arrow's Columnar.rst, "Variable-size Binary View Layout")."""
NO_TEXT: Final = 2
"""Buffers of views that refer to none: which are missing, and themselves."""
FIRST: Final = 1_024
"""Views that are looked at first."""


def chain(before: bytes, digest: bytes) -> bytes:
    """Return the digest of all units up to one, from that of those before and its own."""
    import xxhash

    return bytes(xxhash.xxh3_128_digest(before + digest))


def bytes_digest(pieces: Iterable[Any]) -> bytes:
    """Return the digest of bytes, wherever they are cut."""
    import xxhash

    state = xxhash.xxh3_128()
    for piece in pieces:
        state.update(piece)
    return bytes(state.digest())


def rows_digest(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Return the digest of rows, wherever they are cut into batches of the same schema."""
    return begin_rows_digest(batches)()


def begin_rows_digest(
    batches: Sequence[pa.RecordBatch], again: Callable[[], Sequence[pa.RecordBatch]] | None = None
) -> Callable[[], bytes]:
    """Take in what somebody may change, and return what takes in the rest and tells the digest.

    Arrow and polars share the memory of an array of numpy, which its owner may write to while they
    hold it. No texts lie in one as they have them: those are copies, and nobody changes them.

    Parameters
    ----------
    batches
        The rows.
    again
        Makes them once more, where they are not to be held until then.
    """
    columns = range(batches[0].num_columns)
    rows = sum(batch.num_rows for batch in batches)
    texts = {place for place, kind in enumerate(batches[0].schema.types) if _is_text(kind)}
    taken = {place: _of_column(batches, place) for place in columns if place not in texts}
    make = again or (lambda: batches)

    def rest() -> bytes:
        import xxhash

        left = make()
        whole = xxhash.xxh3_128()
        whole.update(rows.to_bytes(8, "little"))
        for place in columns:
            whole.update(_of_column(left, place) if place in texts else taken[place])
        return bytes(whole.digest())

    return rest


def has_texts(schema: pa.Schema) -> bool:
    """Say whether anything of such rows can be taken in later, see `begin_rows_digest`."""
    return any(_is_text(kind) for kind in schema.types)


def keeps_texts(given: pa.Schema, settled: pa.Schema) -> bool:
    """Say whether all columns of texts were some before: nobody changes what they are made of."""
    kinds = zip(given.types, settled.types, strict=True)
    return all(_is_text(before) for before, after in kinds if _is_text(after))


def _of_column(batches: Sequence[pa.RecordBatch], place: int) -> bytes:
    column = _Column()
    for batch in batches:
        give_way()
        column.update(batch.column(place))
    return column.digest()


class _Column:
    """Three streams of one column: which values are missing, how long they are, and the values."""

    def __init__(self) -> None:
        import xxhash

        self._lengths, self._values = xxhash.xxh3_128(), xxhash.xxh3_128()
        self._valid: list[pa.Array] = []
        self._missing = 0
        self._views: list[pa.Array] = []
        self._children: list[_Column] = []

    def digest(self) -> bytes:
        self._end_views()
        own = self._validity() + self._lengths.digest() + self._values.digest()
        return bytes(own + b"".join(child.digest() for child in self._children))

    def _validity(self) -> bytes:
        import pyarrow as pa

        if not self._missing:
            return bytes(16)
        # Joined, the bits begin at a byte wherever the batches were cut.
        return bytes_digest([pa.concat_arrays(self._valid).buffers()[1]])

    def update(self, array: pa.Array) -> None:
        import pyarrow as pa

        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            array, kind = array.storage, kind.storage_type
        self._missing += array.null_count
        self._valid.append(array.is_valid())
        self._update_values(array, kind)

    def _update_values(self, array: pa.Array, kind: pa.DataType) -> None:
        import pyarrow as pa

        if pa.types.is_null(kind):
            return
        if pa.types.is_nested(kind):
            self._nested(array, kind)
        elif pa.types.is_boolean(kind):
            self._values.update(_booleans(array))
        elif _is_fixed(kind):
            self._fixed(array, kind.bit_width)
        elif pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            self._views += [array] if len(array) else []
        elif _is_text(kind):
            self._text(array)
        elif pa.types.is_dictionary(kind) and _is_text(kind.value_type):
            self._dictionary(array)
        elif pa.types.is_dictionary(kind) and pa.types.is_temporal(kind.value_type):
            self._update_values(_filled(array.dictionary_decode()), kind.value_type)
        else:
            self._serialised(array)

    def _nested(self, array: pa.Array, kind: pa.DataType) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_struct(kind):
            for place, child in enumerate(array.flatten()):
                self._child(place).update(child)
        elif any(_holds_extension(each) for each in _types_inside(kind)):
            self._serialised(array)  # pyarrow leaves none of these out below a missing list
        elif pa.types.is_run_end_encoded(kind) and pa.types.is_temporal(kind.value_type):
            decoded = pc.run_end_decode(array)
            self._missing += decoded.null_count  # which the ends of runs do not tell
            self._update_values(_filled(decoded), decoded.type)
        elif pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind):
            self._serialised(array)
        else:
            if pa.types.is_map(kind):
                pairs = pa.struct([kind.key_field, kind.item_field])
                array = array.cast(pa.list_(pairs), memory_pool=memory.pool())
            self._numbers(_zeroed(pc.list_value_length(array)))
            self._child(0).update(array.flatten())

    def _child(self, place: int) -> _Column:
        while len(self._children) <= place:
            self._children.append(_Column())
        return self._children[place]

    def _fixed(self, array: pa.Array, bits: int) -> None:
        width = bits // 8
        start = array.offset * width
        self._values.update(memoryview(array.buffers()[1])[start : start + len(array) * width])

    def _numbers(self, lengths: pa.Array) -> None:
        width = lengths.type.bit_width // 8
        start = lengths.offset * width
        self._lengths.update(memoryview(lengths.buffers()[1])[start : start + len(lengths) * width])

    def _text(self, array: pa.Array) -> None:
        import numpy as np
        import pyarrow as pa

        if not len(array):
            return
        wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
        kind = np.dtype(np.int64 if wide else np.int32)
        _, ends, data = array.buffers()
        offsets = np.frombuffer(ends, kind, len(array) + 1, array.offset * kind.itemsize)
        self._lengths.update(np.diff(offsets).data)
        if data is not None:
            self._values.update(memoryview(data)[offsets[0] : offsets[-1]])

    def _dictionary(self, array: pa.Array) -> None:
        if len(array.dictionary) > WORDS:
            self._update_values(array.dictionary_decode(), array.type.value_type)
        else:
            self._values.update(_hashes(array))

    def _end_views(self) -> None:
        import pyarrow as pa

        # Known only now, and not by batch: the cuts must not decide how a value is taken in.
        inline = all(_is_inline(array) for array in self._views)
        for array in self._views:
            if inline:
                self._fixed(array, VIEW * 8)  # short texts are in the views themselves
            else:
                binary = pa.types.is_binary_view(array.type)
                kind = pa.large_binary() if binary else pa.large_string()
                self._text(array.cast(kind, memory_pool=memory.pool()))

    def _serialised(self, array: pa.Array) -> None:
        """Take in rare types by their values in Python's own form, which has no layout."""
        import pyarrow as pa

        try:
            values = array.to_pylist()
        # Python's dicts cannot hold the fields of one name, nor its numbers every moment.
        except (ValueError, OverflowError):
            batch = pa.RecordBatch.from_arrays([array], names=["a"])
            self._values.update(batch.serialize())
            return
        for value in values:
            self._values.update(repr(value).encode("utf-8", "backslashreplace"))


def _is_fixed(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_primitive(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind)
    )


def _holds_extension(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return any(
        isinstance(each, pa.BaseExtensionType) or _holds_extension(each)
        for each in _types_inside(kind)
    )


def _types_inside(kind: pa.DataType) -> list[pa.DataType]:
    import pyarrow as pa

    if not pa.types.is_nested(kind) or pa.types.is_union(kind):
        return []
    if pa.types.is_struct(kind):
        return [field.type for field in kind]
    if pa.types.is_map(kind):
        return [kind.key_type, kind.item_type]
    return [kind.value_type]


def _is_inline(array: pa.Array) -> bool:
    """Say whether all views hold their text; what lies below a missing value counts too."""
    if len(array.buffers()) == NO_TEXT:
        return True
    # Most columns of longer texts show it at their beginning; to look at all views costs as much
    # as to hash them, for it is then that they come out of memory.
    lengths = view_lengths(array)
    return all(int(part.max(initial=0)) <= INLINE for part in (lengths[:FIRST], lengths[FIRST:]))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return any(
        check(kind)
        for check in (
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_binary,
            types.is_large_binary,
            types.is_binary_view,
        )
    )


def _zeroed(array: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.fill_null(array, literals.zero(array.type)) if array.null_count else array


def _booleans(array: pa.Array) -> Any:
    """Return a byte for each boolean, 0 where it is missing: by numpy, in a fifth of the time."""
    import numpy as np

    if not len(array):
        return b""
    ahead = array.offset % 8
    begin, end = array.offset // 8, -(-(array.offset + len(array)) // 8)
    valid, bits = array.buffers()
    values = np.frombuffer(bits, np.uint8)[begin:end]
    if array.null_count:
        values = values & np.frombuffer(valid, np.uint8)[begin:end]
    return np.unpackbits(values, bitorder="little")[ahead : ahead + len(array)]


def _filled(array: pa.Array) -> pa.Array:
    """Return what was decoded, without the memory below missing values, where anything may lie."""
    return _zeroed(array) if _is_fixed(array.type) else array


def _hashes(array: pa.Array) -> Any:
    """Return a hash for each row of a dictionary array, whatever the order of its dictionary."""
    words = array.dictionary.to_pylist()
    table = literals.numbers(0 if word is None else _word(word) for word in words)
    return _zeroed(table.take(array.indices)).buffers()[1]


def _word(word: str | bytes) -> int:
    import xxhash

    data = word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word
    return int(xxhash.xxh3_64_intdigest(data))
