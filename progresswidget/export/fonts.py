"""Fonts for PDF: one that is found on the machine, and for every character one that has it.

The PDF format brings fonts for Latin letters only, and reportlab embeds TrueType outlines. So the
first of these is used that is there, and its letters become part of the document:

1. a font of the list `FAMILIES`, as fontconfig knows it or in the usual folders,
2. DejaVu Sans, as matplotlib brings it,
3. Bitstream Vera, as reportlab brings it: Western European letters.

For what it lacks any other of the list that has it is asked, and then the Asian fonts that PDF
readers have themselves (Chinese, Japanese and Korean, of the character collections Adobe-GB1,
Adobe-Japan1 and Adobe-Korea1; ISO 32000-1 §9.7.5.2). Those are named in the document and not
embedded. They have the plain letters of Greek and Cyrillic too, and no accented Greek: on a machine
without any font file "Ελλάδα" loses its "ά". A character that no font has, such as an emoji, is
printed as a white square, □. `progresswidget.export.shaping` sets scripts that join letters or run
from the right.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import shaping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FAMILIES: Final = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("segoeui.ttf", "segoeuib.ttf"),
    ("arial.ttf", "arialbd.ttf"),
    ("Arial.ttf", "Arial Bold.ttf"),
    ("wqy-microhei.ttc", "wqy-microhei.ttc"),
    ("wqy-zenhei.ttc", "wqy-zenhei.ttc"),
    ("DroidSansFallbackFull.ttf", "DroidSansFallbackFull.ttf"),
    ("msyh.ttc", "msyhbd.ttc"),
    ("simsun.ttc", "simsun.ttc"),
    ("msgothic.ttc", "msgothic.ttc"),
    ("malgun.ttf", "malgunbd.ttf"),
    ("Arial Unicode.ttf", "Arial Unicode.ttf"),
)
"""Files of the regular and the bold face; the first that is there is the font of the text."""

FOLDERS: Final = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": (r"%WINDIR%\Fonts", r"%LOCALAPPDATA%\Microsoft\Windows\Fonts"),
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
}
READERS_OWN: Final = (
    ("STSong-Light", "gbk"),
    ("HeiseiMin-W3", "shift_jis"),
    ("HYSMyeongJo-Medium", "euc_kr"),
)
"""The Asian fonts, and a character set whose characters their collection holds."""

# Characters that reportlab writes as one number; ISO 32000-1 §9.10.3 wants two halves of UTF-16.
_BEYOND: Final = re.compile("<([0-9A-F]{5,6})>")
MISSING: Final = "□"
INVISIBLE: Final = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f\ufeff")
"""Characters that only guide the layout of others (Unicode, Default_Ignorable_Code_Point)."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font that reportlab knows.

    Parameters
    ----------
    name
        Its name there.
    glyphs
        The code points of an embedded font; of a reader's own None.
    codec
        The character set of a reader's own.
    """

    name: str
    glyphs: frozenset[int] | None
    codec: str = ""

    def has(self, character: str) -> bool:
        """Say whether the font can print a character."""
        if self.glyphs is not None:
            return ord(character) in self.glyphs
        try:
            character.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return ord(character) > 0x7F  # noqa: PLR2004 - ASCII is every other font's


@dataclass(slots=True, eq=False)
class Typeface:
    """A chain of faces, which together print everything.

    Parameters
    ----------
    faces
        In the order in which they are asked for a character.
    """

    faces: tuple[Face, ...]
    _known: dict[str, tuple[str, str, float]] = field(default_factory=dict)

    def glyph(self, character: str) -> tuple[str, str, float]:
        """Return what is printed for a character: the font, the text, and its width at size 1."""
        found = self._known.get(character)
        if found is None:
            found = self._known[character] = self._find(character)
        return found

    def width(self, text: str) -> float:
        """Return the width of a line at size 1."""
        return sum(self.advances(text))

    def advances(self, text: str) -> Iterable[float]:
        """Return how much each character adds to the width of a line, at size 1."""
        if shaping.is_needed(text):
            return shaping.advances(text, self)
        glyph = self.glyph
        return (glyph(character)[2] for character in text)

    def runs(self, text: str) -> Iterator[tuple[str, str]]:
        """Cut a row of letters where its font changes; yield the fonts and texts."""
        font, run = "", ""
        for character in text:
            own, shown, _ = self.glyph(character)
            if own != font and run:
                yield font, run
                run = ""
            font, run = own, run + shown
        if run:
            yield font, run

    def _find(self, character: str) -> tuple[str, str, float]:
        from reportlab.pdfbase.pdfmetrics import stringWidth

        for face in self.faces:
            if face.has(character):
                return face.name, character, float(stringWidth(character, face.name, 1))
        if character in INVISIBLE:
            return self.faces[0].name, "", 0.0
        return self.glyph(MISSING)


@cache
def typeface(*, bold: bool) -> Typeface:
    """Return the fonts of a text, registered with reportlab."""
    return chain(_files(), bold=bold)


def chain(files: Iterable[Path], *, bold: bool) -> Typeface:
    """Return the fonts of a text where these files can be embedded.

    Parameters
    ----------
    files
        Fonts that are there; those that `FAMILIES` does not name are left out.
    bold
        Whether the bold faces are wanted.
    """
    there = {path.name: path for path in files}
    embedded = []
    for regular, strong in FAMILIES:
        path = there.get(strong if bold else regular) or there.get(regular)
        face = _embed(path) if path is not None else None
        if face is not None:
            embedded.append(face)
    return Typeface((*embedded, _vera(bold=bold), *_readers_own()))


def _vera(*, bold: bool) -> Face:
    import reportlab

    folder = Path(reportlab.__file__).parent / "fonts"
    face = _embed(folder / ("VeraBd.ttf" if bold else "Vera.ttf"))
    if face is None:
        raise RuntimeError("reportlab has come without its own fonts")
    return face


@cache
def _embed(path: Path) -> Face | None:
    """Register a file; None if reportlab cannot embed it, as with PostScript outlines."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError

    name = f"progresswidget:{path}"  # reportlab's table of fonts is the whole process's
    try:
        font: Any = _kind()(name, str(path))
    except (TTFError, OSError):
        return None
    pdfmetrics.registerFont(font)
    return Face(name, frozenset(font.face.charToGlyph))


@cache
def _kind() -> Any:
    from reportlab.pdfbase.ttfonts import TTFont

    class Font(TTFont):  # type: ignore[misc]
        """A font of which emoji, too, can be searched and copied."""

        def addObjects(self, doc: Any) -> None:  # noqa: N802 - reportlab's
            super().addObjects(doc)
            for name, made in doc.idToObject.items():
                if name.startswith("toUnicodeCMap:"):
                    made.content = _BEYOND.sub(_in_utf_16, made.content)

    return Font


def _in_utf_16(code: re.Match[str]) -> str:
    return f"<{chr(int(code[1], 16)).encode('utf-16-be').hex().upper()}>"


@cache
def _readers_own() -> tuple[Face, ...]:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    for name, _ in READERS_OWN:
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return tuple(Face(name, None, codec) for name, codec in READERS_OWN)


def _files() -> list[Path]:
    wanted = {name for family in FAMILIES for name in family}
    folders = [Path(os.path.expandvars(each)).expanduser() for each in _folders()]
    found = [
        Path(folder) / name
        for each in folders
        for folder, _, names in os.walk(each)
        for name in sorted(wanted.intersection(names))
    ]
    # A later file of the same name wins in `chain`: what the system prefers comes last.
    return [*_matplotlib(), *found, *(path for path in _fontconfig() if path.name in wanted)]


def _folders() -> tuple[str, ...]:
    return FOLDERS.get(sys.platform, FOLDERS["linux"])


def _matplotlib() -> list[Path]:
    spec = find_spec("matplotlib")  # looked for and not imported, which takes a second
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf").glob("DejaVuSans*.ttf"))


def _fontconfig() -> list[Path]:
    program = shutil.which("fc-list")
    if program is None:
        return []
    try:
        listed = subprocess.run(  # noqa: S603 - a fixed command
            [program, "--format", "%{file}\n"], capture_output=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [Path(os.fsdecode(line)) for line in sorted(listed.stdout.splitlines()) if line]
