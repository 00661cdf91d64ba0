"""What a person has chosen in the dialog, and the call that does the same. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

from progresswidget.errors import OptionError


@dataclass(frozen=True, slots=True)
class Wish:
    """One choice.

    Parameters
    ----------
    path
        The file.
    format
        The name of the format, as ``format=`` takes it.
    columns
        The names of the columns; None is all.
    where
        SQL; empty is all rows.
    options
        Of the format, where they differ from what is usual.
    overwrite
        Whether a file that is there may be replaced.
    """

    path: str
    format: str
    columns: tuple[str, ...] | None = None
    where: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what the front end sent.

        Raises
        ------
        OptionError
            If it is no choice.
        """
        try:
            given: dict[str, Any] = dict(value)  # type: ignore[call-overload]
            columns = given.get("columns")
            return cls(
                str(given["path"]),
                str(given["format"]),
                None if columns is None else tuple(map(str, columns)),
                str(given.get("where") or ""),
                dict(given.get("options") or {}),
                bool(given.get("overwrite")),
            )
        except (KeyError, TypeError, ValueError):
            raise OptionError("The dialog sent something else than a choice.") from None

    def call(self, frame: str, usual: str | None) -> str:
        """Return the code of the call.

        Parameters
        ----------
        frame
            What the frame is called.
        usual
            The format that the path tells by itself.
        """
        parts = [frame, _literal(self.path)]
        if self.format != usual:
            parts.append(f"format={_literal(self.format)}")
        if self.columns is not None:
            parts.append(f"columns={_literal(list(self.columns))}")
        if self.where:
            parts.append(f"where={_literal(self.where)}")
        parts += [f"{name}={_literal(value)}" for name, value in self.options.items()]
        line = f"pw.export({', '.join(parts)})"
        if len(line) <= _WIDTH:
            return line
        return "pw.export(\n" + "".join(f"    {part},\n" for part in parts) + ")"


_WIDTH = 79


def _literal(value: object) -> str:
    # As people write texts in Python: in double quotes, and readable.
    if isinstance(value, str) and value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)
