"""What an earlier run has left, compared unit by unit with what is to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.export.digest import chain
from progresswidget.export.resume import Damaged, Verification
from progresswidget.export.units import Comparing

if TYPE_CHECKING:
    from progresswidget.export.journal import Record
    from progresswidget.export.resume import Earlier
    from progresswidget.export.standing import Standing
    from progresswidget.export.units import Unit


class Comparison:
    """As long as it is on, all that is to be written is in the earlier file.

    Parameters
    ----------
    earlier
        What an earlier run has left. Units that nothing can be gone on behind are cut off.
    standing
        Says which these are.

    Attributes
    ----------
    state
        Whether it is on, for those who encode.
    chain
        The digest chain of the data up to the last unit that was found.
    """

    def __init__(self, earlier: Earlier, standing: Standing) -> None:
        earlier.cut(standing.units(earlier.records))
        self.earlier = earlier
        self.state = Comparing(on=bool(earlier.records))
        self.chain = bytes(16)
        self._verification: Verification | None = None

    @property
    def on(self) -> bool:
        """Whether no unit was missing yet."""
        return self.state.on

    def begin(self, *, once: bool) -> None:
        """Begin to look whether the bytes of a part are what its journal says.

        Parameters
        ----------
        once
            Whether something can be read only once, so that it must be known before.

        Raises
        ------
        Damaged
            If they are not.
        """
        earlier = self.earlier
        if self.on and not earlier.finished and earlier.path is not None:
            self._verification = Verification(earlier.path, earlier.records)
            if once:
                self.check(len(earlier.records))

    def check(self, units: int) -> None:
        """Make sure that the bytes of the first units are what the journal says.

        Raises
        ------
        Damaged
            If they are not.
        """
        good = units if self._verification is None else self._verification.good()
        if good < units:
            raise Damaged(good)

    def find(self, unit: Unit, section: int, place: int, position: int) -> Record | None:
        """Return what is known of a unit if it is in the file already, or else None.

        Parameters
        ----------
        section
            The index of its section.
        place, position
            The units and the bytes that are before it.
        """
        if place >= len(self.earlier.records):
            return None
        # With the same prefix that a ledger gives, which takes the chain over from here on.
        data = chain(self.chain, section.to_bytes(4, "little") + unit.digest)
        known = self.earlier.records[place]
        same = (known.section, known.rows, known.offset, known.data) == (
            section,
            unit.rows,
            position,
            data,
        )
        if not same:
            return None
        self.chain = data
        return known

    def end(self) -> None:
        """End it: from here on all is written."""
        self.state.on = False
