"""What a setting can be: each is documented, and none takes what makes no sense."""

from __future__ import annotations

from traitlets import Float, Integer, List, Unicode


def amount(default: float, about: str, *, least: float = 0.0) -> Float[float, int | float]:
    """Make a setting of seconds, days or bytes a second.

    Parameters
    ----------
    about
        What ``jupyter server --help-all`` says.
    """
    return Float(default, min=least, help=about).tag(config=True)


def count(
    default: int, about: str, *, least: int = 0, most: int | None = None
) -> Integer[int, int]:
    """Make a setting that is a whole number."""
    return Integer(default, min=least, max=most, help=about).tag(config=True)


def text(about: str) -> Unicode[str, str | bytes]:
    """Make a setting that is a text, and empty where nobody sets it."""
    return Unicode("", help=about).tag(config=True)


def folders(about: str) -> List[str]:
    """Make a setting that is a list of folders."""
    return List(Unicode(), help=about).tag(config=True)
