"""Measure what a page with very many bars costs for each update.

Run ``python tests/benchmarks/page.py``. A real Chromium shows as many jobs as a long notebook may
have, one below the other, and as many rows as the panel; updates come at a pace, spread over all
of them. The time is that of the script from the message to the end of the frame that draws it,
taken in the page; beside it is what the browser itself counts as script, style and layout for each
update, with all that the page does between two, such as the clocks of the bars in view.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import chromium
import gallery
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

COUNTS = {"bars": 500, "rows": 2_000}
WORK = {"script": "ScriptDuration", "style": "RecalcStyleDuration", "layout": "LayoutDuration"}


def work_of(session: CDPSession) -> dict[str, float]:
    """Return what the browser has counted so far, in seconds."""
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return {name: found[metric] for name, metric in WORK.items()}


def measure(page: Page, what: str, count: int, updates: int, rate: float) -> dict[str, Any]:
    """Show `count` of them, and make `updates` at `rate` a second."""
    call = "([what, count, updates, pause]) => bench[what](count, updates, pause)"
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(call, [what, count, 5, 0])
    before = work_of(session)
    page.evaluate(call, [what, count, 0, 0])
    between = work_of(session)
    # Two frames are waited for in each turn.
    found = page.evaluate(call, [what, count, updates, max(0.0, 1000 / rate - 33)])
    after = work_of(session)
    mount = {name: between[name] - before[name] for name in WORK}
    each = {name: 1e3 * (after[name] - between[name] - mount[name]) / updates for name in WORK}
    times = sorted(found["times"])
    return {
        "median": statistics.median(times),
        "p95": times[len(times) * 95 // 100],
        "touched": found["touched"] / updates,
        "mount": 1e3 * sum(mount.values()),
        **each,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20)
    arguments = parser.parse_args()
    path = chromium.find()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        address = gallery.build(Path(folder)).with_name("many.html").as_uri()
        browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        print(f"{arguments.updates} updates, {arguments.rate:g} a second; milliseconds each")
        print(f"{'':12}{'median':>8}{'p95':>8}{'script':>8}{'style':>8}{'layout':>8}{'changes':>9}")
        for what, count in COUNTS.items():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            found = measure(page, what, count, arguments.updates, arguments.rate)
            figures = [found[name] for name in ("median", "p95", *WORK)]
            numbers = "".join(f"{figure:8.2f}" for figure in figures)
            print(f"{count:6} {what:5}{numbers}{found['touched']:9.1f}")
            print(f"{'':12}first drawn in {found['mount']:.0f} ms of work")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
