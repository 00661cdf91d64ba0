"""How a loop was left early: nothing tells it, but the place in the bytecode where it let go."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from dis import opname
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

_PACKAGE: Final = __name__.partition(".")[0]
_LETS_GO: Final = "__del__"
"""What is called of ours because an iterator or a bar is let go of."""
_QUIET: Final = frozenset({"POP_TOP", "POP_ITER", "END_FOR", "SWAP", "RETURN_VALUE"})
"""Instructions of `break` and `return`, at which nothing is raised."""
_NAMES: Final = ("STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF")
"""How instructions begin that give the name of a bar to the next one; here, too, nothing is."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a loop was left, perhaps by an exception that is on its way.

    Parameters
    ----------
    code, at
        The code of the loop, and the byte of its instruction.
    """

    code: CodeType
    at: int

    def is_by(self, error: BaseException | None) -> bool:
        """Say whether an exception went through the loop at this place."""
        step = None if error is None else error.__traceback__
        while step is not None:
            if self._is_of(step):
                return True
            step = step.tb_next
        return False

    def cause(self) -> BaseException | bool:
        """Return the exception that goes through the loop just now.

        Nothing leads to it before it is caught, and so it is looked for among all that the
        collector of garbage knows, the newest first.

        Returns
        -------
        True where there is one that cannot be found (before Python 3.12), False where none is.
        """
        for generation in range(3):
            known = gc.get_objects(generation)
            errors: list[BaseException] = [
                each for each in known if issubclass(type(each), BaseException)
            ]
            for error in errors:
                if self.is_by(error):
                    return error
            if any(type(each) is TracebackType and self._is_of(each) for each in known):
                # Before Python 3.12 the two come together when it is caught.
                alone = [error for error in errors if error.__traceback__ is None]
                return alone[0] if len(alone) == 1 else True
        return False

    def _is_of(self, step: TracebackType) -> bool:
        return step.tb_frame.f_code is self.code and step.tb_lasti == self.at


def departure() -> Departure | None:
    """Return where the loop is left that the caller hears the end of.

    Returns
    -------
    None where it is left by `break` or `return`, has run to its end, or is closed by a call.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - CPython's own, and ours is no other
    let_go = False
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        let_go |= frame.f_code.co_name == _LETS_GO
        frame = frame.f_back
    if frame is None or not let_go or frame.f_lasti < 0:
        return None
    instruction = opname[frame.f_code.co_code[frame.f_lasti]]
    if instruction in _QUIET or instruction.startswith(_NAMES):
        return None
    return Departure(frame.f_code, frame.f_lasti)
