"""What a caller may set for a format or a source, and the check of what was set."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from progresswidget.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def require_flag(name: str, value: object, hint: str = "") -> None:
    """Refuse what is neither True nor False.

    Parameters
    ----------
    name
        What the caller gave it as.
    value
        What was given.
    hint
        What True does.

    Raises
    ------
    OptionError
        If it is neither; what else is taken for true in Python may well be a mistake.
    """
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, not {value!r}.", hint)


def _anything(value: object) -> str | None:  # noqa: ARG001 - the signature of every check
    return None


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Parameters
    ----------
    name
        The keyword under which callers give it.
    kinds
        The types its value may have; `bool` is not taken for an `int`.
    default
        The value if the caller gives none.
    summary
        One sentence for the documentation.
    choices
        The values it may have, where these are few.
    check
        Returns what is wrong with a value of the right type, or None.
    secret
        Whether the value must not be shown, and makes other bytes of the same data each time.
    """

    name: str
    kinds: tuple[type, ...]
    default: Any
    summary: str
    choices: tuple[str, ...] = ()
    check: Callable[[Any], str | None] = _anything
    secret: bool = False

    def refuse(self, value: object) -> str | None:
        """Return what is wrong with `value`, or None if it can be used."""
        if type(value) not in self.kinds:
            words = {type(None): "None", bool: "True or False"}
            expected = " or ".join(words.get(kind, kind.__name__) for kind in self.kinds)
            given = type(value).__name__
            if isinstance(value, str) and not self.secret:
                given = f"the text {value[:40]!r}"
            return f"must be {expected}, not {given}"
        if self.choices and value is not None and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}, not {value!r}"
        return self.check(value)


def resolve(known: Iterable[Option], given: Mapping[str, Any], *, owner: str) -> dict[str, Any]:
    """Return the value of every known option, checked.

    Parameters
    ----------
    known
        The options that exist here.
    given
        What the caller set.
    owner
        What the options belong to, for the message.

    Raises
    ------
    OptionError
        If an option is unknown or its value cannot be used.
    """
    table = {option.name: option for option in known}
    for name, value in given.items():
        if name not in table:
            near = get_close_matches(str(name), table, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(table))}."
            raise OptionError(f"{owner} has no option {name!r}.", hint)
        problem = table[name].refuse(value)
        if problem is not None:
            raise OptionError(f"The option {name} {problem}.", table[name].summary)
    return {name: given.get(name, option.default) for name, option in table.items()}


def shown(value: object) -> str:
    """Return a value as a person would write it, or its kind where it holds more than is shown."""
    plain = (bool, int, float, str, type(None))
    if isinstance(value, (list, tuple)) and all(isinstance(each, plain) for each in value):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, plain) else type(value).__name__
