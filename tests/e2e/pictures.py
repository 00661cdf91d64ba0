"""Compare a picture of the page with the one that is kept, as a person would: by what is where.

Another build of the browser, another font or other smoothing moves edges by a pixel or two and
changes their shade; a missing icon, a bar of another length or a wrong colour does more. So both
pictures are made smaller and blurred, and each point of one must lie between the darkest and the
brightest that the other has nearby, in every colour; and the other way round.

`PROGRESSWIDGET_PICTURES=renew` keeps what is seen instead (`make pictures`): look at it, then
commit it.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from page_objects import SCREENSHOTS
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from playwright.sync_api import Locator, Page

PICTURES: Final = Path(__file__).parent.parent / "data" / "pictures"
VARIABLE: Final = "PROGRESSWIDGET_PICTURES"
SHRINK: Final = 2
"""How many points of the page one of a kept picture is wide."""
BLUR: Final = 1.4
"""Radius, in points of a kept picture, in which sharp edges are spread."""
NEAR: Final = (2, 4)
"""How far something may have moved down and along, in points of a kept picture: the letters of
another font add up along a line."""
TOLERANCE: Final = 22
"""How far a colour may be off, of 255."""
SMALLEST: Final = 8
"""Points of a kept picture that must be off together; fewer are the edge of a letter."""
STRETCH: Final = 0.03
"""How much larger or smaller the whole may be: lines that a font wraps elsewhere."""
COLOURS: Final = 256
"""Of a kept picture, which makes it a third of the size; none of them is off by more than a few of
255, since also those that are rare are chosen."""


SETTLE: Final = """() => {
  for (const motion of document.getAnimations()) {
    // What has an end is there, and what goes round for ever has not begun.
    try { motion.finish(); } catch { motion.cancel(); }
  }
}"""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it was.

    Parameters
    ----------
    about
        What is wrong, in words.
    where
        Left, top, right and bottom of what is off, in points of the page.
    """

    about: str
    where: tuple[int, int, int, int]


def small(picture: Image.Image) -> Image.Image:
    """Return a picture as it is kept."""
    size = (max(1, picture.width // SHRINK), max(1, picture.height // SHRINK))
    return picture.convert("RGB").resize(size, Image.Resampling.BOX)


def differences(seen: Image.Image, kept: Image.Image) -> list[Difference]:
    """Return what differs between a picture of now and one that was kept.

    Parameters
    ----------
    seen
        As the browser took it.
    kept
        As `small` made it of an earlier one.
    """
    now, before = small(seen), kept.convert("RGB")
    for is_, was in zip(now.size, before.size, strict=True):
        if abs(is_ - was) > max(2, STRETCH * was):
            about = f"the size is {now.size}, and was {before.size}, in halves of points"
            return [Difference(about, (0, 0, *seen.size))]
    now = now.resize(before.size, Image.Resampling.BILINEAR) if now.size != before.size else now
    off = np.maximum(_outside(now, before), _outside(before, now))
    return [
        Difference(f"{count} points are off by up to {most} of 255", where)
        for count, most, where in _patches(off)
        if count >= SMALLEST
    ]


def _outside(one: Image.Image, other: Image.Image) -> NDArray[np.int16]:
    """Return by how much each point of `one` is beyond what `other` has nearby."""
    points, around = (
        np.asarray(each.filter(ImageFilter.GaussianBlur(BLUR)), dtype=np.int16)
        for each in (one, other)
    )
    low, high = _nearby(around, np.min), _nearby(around, np.max)
    off: NDArray[np.int16] = np.maximum(np.maximum(points - high, low - points), 0).max(axis=2)
    return off


def _nearby(points: NDArray[np.int16], pick: Callable[..., NDArray[np.int16]]) -> Any:
    """Return of each point what `pick` takes of those around it."""
    for axis, near in enumerate(NEAR):
        around = [(near, near) if each == axis else (0, 0) for each in range(points.ndim)]
        edges = np.pad(points, around, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(edges, 2 * near + 1, axis=axis)
        points = pick(windows, axis=-1)
    return points


def _patches(off: NDArray[np.int16]) -> list[tuple[int, int, tuple[int, int, int, int]]]:
    """Return size, worst value and place of each patch of points that are off."""
    left = {(int(y), int(x)) for y, x in np.argwhere(off > TOLERANCE)}
    found = []
    while left:
        todo, patch = [left.pop()], []
        while todo:
            y, x = todo.pop()
            patch.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo.extend(near)
        rows, columns = zip(*patch, strict=True)
        most = max(int(off[point]) for point in patch)
        box = (min(columns), min(rows), max(columns) + 1, max(rows) + 1)
        found.append((len(patch), most, tuple(SHRINK * edge for edge in box)))
    return found  # type: ignore[return-value]


def take(place: Page | Locator, without: Sequence[str] = ()) -> Image.Image:
    """Take a picture in which nothing moves and no caret blinks.

    Parameters
    ----------
    without
        Selectors of what is another each time, such as a time of day: its place stays empty.
    """
    is_page = hasattr(place, "goto")
    (place if is_page else place.page).evaluate(SETTLE)
    whole = {"full_page": True} if is_page else {}
    hidden = "".join(f"{each} {{ visibility: hidden !important }}" for each in without)
    data = place.screenshot(animations="disabled", caret="hide", style=hidden, **whole)
    return Image.open(io.BytesIO(data)).convert("RGB")


def expect_picture(place: Page | Locator, name: str, without: Sequence[str] = ()) -> None:
    """Take a picture and compare it with the kept one, or keep it where that is asked for.

    Parameters
    ----------
    place
        The page, or the part of it that is looked at.
    name
        Of the kept picture, without its ending.
    without
        As of `take`.

    Raises
    ------
    AssertionError
        If they differ; the picture, and one with what is off in red, are left in `.screenshots`.
    """
    seen, path = take(place, without), PICTURES / f"{name}.png"
    if os.environ.get(VARIABLE) == "renew":
        PICTURES.mkdir(parents=True, exist_ok=True)
        few = small(seen).quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        return
    assert path.exists(), f"no picture is kept of {name}: make pictures"
    found = differences(seen, Image.open(path))
    if found:
        _leave(seen, name, found)
    assert found == [], f"{name} does not look as it did; see {SCREENSHOTS.name}/{name}-off.png"


def _leave(seen: Image.Image, name: str, found: list[Difference]) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    seen.save(SCREENSHOTS / f"{name}.png")
    marked = seen.copy()
    for each in found:
        left, top, right, bottom = each.where
        frame = (max(0, left - 3), max(0, top - 3), right + 3, bottom + 3)
        red = Image.new("RGB", (frame[2] - frame[0], frame[3] - frame[1]), "red")
        inside = marked.crop(frame)
        marked.paste(Image.blend(inside, red, 0.4), frame[:2])
    marked.save(SCREENSHOTS / f"{name}-off.png")
