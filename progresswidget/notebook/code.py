"""Code in Word, in the colours that Pygments gives its words, as JupyterLab has them in print."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.report import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLE: Final = "default"


def write(paragraph: Any, source: str, language: str) -> None:
    """Write code at the end of a paragraph.

    Parameters
    ----------
    paragraph
        The paragraph.
    source
        The code.
    language
        Its name as Pygments knows it; the code of another has no colours.
    """
    from docx.shared import RGBColor

    for (colour, bold, italic), words in groupby(_words(source, language), lambda word: word[0]):
        run = paragraph.add_run(tidy("".join(text for _, text in words)))
        if colour:
            run.font.color.rgb = RGBColor.from_string(colour.upper())
        if bold:
            run.font.bold = True
        if italic:
            run.font.italic = True


def _words(source: str, language: str) -> Iterator[tuple[tuple[str, bool, bool], str]]:
    from pygments.lexers import get_lexer_by_name
    from pygments.styles import get_style_by_name
    from pygments.util import ClassNotFound

    try:
        lexer: Any = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        yield ("", False, False), source
        return
    style: Any = get_style_by_name(STYLE)
    for kind, text in lexer.get_tokens(source):
        look = style.style_for_token(kind)
        # White space has a colour, too, and would end a run.
        yield (look["color"] if text.strip() else "", look["bold"], look["italic"]), text
