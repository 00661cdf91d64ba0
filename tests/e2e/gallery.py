"""The gallery, which is every state of the bar on one page, in JupyterLab's own themes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

JS: Final = Path(__file__).parent.parent.parent / "progresswidget" / "js"
AXE: Final = JS / "node_modules" / "axe-core" / "axe.min.js"
THEMES: Final = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"
MOMENT: Final = 1_712_000_002_400
"""When the records of the gallery were true, in milliseconds since 1970."""

LIGHT: Final = "theme-light-extension"
DARK: Final = "theme-dark-extension"
HIGH_CONTRAST: Final = "theme-dark-high-contrast-extension"


def build(folder: Path) -> Path:
    """Write the page into a folder and return its address."""
    subprocess.run(["node", "scripts/gallery.mjs", folder], cwd=JS, check=True, timeout=120)
    return folder / "index.html"


def show(page: Page, index: Path, theme: str, width: int, query: str = "") -> None:
    """Open the gallery in one of JupyterLab's themes, at one moment of time.

    Parameters
    ----------
    theme
        The name of the folder that JupyterLab keeps it in.
    width
        Of the page, in points.
    query
        What the page is asked for: `states=main` are those that a picture is kept of.
    """
    page.clock.set_fixed_time(MOMENT)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{index.as_uri()}?{query}")
    page.add_style_tag(path=THEMES / theme / "index.css")
    # What is out of sight is not drawn, and a picture of a whole page has much of that.
    page.add_style_tag(content=".pw-job { content-visibility: visible !important }")
    page.evaluate(
        "light => { document.body.dataset.jpThemeLight = String(light); }", theme == LIGHT
    )
    page.locator(".pw-job, .pw-transfer").first.wait_for()
