"""Lines that are no mere row of letters: from right to left, of joined letters, with marks on them.

In which order the parts of a line stand is told by python-bidi (Unicode Standard Annex #9), which
forms letters take beside each other and where marks go by the font, as HarfBuzz reads it (OpenType
1.9, GSUB and GPOS). Both come with the extra ``pdf``; where one is missing, letters are set one
after another, left to right. So are those of the fonts that PDF readers have themselves.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from progresswidget.export.fonts import Typeface

LEFT_TO_RIGHT: Final = "\u200e"
RIGHT_TO_LEFT: Final = "\u200f"
"""Marks that nobody sees, and that set the direction of a line which they begin (UAX #9, 2.6)."""

_STRONG: Final = frozenset({"L", "R", "AL"})
_DIRECTIONS: Final = re.compile(f"[{LEFT_TO_RIGHT}{RIGHT_TO_LEFT}]")
_MARKS: Final = "\u0300-\u036f\u1dc0-\u1dff\u20d0-\u20ff"
# India's scripts, Thai, Tibetan, Myanmar; Khmer, Mongolian; those of Indonesia and of South Asia.
_JOINED: Final = "\u0900-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\uabff\U00011000-\U00011fff"
# Hebrew, Arabic and their neighbours, and the forms of their letters.
_RIGHT: Final = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_COMPLEX: Final = re.compile(f"[{_MARKS}{_JOINED}{_RIGHT}]")
_JOINERS: Final = "\u200c\u200d"
# Words of a joined script, one letter with its marks, marks without a letter, and all else.
_PARTS: Final = re.compile(
    f"[{_JOINED}][{_JOINED}{_MARKS}{_JOINERS}]*|[^{_JOINED}{_MARKS}]?[{_MARKS}]+"
    f"|(?:[^{_JOINED}{_MARKS}](?![{_MARKS}]))+"
)
# It is put behind brackets and the like, and stays with them as a mark does: in front of it they
# stand afterwards where they are to be mirrored. No sequence has this selector of a variation.
_FOLLOWER: Final = "\U000e01ef"
NEGLIGIBLE: Final = 1e-5
# reportlab counts in characters: those that a glyph without one can be called by.
_PRIVATE: Final = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Letters that stand beside each other as wide as they are.

    Parameters
    ----------
    font
        Its name for reportlab.
    text
        What reportlab is given.
    x, y
        Where they begin, from the beginning of the line, at size 1.
    """

    font: str
    text: str
    x: float
    y: float


class _Letter(NamedTuple):
    font: str
    text: str
    place: int  # of what it stands for in what was set
    advance: float
    x: float = 0.0
    y: float = 0.0
    natural: bool = True  # whether reportlab would put it and what follows there


def is_needed(text: str) -> bool:
    """Say whether a line is more than a row of letters, and can be set as it should be."""
    return not text.isascii() and _COMPLEX.search(text) is not None and _is_possible()


def is_from_the_right(text: str) -> bool:
    """Say whether a line runs from the right: its first letter decides (UAX #9, P2 and P3)."""
    if text.isascii():
        return False
    sides = map(unicodedata.bidirectional, text)
    return next((side for side in sides if side in _STRONG), "L") != "L"


def keep_direction(lines: list[str], text: str) -> list[str]:
    """Return the lines of a text so that each runs as the whole does."""
    if not is_needed(text):
        return lines
    whole = is_from_the_right(text)
    mark = RIGHT_TO_LEFT if whole else LEFT_TO_RIGHT
    return [line if is_from_the_right(line) == whole else mark + line for line in lines]


def advances(text: str, typeface: Typeface) -> list[float]:
    """Return how much each character adds to the width of a line, at size 1."""
    found = [0.0] * len(text)
    begin = 0
    for part, right in _cut(text, _words().logical):
        for letter in _set(part, typeface, right=right):
            found[begin + letter.place] += letter.advance
        begin += len(part)
    return found


def glyphs(text: str, typeface: Typeface) -> Iterator[Glyphs]:
    """Set a line; yield what is printed from left to right."""
    run: list[_Letter] = []
    begin = pen = 0.0
    for part, right in _cut(_displayed(text), _words().visual):
        logical = (part[::-1] if right else part).replace(_FOLLOWER, "")
        for letter in _set(logical, typeface, right=right):
            if run and not (run[-1].natural and letter.natural and run[-1].font == letter.font):
                yield _together(run, begin)
                run = []
            if not run:
                begin = pen
            run.append(letter)
            pen += letter.advance
    if run:
        yield _together(run, begin)


def _together(run: list[_Letter], begin: float) -> Glyphs:
    first = run[0]
    return Glyphs(first.font, "".join(each.text for each in run), begin + first.x, first.y)


def _displayed(text: str) -> str:
    """Return what a line shows from left to right, with the follower before what is mirrored."""
    from bidi import get_display

    words = _words()
    marked = words.mirrored.sub(rf"\g<0>{_FOLLOWER}", text.replace(_FOLLOWER, ""))
    shown: Any = get_display(marked, base_dir="R" if is_from_the_right(text) else "L")
    return words.followed.sub(r"\1\2", _DIRECTIONS.sub("", shown))


def _cut(text: str, words: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    """Cut a line where its direction changes; yield parts, and whether they run from the right."""
    end = 0
    for found in words.finditer(text):
        if found.start() > end:
            yield text[end : found.start()], False
        yield found[0], True
        end = found.end()
    if end < len(text):
        yield text[end:], False


@lru_cache(maxsize=20_000)
def _set(text: str, typeface: Typeface, *, right: bool) -> tuple[_Letter, ...]:
    """Return the letters of what runs in one direction, from left to right."""
    runs: list[list[_Letter]] = []
    begin = 0
    for part in [text] if right else _PARTS.findall(text):
        is_plain = not right and _COMPLEX.search(part) is None
        for font, run in _in_fonts(part, typeface):
            shaped = None if is_plain else _shaped(font, run, right=right)
            letters = _row(run, typeface) if shaped is None else shaped
            runs.append([letter._replace(place=begin + letter.place) for letter in letters])
            begin += len(run)
    return tuple(letter for run in (reversed(runs) if right else runs) for letter in run)


def _in_fonts(text: str, typeface: Typeface) -> Iterator[tuple[str, str]]:
    """Cut a text where its font changes; yield the fonts and texts."""
    font, run = "", ""
    for character in text:
        own, shown, _ = typeface.glyph(character)
        if run and own != font and shown:  # what only guides others stays with them
            yield font, run
            run = ""
        if not run:
            font = own
        run += shown or character
    if run:
        yield font, run


def _row(text: str, typeface: Typeface) -> list[_Letter]:
    found = [typeface.glyph(character) for character in text]
    return [_Letter(font, shown, at, wide) for at, (font, shown, wide) in enumerate(found)]


def _shaped(name: str, text: str, *, right: bool) -> tuple[_Letter, ...] | None:
    """Return the letters of a text in one font from left to right; None if no file has the font."""
    import uharfbuzz
    from reportlab.pdfbase.pdfmetrics import getFont

    face: Any = getattr(getFont(name), "face", None)
    if not hasattr(face, "charToGlyph"):
        return None
    buffer: Any = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if right else "ltr"
    buffer.flags = uharfbuzz.BufferFlags.REMOVE_DEFAULT_IGNORABLES
    uharfbuzz.shape(_outlines(face.filename), buffer)
    characters = _characters(name)
    letters = []
    for glyph, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        code = characters[glyph.codepoint]
        if code not in face.charToGlyph:
            face.charToGlyph[code] = glyph.codepoint
            face.charWidths[code] = place.x_advance * 1000 / face.unitsPerEm
        wide, x, y = (
            each / face.unitsPerEm for each in (place.x_advance, place.x_offset, place.y_offset)
        )
        natural = not x and not y and abs(wide - face.charWidths[code] / 1000) < NEGLIGIBLE
        letters.append(_Letter(name, chr(code), glyph.cluster, wide, x, y, natural))
    return tuple(letters)


@cache
def _outlines(file: str) -> Any:
    import uharfbuzz

    return uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(file)))


@cache
def _characters(name: str) -> dict[int, int]:
    """Return a character for each glyph of a font, the same in each document."""
    from reportlab.pdfbase.pdfmetrics import getFont

    face: Any = getFont(name).face
    known = {glyph: codes[0] for glyph, codes in face.glyphToChar.items()}
    others = (glyph for glyph in range(face.numGlyphs) if glyph not in known)
    private = (code for code in chain(*_PRIVATE) if code not in face.charToGlyph)
    return known | dict(zip(others, private, strict=False))


@cache
def _is_possible() -> bool:
    try:
        import uharfbuzz  # noqa: F401 - only whether it is there
        from bidi import get_display  # noqa: F401 - before 0.5 it was elsewhere
    except ImportError:
        return False
    return True


class _Words(NamedTuple):
    """What finds words that run from the right, in the order of reading and in that of the line."""

    logical: re.Pattern[str]
    visual: re.Pattern[str]
    mirrored: re.Pattern[str]
    followed: re.Pattern[str]


@cache
def _words() -> _Words:
    letters, marks, mirrored = [], [], []
    for character in map(chr, range(0x1F000)):
        side = unicodedata.bidirectional(character)
        if side in {"R", "AL"} and character != RIGHT_TO_LEFT:
            letters.append(character)
        elif side == "NSM" and _COMPLEX.match(character):
            marks.append(character)
        elif unicodedata.mirrored(character):
            mirrored.append(character)
    letter, mark, pair = _one_of(letters), _one_of([*marks, *_JOINERS]), _one_of(mirrored)
    return _Words(
        logical=re.compile(f"(?:{letter}{mark}*)+"),
        visual=re.compile(f"(?:{mark}*{letter}|{_FOLLOWER}.)+", re.DOTALL),
        mirrored=re.compile(pair),
        followed=re.compile(f"({_FOLLOWER}{pair})|({pair}){_FOLLOWER}"),
    )


def _one_of(characters: Iterable[str]) -> str:
    """Return the pattern for one of some characters: in ranges, which are found sooner."""
    ranges: list[list[int]] = []
    for code in map(ord, characters):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    pattern = "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in ranges)
    return f"[{pattern}]"
