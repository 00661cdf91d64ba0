"""One dictionary for each column of a file, although every batch brings its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.errors import ColumnError
from progresswidget.export.writers.storable import decoded, rebuilt

if TYPE_CHECKING:
    import pyarrow as pa


def file_type(kind: pa.DataType) -> pa.DataType:
    """Return a type whose only dictionary, if there is one, is of the column itself.

    Its indices are widened to 32 bits, because nobody knows beforehand how far it will grow.
    Values that cannot be looked up are written in the place of their indices.
    """
    import pyarrow as pa

    if not pa.types.is_dictionary(kind):
        return rebuilt(kind, decoded)
    if not _can_look_up(kind.value_type):
        return decoded(kind.value_type)
    narrow = kind.index_type.bit_width < pa.int32().bit_width
    index = pa.int32() if narrow else kind.index_type
    return pa.dictionary(index, kind.value_type, kind.ordered)


def _can_look_up(kind: pa.DataType) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.index_in(pa.nulls(0, kind), value_set=pa.nulls(0, kind))
    except (pa.ArrowException, TypeError):
        return False
    return True


class Growing:
    """The dictionary of one column.

    Parameters
    ----------
    field
        The column, of a dictionary type.
    """

    def __init__(self, field: pa.Field) -> None:
        import pyarrow as pa

        self._field = field
        self.values: pa.Array = pa.nulls(0, field.type.value_type)
        self._last: pa.Array | None = None
        self._places: pa.Array | None = None

    def indices(self, array: pa.DictionaryArray) -> pa.Array:
        """Return the places of the values of `array`, which it adds where they are new.

        Raises
        ------
        ColumnError
            If new values would have to be put between those of an ordered dictionary.
        """
        index = self._field.type.index_type
        if self._last is None:
            self.values = self._last = array.dictionary
        elif not array.dictionary.equals(self._last):
            self._places = self._look_up(array.dictionary)
            self._last = array.dictionary
        found = array.indices
        if self._places is not None:
            found = self._places.take(found)
        return found if found.type == index else found.cast(index)

    def _look_up(self, values: pa.Array) -> pa.Array | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        new = values.filter(pc.is_null(pc.index_in(values, value_set=self.values)))
        if len(new) and self._field.type.ordered and len(self.values):
            raise ColumnError(
                f"The column {self._field.name!r} has ordered categories that differ between"
                " parts of the frame, and a file holds one order.",
                "Give all parts the same categories, or cast the column to text.",
            )
        if len(new):
            self.values = pa.concat_arrays([self.values, new.unique()])
        return pc.index_in(values, value_set=self.values)
