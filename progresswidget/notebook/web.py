"""HTML and Markdown, as nbconvert makes them from templates that fetch nothing from the net."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

from progresswidget.notebook.document import data_address, sound

if TYPE_CHECKING:
    from progresswidget.notebook.document import Document

POLICY: Final = "default-src data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'none'"
"""What the page may load: only what it holds (W3C, Content Security Policy Level 3, §6)."""

PAGE: Final = f"""
{{%- extends 'index.html.j2' -%}}
{{%- block html_head_js -%}}
<meta http-equiv="Content-Security-Policy" content="{POLICY}" />
{{%- endblock -%}}
{{%- block jupyter_widgets -%}}{{%- endblock -%}}
{{%- block html_head_js_mathjax -%}}{{%- endblock -%}}
{{%- block html_head_js_mermaidjs -%}}{{%- endblock -%}}
{{%- block extra_css -%}}
<style>@media print {{
  pre {{ white-space: pre-wrap; }}
  pre, td, th {{ overflow-wrap: anywhere; }}
}}</style>
{{%- endblock -%}}
"""
"""The template of JupyterLab's look without its scripts: the tools of four other sites."""

PICTURES: Final = """
{%- extends 'index.md.j2' -%}
{% block stream %}
{{ output.text | strip_ansi | indent }}
{% endblock stream %}
{% block data_svg %}
![svg]({{ output.data['image/svg+xml'] | address('image/svg+xml') }})
{% endblock data_svg %}
{% block data_png %}
![png]({{ output.data['image/png'] | address('image/png') }})
{% endblock data_png %}
{% block data_jpg %}
![jpeg]({{ output.data['image/jpeg'] | address('image/jpeg') }})
{% endblock data_jpg %}
{% block data_text scoped %}
{{ output.data['text/plain'] | strip_ansi | indent }}
{% endblock data_text %}
"""

REMOTE: Final = re.compile(r"\s*(https?:)?[/\\]{2}", re.IGNORECASE)
_IN_STYLE: Final = re.compile(
    r"@import\s[^;]*;?|url\(\s*['\"]?\s*(?:https?:)?//[^)]*\)", re.IGNORECASE
)
_LOADED: Final = ("src", "srcset", "poster", "data", "background", "xlink:href")
"""Attributes whose addresses a browser fetches by itself (WHATWG HTML, list of attributes)."""


def html(document: Document) -> bytes:
    """Return a page that loads nothing."""
    from nbconvert.exporters.html import HTMLExporter

    exporter = HTMLExporter(raw_template=PAGE)
    return _offline(_convert(exporter, document), document).encode()


def markdown(document: Document) -> bytes:
    """Return one file of Markdown with its images in it."""
    from nbconvert.exporters.markdown import MarkdownExporter

    exporter = MarkdownExporter(raw_template=PICTURES)
    for each in ("ExtractOutputPreprocessor", "ExtractAttachmentsPreprocessor"):
        exporter.config[each].enabled = False  # they would make files beside it
    exporter._init_preprocessors()  # noqa: SLF001 - they have read the settings already
    exporter.register_filter("address", lambda data, kind: data_address(kind, data))
    return sound(_convert(exporter, document)).strip().encode() + b"\n"


def _convert(exporter: Any, document: Document) -> str:
    metadata = {"name": document.name, "path": str(document.folder)}
    written, _ = exporter.from_notebook_node(document.notebook, {"metadata": metadata})
    return sound(written)


def _offline(page: str, document: Document) -> str:
    """Take out of a page what it would fetch: an image of the net becomes a link, others go in."""
    from bs4 import BeautifulSoup

    soup: Any = BeautifulSoup(page, "html.parser")
    for each in soup.select("link[href], base, meta[http-equiv=refresh i]"):
        each.decompose()
    for each in soup.select("img[src]"):
        image = document.image(str(each["src"]))
        if image is not None:
            each["src"] = f"data:{image[0]};base64,{base64.b64encode(image[1]).decode()}"
    for each in soup.select("style"):
        if each.string:
            each.string.replace_with(_IN_STYLE.sub("", each.string))
    for each in soup.select("[style]"):
        each["style"] = _IN_STYLE.sub("", str(each["style"]))
    for name in _LOADED:
        for each in soup.select(f"[{name.replace(':', chr(92) + ':')}]"):
            if not each.decomposed:
                _replace(soup, each, name)
    return str(soup)


def _replace(soup: Any, element: Any, attribute: str) -> None:
    addresses = [part.split()[0] for part in str(element[attribute]).split(",") if part.split()]
    remote = [each for each in addresses if REMOTE.match(each)]
    if not remote:
        return
    if element.name == "img" and attribute == "src":
        link = soup.new_tag("a", href=str(element["src"]).strip())
        link.string = element.get("alt") or remote[0]
        element.replace_with(link)
    elif element.name in {"script", "iframe", "embed", "object"}:
        element.decompose()
    else:
        del element[attribute]
