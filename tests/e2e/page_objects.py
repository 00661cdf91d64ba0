"""What a person does in a notebook page, in a few words: open, run, look at the bar."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from jupyter_process import JupyterProcess
    from playwright.sync_api import Locator, Page

LIMIT = 60_000
"""Milliseconds for a state to come; far more than it takes, so that a slow machine passes too."""

HEARTBEAT = 1.0
"""Seconds, of a server that is quick to call a silent page dead."""

SCREENSHOTS = Path(__file__).parent / ".screenshots"
"""Where the pictures go that a person should look at."""

AXE_RUN = """
async selector => {
  // JupyterLab's own elements are not ours to judge.
  const what = {include: [selector], exclude: [['jp-button'], ['jp-search']]};
  const rules = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'];
  const { violations } = await axe.run(what, {runOnly: rules});
  return violations.map(({id, nodes}) => [id, ...nodes.map(({html}) => html)]);
}
"""
"""Run in a page that has axe-core: what is wrong with a part of it."""

WHERE = {"lab": "lab/tree/", "notebook": "notebooks/"}


def write_notebook(path: Path, *cells: str) -> None:
    """Save a notebook of code cells, with ids but without outputs."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for number, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source.strip())
        cell["id"] = f"cell-{number}"
        notebook.cells.append(cell)
    nbformat.write(notebook, path)


def file_browser_url(server: JupyterProcess) -> str:
    """Return the address of a page with a file browser, in which nothing else is open.

    JupyterLab keeps for the next page how the last one was laid out, a folded file browser too.
    """
    place = {"lab": f"lab/workspaces/{uuid.uuid4().hex}", "notebook": "tree"}
    return f"{server.url}{place[server.application]}?token={server.token}"


def wait_for_answer(page: Page, asking: str, arg: object = None) -> Any:
    """Evaluate an asynchronous function until what it comes to is true, and return that.

    Playwright's own `wait_for_function` takes the promise for the answer, and does not ask again.
    """
    deadline = time.monotonic() + LIMIT / 1000
    while not (answer := page.evaluate(asking, arg)):
        assert time.monotonic() < deadline, f"never true: {asking}"
        page.wait_for_timeout(50)
    return answer


class NotebookPage:
    """A notebook that is open in a browser."""

    def __init__(self, page: Page, server: JupyterProcess, name: str) -> None:
        self.page, self.server, self.name = page, server, name

    @property
    def address(self) -> str:
        """The notebook's; the token is in it once, as when a user clicks the link."""
        address = f"{self.server.url}{WHERE[self.server.application]}{self.name}"
        return address if self.server.password else f"{address}?token={self.server.token}"

    def open(self) -> NotebookPage:
        """Go to the notebook."""
        self.page.goto(self.address)
        if self.server.password is not None:
            field = self.page.locator("#password_input")
            if field.count():
                field.fill(self.server.password)
                field.press("Enter")
        return self.ready()

    def ready(self) -> NotebookPage:
        """Wait until the notebook is drawn and its session runs."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=LIMIT)
        self.page.wait_for_function(
            """() => {
              const panel = window.jupyterapp?.shell.currentWidget;
              return panel?.sessionContext?.isReady && panel.sessionContext.session?.kernel;
            }""",
            timeout=LIMIT,
        )
        return self

    def reload(self) -> NotebookPage:
        """Reload the page as a user does, unsaved work or not."""
        self.page.once("dialog", lambda dialog: dialog.accept())
        self.page.reload()
        return self.ready()

    def run(self, cell: int) -> None:
        """Run one cell, and do not wait for it."""
        self.page.evaluate(
            """index => {
              const app = window.jupyterapp;
              app.shell.currentWidget.content.activeCellIndex = index;
              void app.commands.execute('notebook:run-cell');
            }""",
            cell,
        )

    def run_and_wait(self, cell: int) -> None:
        """Run one cell to its end."""
        self.run(cell)
        self.wait_for_cell(cell)

    def wait_for_cell(self, cell: int) -> None:
        """Wait until a cell has run: it has a number, not a star."""
        self.page.wait_for_function(
            """index => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              const prompt = notebook.widgets[index].node.querySelector('.jp-InputPrompt');
              // Of cells out of sight nothing is drawn.
              if (prompt === null) void notebook.scrollToItem(index).catch(() => undefined);
              return /\\[\\d+\\]/.test(prompt?.textContent ?? '');
            }""",
            arg=cell,
            timeout=2 * LIMIT,
        )

    def restart_kernel(self) -> None:
        """Restart the kernel as the page's own command does, and wait until it answers."""
        # What another program does to the kernel may reach the page by half only, and then it takes
        # a kernel for busy that is not: what the kernel itself answers is certain.
        self.page.evaluate(
            """async () => {
              const {kernel} = window.jupyterapp.shell.currentWidget.sessionContext.session;
              await kernel.restart();
              await kernel.requestKernelInfo();
            }"""
        )

    def save(self) -> None:
        """Save the notebook and wait until it is saved."""
        self.command("docmanager:save")

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of the application to its end."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)",
            [name, arguments],
        )

    @property
    def bars(self) -> Locator:
        """Every job view on the page."""
        return self.page.locator("[data-task-id][data-state]")

    @property
    def bar(self) -> Locator:
        """The one job view; more than one is an error."""
        return self.bars

    def wait_for_state(self, *states: str, limit: float = 2 * LIMIT) -> Locator:
        """Wait until there is one bar and it is in one of the states."""
        wanted = ",".join(f"[data-task-id][data-state={state}]" for state in states)
        self.page.locator(wanted).wait_for(timeout=limit)
        return self.bar

    def value(self) -> float | None:
        """Return the progress that the bar states, in percent."""
        text = self.bar.get_by_role("progressbar").get_attribute("aria-valuenow")
        return None if text is None else float(text)

    def wait_for_motion(self, above: float = 0.0) -> float:
        """Wait until the bar states more than `above`, and return what it states then."""
        self.page.wait_for_function(
            """above => {
              const bars = document.querySelectorAll('[data-task-id] [role=progressbar]');
              return bars.length === 1 && Number(bars[0].getAttribute('aria-valuenow')) > above;
            }""",
            arg=above,
            timeout=LIMIT,
        )
        value = self.value()
        assert value is not None
        return value

    def button(self, action: str) -> Locator:
        """Return a button of the bar."""
        return self.bar.locator(f"button[data-action={action}]")

    def saved(self) -> dict[str, Any]:
        """Return the notebook as it is on the disk."""
        found: dict[str, Any] = nbformat.read(self.server.root / self.name, as_version=4)
        return found


def settle(page: Page) -> None:
    """Let the eased changes of colour and width arrive before they are judged."""
    # What JupyterLab covers the page with while it changes its theme.
    page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=LIMIT)
    page.evaluate(
        """() => Promise.all(document.getAnimations()
             .filter(one => one instanceof CSSTransition)
             .map(one => one.finished.catch(() => null))).then(() => null)"""
    )


def dismiss_dialogs(shown: NotebookPage) -> None:
    """Close what JupyterLab itself says of a lost kernel or server whenever it covers the bar."""
    dismiss_dialogs_on(shown.page)


def dismiss_dialogs_on(page: Page) -> None:
    """As `dismiss_dialogs`, on a page without a notebook."""
    dialog = page.locator(".jp-Dialog").first
    button = dialog.locator("button.jp-mod-accept, button.jp-mod-reject").first
    # The next one that JupyterLab has to say comes as soon as this one is closed: to wait until
    # none is seen would be to wait for a second one that nobody closes.
    page.add_locator_handler(dialog, lambda _: button.click(), no_wait_after=True)
