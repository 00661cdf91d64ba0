"""A page that renders saved widgets without Jupyter, as nbconvert, Sphinx and blogs do."""

from __future__ import annotations

import html
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import nbformat
from ipywidgets.embed import dependency_state
from nbconvert import HTMLExporter

if TYPE_CHECKING:
    from ipywidgets import Widget

JS = Path(__file__).parents[2] / "progresswidget" / "js"
ANYWIDGET = Path(anywidget.__file__).parent / "nbextension" / "index.js"


class WidgetHost:
    """`@jupyter-widgets/html-manager` and anywidget in one script, which fetches nothing.

    Parameters
    ----------
    folder
        Where the script is built, by esbuild from ``js/tests/host/main.ts``.
    """

    def __init__(self, folder: Path) -> None:
        bundle = folder / "host.js"
        subprocess.run(["node", "scripts/host.mjs", bundle], cwd=JS, check=True, timeout=120)
        # `</script` in a string of the script would end it.
        scripts = [
            path.read_text().replace("</script", "<\\/script") for path in (bundle, ANYWIDGET)
        ]
        style = bundle.with_suffix(".css").read_text()
        self.head = f"<style>{style}</style>" + "".join(
            f"<script>{one}</script>" for one in scripts
        )

    def page(self, *views: Widget, language: str = "en", theme: str = "") -> str:
        """Return a page with these widgets, and whatever they link and hold, as they are now."""
        state = dependency_state(views, drop_defaults=False)
        spec = {"version_major": 2, "version_minor": 0}
        saved = _script("widget-state", {**spec, "state": state})
        shown = "".join(
            _script("widget-view", {**spec, "model_id": view.model_id}) for view in views
        )
        return (
            f'<!doctype html><html lang="{html.escape(language)}"><meta charset="utf-8">'
            f"<title>widgets</title>{self.head}<style>{theme}</style>"
            f"<body>{saved}{shown}</body></html>"
        )

    def exported(self, *views: Widget) -> str:
        """Return the page that nbconvert makes of a notebook with these widgets in its outputs.

        What it would fetch from elsewhere is in the page here: the same renderer, and no other.
        """
        notebook = nbformat.v4.new_notebook()
        spec = {"version_major": 2, "version_minor": 0}
        saved = {**spec, "state": dependency_state(views, drop_defaults=False)}
        notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": saved}
        for view in views:
            cell = nbformat.v4.new_code_cell("widget")
            data = {
                "application/vnd.jupyter.widget-view+json": {**spec, "model_id": view.model_id},
                "text/plain": "a widget",
            }
            cell.outputs = [nbformat.v4.new_output("display_data", data)]
            notebook.cells.append(cell)
        names = ("require_js_url", "mathjax_url", "jquery_url", "mermaid_js_url")
        nothing = "data:text/javascript,"
        exporter = HTMLExporter(**dict.fromkeys(names, ""), widget_renderer_url=nothing)
        text: str
        text, _resources = exporter.from_notebook_node(notebook)
        return text.replace("<head>", f"<head>{self.head}", 1)


def _script(kind: str, content: Any) -> str:
    text = json.dumps(content).replace("</", "<\\/")
    return f'<script type="application/vnd.jupyter.{kind}+json">{text}</script>'
