"""The panel with every export, as a person uses it, and jobs of all states to fill it with."""

from __future__ import annotations

import http.client
import json
import os
import time
from typing import TYPE_CHECKING, Any

from gallery import AXE
from page_objects import AXE_RUN, LIMIT, WHERE, file_browser_url, settle, wait_for_answer
from reports import done_report, make_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Locator, Page

    from progresswidget.protocol import Json

TOTAL = 3_367_760
FAILURE = {
    "code": "bad-column",
    "message": 'Column "route" is a list, and CSV has no lists.',
    "hint": "Write Parquet, or turn the column into text first.",
}
ENDED = 1_712_000_005_800
"""Long ago: of today a row says the time, which is another in each picture."""
DEATH = {"code": "kernel-died", "message": "The kernel died.", "hint": ""}


def put(server: JupyterProcess, reports: Iterable[Json]) -> None:
    """Report jobs, as their kernels do."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    secret = {"Authorization": f"Kernel {server.secret()}"}
    for report in reports:
        path = f"{server.base_url}progresswidget/api/jobs/{report['taskId']}"
        connection.request("PUT", path, json.dumps(report), secret)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
    connection.close()


def end(server: JupyterProcess, reports: Iterable[Json]) -> None:
    """Cancel what still runs of them, and forget them all."""
    known = {job["taskId"]: job for job in server.jobs()}
    for report in reports:
        job = known.get(report["taskId"])
        if job is not None and job["status"] in {"queued", "running", "paused"}:
            ended = {"status": "cancelled", "revision": job["revision"] + 1, "ended": now()}
            put(server, [report | ended])
    server.api("progresswidget/api/jobs", "DELETE")


KEEP_LIGHT = """async () => {
  const { commands, serviceManager } = window.jupyterapp;
  const kept = await serviceManager.settings.fetch('@jupyterlab/apputils-extension:themes');
  const light = kept.raw.includes('"theme": "JupyterLab Light"');
  if (!light) {
    await commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' });
  }
  return light;
}"""


def complaints(page: Page, selector: str) -> list[list[str]]:
    """Return what axe-core finds wrong with a part of the page, in each of JupyterLab's themes."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = []
    for theme in ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light"):
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
            ".then(() => null)",
            theme,
        )
        body = f"body[data-jp-theme-name='{theme}']"
        page.wait_for_selector(body, state="attached", timeout=LIMIT)
        settle(page)
        found += page.evaluate(AXE_RUN, selector)
    # The next page begins with what the server has, and a later save may be over before an earlier.
    wait_for_answer(page, KEEP_LIGHT)
    return found


def now() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def every_state(server: JupyterProcess) -> list[Json]:
    """Return twelve new jobs in all states, the newest first; those that are done have files."""
    files = {"sales.parquet": 326_400, "销售 2026.xlsx": 41_000, "notes.md": 820}
    for name, size in files.items():
        path = server.root / "out" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
    running: Json = {"total": TOTAL, "elapsed": 12.0, "pid": os.getpid()}
    ended: Json = {"ended": ENDED, "elapsed": 5.8, "rate": None, "eta": None, "pid": os.getpid()}
    changes: list[Json] = [
        running | {"name": "flights.parquet", "progress": 42.4, "rows": 1_428_000, "eta": 3.2},
        running
        | {
            "name": "a name that is far too long for the panel 2026-11-26.csv.gz",
            "progress": 7.1,
            "rows": 240_000,
            "eta": 118.0,
            "appendOnly": True,
        },
        running | {"name": "from a query.csv", "progress": None, "total": None, "rows": 81_000},
        running | {"name": "costs.xlsx", "phase": "finishing", "progress": 98.0, "eta": 1.0},
        running | {"name": "archive.zip", "status": "paused", "progress": 61.0},
        running | {"name": "later.csv", "status": "queued", "phase": "starting", "rows": 0},
        ended | {"name": "routes.csv", "status": "failed", "error": FAILURE},
        ended | {"name": "weather.ndjson", "status": "interrupted", "error": DEATH},
        ended | {"name": "copy.feather", "status": "cancelled"},
    ]
    reports = [
        make_report(path=str(server.root / change["name"]), cellId="cell-0", **change)
        for change in changes
    ]
    reports += [
        done_report(server.root / "out" / name, rows=TOTAL, total=TOTAL, cellId="cell-0", **ended)
        for name in files
    ]
    for number, report in enumerate(reports):
        report["created"] = now() - 60_000 * number
    return reports


class PanelPage:
    """A page of JupyterLab or Notebook 7, and the panel in it."""

    def __init__(self, page: Page, server: JupyterProcess) -> None:
        self.page, self.server = page, server
        self.reports: list[Json] = []
        self.errors: list[str] = []
        self.sockets: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "websocket",
            lambda socket: self.sockets.append(socket.url) if "progresswidget" in socket.url else 0,
        )

    def open(self, notebook: str | None = None) -> PanelPage:
        """Go to the page with the file browser, or to a notebook, and wait until all is there."""
        where = "" if (notebook or "").startswith("consoles/") else WHERE[self.server.application]
        address = f"{self.server.url}{where}{notebook}"
        query = f"?token={self.server.token}"
        self.page.goto(address + query if notebook else file_browser_url(self.server))
        self.page.wait_for_function("window.jupyterapp?.restored", timeout=LIMIT)
        self.page.evaluate("window.jupyterapp.restored.then(() => null)")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=LIMIT)
        return self

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of the application to its end."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)",
            [name, arguments],
        )

    def is_enabled(self, name: str) -> bool:
        """Say whether a command of the application is open now."""
        return bool(self.page.evaluate("name => window.jupyterapp.commands.isEnabled(name)", name))

    def label(self, name: str) -> str:
        """Return what a command is called."""
        return str(self.page.evaluate("name => window.jupyterapp.commands.label(name)", name))

    def theme(self, name: str) -> None:
        """Change the theme, and wait until it is drawn."""
        self.command("apputils:change-theme", theme=name)
        body = f"body[data-jp-theme-name='{name}']"
        self.page.wait_for_selector(body, state="attached", timeout=LIMIT)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that several pages show."""
        deadline = time.monotonic() + LIMIT / 1000
        while not holds():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(100)

    @property
    def panel(self) -> Locator:
        """The panel."""
        return self.page.locator("#progresswidget-exports")

    @property
    def rows(self) -> Locator:
        """Its rows that are in the page."""
        return self.panel.locator(".pw-export")

    def row(self, name: str) -> Locator:
        """Return the row of a file."""
        return self.rows.filter(has=self.page.get_by_text(name, exact=True))

    def names(self) -> list[str]:
        """Return the names of the files that are shown."""
        return self.rows.locator(".pw-export-name").all_inner_texts()

    def button(self, name: str, label: str) -> Locator:
        """Return a button of a row."""
        self.row(name).hover()
        return self.row(name).get_by_role("button", name=f"{label} {name}")

    def choose(self, name: str, label: str) -> None:
        """Choose from the menu on a row."""
        self.row(name).click(button="right")
        self.page.locator(".lm-Menu").get_by_text(label, exact=True).click()
