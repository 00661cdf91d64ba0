"""The states of the bar as kept in `tests/data/pictures`, and what the comparison finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gallery
import pytest
from pictures import PICTURES, differences, expect_picture, small, take

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.pictures]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery.build(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def shared_page(browser: Browser) -> Iterator[Page]:
    """One page for all, in a zone that is named, as the times that a bar shows are local ones."""
    context = browser.new_context(locale="en-US", timezone_id="Europe/Zurich")
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("what", "theme", "width"),
    [
        ("bar", gallery.LIGHT, 660),
        ("bar", gallery.LIGHT, 340),
        ("bar", gallery.LIGHT, 1600),
        ("bar", gallery.DARK, 660),
        ("bar", gallery.HIGH_CONTRAST, 660),
        ("groups", gallery.LIGHT, 660),
        ("groups", gallery.HIGH_CONTRAST, 340),
        # As wide as the file browser is at first, with the room around it.
        ("transfers", gallery.LIGHT, 274),
    ],
    ids=lambda value: str(value).removesuffix("-extension"),
)
def test_every_state_looks_as_it_did(
    shared_page: Page, index: Path, what: str, theme: str, width: int
) -> None:
    states = {"bar": "main", "groups": "english-groups"}.get(what, what)
    gallery.show(shared_page, index, theme, width, f"states={states}")
    expect_picture(shared_page, f"{what}-{theme.removesuffix('-extension')}-{width}")


# What another machine may draw otherwise, and what nobody may.
HARMLESS = {
    "letters a little wider": ".pw-job { letter-spacing: 0.008em }",
    "other smoothing": ".pw-job { text-rendering: geometricPrecision; filter: blur(0.4px) }",
    "half a point lower": "main { transform: translate(0.5px, 0.5px) }",
    "a colour a shade off": ".pw-fill { filter: brightness(1.04) }",
}
WRONG = {
    "no icon": ".pw-icon { visibility: hidden }",
    "a button less": "[data-action=pause] { visibility: hidden }",
    "no words": ".pw-words { visibility: hidden }",
    "another colour": ".pw-job { --pw-tone: var(--jp-brand-color1) !important }",
    "a bar of another length": ".pw-track { width: 80% }",
    "a part elsewhere": ".pw-numbers { transform: translateX(24px) }",
    "lines over each other": ".pw-meta { margin-top: -14px }",
}


@pytest.fixture(scope="module")
def card(shared_page: Page, index: Path) -> tuple[Page, Image.Image]:
    gallery.show(shared_page, index, gallery.LIGHT, 660, "states=main")
    return shared_page, small(take(of_one(shared_page)))


def of_one(page: Page):  # noqa: ANN201 - a locator
    """Return the card of a job that is being written."""
    return page.locator("figure", has=page.get_by_text("writing", exact=True)).locator(".pw-job")


@pytest.mark.parametrize("change", [*HARMLESS, *WRONG])
def test_a_change_is_found_where_a_person_would_see_it(
    card: tuple[Page, Image.Image], change: str
) -> None:
    page, kept = card
    style = page.add_style_tag(content=(HARMLESS | WRONG)[change])
    try:
        found = differences(take(of_one(page)), kept)
    finally:
        style.evaluate("element => element.remove()")
    assert bool(found) == (change in WRONG), found


def test_another_size_is_found(card: tuple[Page, Image.Image]) -> None:
    page, kept = card
    larger = kept.resize((kept.width, kept.height + 8))
    assert "size" in differences(take(of_one(page)), larger)[0].about


def test_the_kept_pictures_stay_small() -> None:
    sizes = {path.name: path.stat().st_size for path in PICTURES.glob("*.png")}
    assert {name: size for name, size in sizes.items() if size > 150_000} == {}
    assert sum(sizes.values()) < 1_500_000
