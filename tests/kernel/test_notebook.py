"""A small real notebook becomes each kind of document, and none of them needs the net."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromium
import docx
import nbformat
import pandas as pd
import pypdf
import pytest
from bs4 import BeautifulSoup
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from progresswidget.errors import (
    DestinationError,
    MissingExtraError,
    SourceError,
    UnsupportedFormatError,
)
from progresswidget.notebook import export_notebook, word
from progresswidget.notebook.chromium import NAMES, VARIABLE, pdf
from progresswidget.notebook.chromium import _command as chromium_command
from progresswidget.notebook.document import Document, read, sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEXT = """# A *great* study

Prose with **bold**, _italic_, ~~gone~~, `code()`, a [link](https://example.org/a) &amp; more \\
here and $a_b + c_d$.

1. first
2. second
   - inner

Another list:

1. again

> quoted

| name | value |
|------|------:|
| x    |     1 |

```python
fenced = True
```

![kept](attachment:dot.png) ![near](near.png) ![far](https://example.org/far.png)

<div>Some <b>HTML</b><script>alert(1)</script></div>
"""


def png(width: int = 20) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, 10), "red").save(file, "PNG")
    return file.getvalue()


def encoded(width: int = 20) -> str:
    return base64.encodebytes(png(width)).decode()


def cells() -> list[Any]:
    widget = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "0f", "version_major": 2},
        "application/vnd.progresswidget.receipt+json": {"secretReceipt": 1},
        "text/html": "<p>✓ <b>sales.csv</b> 3 rows</p>",
        "text/plain": "✓ sales.csv 3 rows",
    }
    remote = (
        '<b>shown</b><script src="https://cdn.example.org/x.js"></script>'
        '<link rel="stylesheet" href="//cdn.example.org/x.css">'
        "<style>@import url(https://cdn.example.org/y.css); p {color: red}</style>"
        '<img src="https://example.org/i.png" alt="an image">'
        '<iframe src="https://example.org/frame"></iframe>'
    )
    return [
        new_markdown_cell(TEXT, attachments={"dot.png": {"image/png": encoded()}}),
        new_code_cell(
            "print('über')\nframe",
            execution_count=1,
            outputs=[
                new_output("stream", name="stdout", text="10%\r50%\r100%\n"),
                new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m über 中文\n"),
                new_output("display_data", widget),
                new_output("display_data", {"image/png": encoded(), "text/plain": "<Figure>"}),
                new_output("execute_result", {"text/plain": "42"}, execution_count=1),
            ],
        ),
        new_code_cell(
            "1 / 0",
            outputs=[
                new_output(
                    "error",
                    ename="ZeroDivisionError",
                    evalue="division by zero",
                    traceback=["Traceback", "\x1b[31mZeroDivisionError\x1b[0m: division by zero"],
                )
            ],
        ),
        new_code_cell(
            "show()", outputs=[new_output("display_data", {"text/html": remote})], execution_count=2
        ),
    ]


def save(path: Path, content: Sequence[Any]) -> Path:
    notebook = new_notebook(cells=list(content))
    notebook.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {"model": {"secretState": 1}}}
    }
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    (tmp_path / "near.png").write_bytes(png(30))
    return save(tmp_path / "study.ipynb", cells())


def html_of(notebook: Path, **options: Any) -> str:
    return export_notebook(notebook, notebook.with_suffix(".html"), **options).read_text("utf-8")


def test_the_page_shows_cells_and_outputs(notebook: Path) -> None:
    soup = BeautifulSoup(html_of(notebook), "html.parser")
    assert soup.title is not None
    assert soup.title.text == "study"
    text = soup.get_text()
    for part in ("A great study", "fenced = True", "print", "100%", "über 中文", "42"):
        assert part in text
    assert "ZeroDivisionError: division by zero" in text
    assert "$a_b + c_d$" in text
    assert "50%" not in text


def test_the_page_loads_nothing_and_says_so_to_the_browser(notebook: Path) -> None:
    page = html_of(notebook)
    soup = BeautifulSoup(page, "html.parser")
    assert not soup.select("script[src], link, iframe")
    assert all(image["src"].startswith("data:image/png") for image in soup.select("img"))
    assert len(soup.select("img")) == 3
    for loader in ("cdn.example.org", "cdnjs", "unpkg", "jsdelivr", "MathJax.Hub", "require.min"):
        assert loader not in page
    policy = soup.select_one("meta[http-equiv=Content-Security-Policy]")
    assert policy is not None
    assert "http" not in policy["content"]
    assert str(policy["content"]).startswith("default-src data:")
    assert "p {color: red}" in page


def test_what_is_far_away_becomes_a_link(notebook: Path) -> None:
    soup = BeautifulSoup(html_of(notebook), "html.parser")
    links = {link["href"]: link.text for link in soup.select("a[href^=http]")}
    assert links["https://example.org/far.png"] == "far"
    assert links["https://example.org/i.png"] == "an image"
    assert links["https://example.org/a"] == "link"


def test_a_bar_is_its_receipt_in_words_and_no_widget_is_left(notebook: Path) -> None:
    page = html_of(notebook)
    assert "<b>sales.csv</b> 3 rows" in page
    for live in ("widget-view", "widget-state", "secretState", "progresswidget.receipt"):
        assert live not in page
    text = export_notebook(notebook, notebook.with_suffix(".md")).read_text("utf-8")
    assert "sales.csv" in text
    assert "secretReceipt" not in text


def test_markdown_is_one_file_with_its_images(notebook: Path) -> None:
    before = set(notebook.parent.iterdir())
    path = export_notebook(notebook, notebook.with_suffix(".md"))
    text = path.read_text("utf-8")
    assert set(notebook.parent.iterdir()) - before == {path}
    assert text.startswith("# A *great* study")
    pictures = re.findall(r"!\[[^\]]*\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text)
    assert [base64.b64decode(each) for each in pictures] == [png(), png()]
    assert "\x1b" not in text
    assert "    ZeroDivisionError: division by zero" in text
    assert "    100%" in text
    assert "print('über')" in text


@pytest.fixture
def document(notebook: Path) -> Any:
    return docx.Document(str(export_notebook(notebook, notebook.with_suffix(".docx"))))


def styled(document: Any, style: str) -> list[str]:
    return [each.text for each in document.paragraphs if each.style.name == style]


def test_word_has_headings_lists_quotes_and_tables(document: Any) -> None:
    assert styled(document, "Heading 1") == ["A great study"]
    assert styled(document, "List Number") == ["first", "second", "again"]
    assert styled(document, "List Bullet 2") == ["inner"]
    assert styled(document, "Quote") == ["quoted"]
    (table,) = document.tables
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["name", "value"],
        ["x", "1"],
    ]
    assert document.core_properties.title == "study"
    assert "Some HTML" in "\n".join(styled(document, "Normal"))
    assert "alert" not in "\n".join(each.text for each in document.paragraphs)


def test_each_numbered_list_of_word_begins_anew(document: Any) -> None:
    counts = [
        each._p.pPr.numPr.numId.val
        for each in document.paragraphs
        if each.style.name == "List Number"
    ]
    assert counts[0] == counts[1] != counts[2]


def test_word_keeps_the_looks_of_words_and_the_links(document: Any) -> None:
    (prose,) = (each for each in document.paragraphs if each.text.startswith("Prose"))
    looks = {run.text: run.font for run in prose.runs}
    assert looks["bold"].bold
    assert looks["italic"].italic
    assert looks["gone"].strike
    assert looks["code()"].name == "Consolas"
    assert looks["$a_b + c_d$"].name == "Consolas"
    (link,) = prose._p.findall(qn("w:hyperlink"))
    assert document.part.rels[link.get(qn("r:id"))].target_ref == "https://example.org/a"
    assert "a link & more \nhere" in prose.text


def test_word_has_code_outputs_errors_and_pictures(document: Any) -> None:
    code = styled(document, "Report Code")
    assert "print('über')\nframe" in code
    assert "100%\nred über 中文" in code
    assert "✓ sales.csv 3 rows" in code
    assert "42" in code
    assert "Traceback\nZeroDivisionError: division by zero" in code
    assert "fenced = True" in code
    assert len(document.inline_shapes) == 3
    assert all(shape._inline.get("distL") == "0" for shape in document.inline_shapes)
    assert "<Figure>" not in code


def word_with(cells: Sequence[Any], **metadata: Any) -> Any:
    notebook = new_notebook(cells=list(cells), metadata=metadata)
    return docx.Document(io.BytesIO(word.docx(Document(notebook, "n", Path("/none")))))


@pytest.mark.parametrize("metadata", [{}, {"language_info": {"name": "python"}}])
def test_code_of_word_has_colours(metadata: dict[str, Any]) -> None:
    source = "def f(x):  # twice\n    return 'é' * 2\n%time f(1)"
    fenced = new_markdown_cell(f"```python\n{source}\n```")
    document = word_with([new_code_cell(source), fenced], **metadata)
    for code in document.paragraphs:
        assert code.text == source
        assert code._p.xpath("./w:pPr/w:shd/@w:fill") == ["F3F4F6"]
        looks = {run.text.strip(): run.font for run in code.runs}
        assert looks["return"].bold
        assert looks["# twice"].italic
        assert looks["'é'"].color.rgb not in {looks["return"].color.rgb, None}


def test_code_of_another_language_has_its_colours_and_of_none_has_none() -> None:
    cell = new_code_cell("SELECT a -- twice\nFROM t")
    info = {"name": "other", "pygments_lexer": "sql"}
    (code,) = word_with([cell], language_info=info).paragraphs
    assert [run.font.bold for run in code.runs if run.text.strip() in {"SELECT", "FROM"}] == [
        True
    ] * 2
    (code,) = word_with([cell], language_info={"name": "no such"}).paragraphs
    assert [run.text for run in code.runs] == [cell.source]


def test_quotations_of_word_are_indented_and_heads_of_tables_repeated() -> None:
    document = word_with([new_markdown_cell("> one\n>\n> > two\n\n| a |\n|---|\n| 1 |")])
    one, two, _ = document.paragraphs
    assert two.paragraph_format.left_indent == 2 * one.paragraph_format.left_indent > 0
    marked = [bool(row.xpath("./w:trPr/w:tblHeader")) for row in document.tables[0]._tbl.tr_lst]
    assert marked == [True, False]


def test_prose_of_word_runs_as_its_first_letter_does() -> None:
    texts = "# דוח abc\n\nשלום **(abc)** 12\n\nabc שלום\n\n- פריט"
    document = word_with([new_markdown_cell(texts)])
    turned = [bool(each._p.xpath("./w:pPr/w:bidi")) for each in document.paragraphs]
    assert turned == [True, True, False, True]
    assert all(run.font.rtl for run in document.paragraphs[1].runs)


def test_a_picture_of_word_is_no_wider_than_the_page(tmp_path: Path) -> None:
    image = new_output("display_data", {"image/png": encoded(4_000)})
    odd = new_output("display_data", {"image/png": "AAAA", "text/plain": "instead"})
    path = save(tmp_path / "n.ipynb", [new_code_cell("x", outputs=[image, odd])])
    document = docx.Document(str(export_notebook(path, tmp_path / "n.docx")))
    (shape,) = document.inline_shapes
    assert shape.width <= document.sections[0].page_width - 2 * document.sections[0].left_margin
    assert shape.width / shape.height == pytest.approx(400, rel=0.02)
    assert "instead" in styled(document, "Report Code")


PIECES = (
    *"#*_~`$[]()!|<>&\\ \n-:1.\0\t中",
    "\n\n",
    "    ",
    "```",
    "$$",
    "|-|\n",
    "> ",
    "- ",
    "1. ",
)
TAGS = (
    "<b>",
    "<img src=x>",
    "![a](b)",
    "[l](http://x)",
    "- [x] ",
    "word",
    "\ud800",
    "|a|b|\n|-|-|\n",
)
MARKS = st.lists(st.sampled_from((*PIECES, *TAGS)), max_size=40).map("".join)


@settings(max_examples=80, deadline=None)
@given(MARKS)
def test_any_markdown_becomes_a_document_that_opens(source: str) -> None:
    notebook = new_notebook(cells=[new_markdown_cell(sound(source))])
    document = docx.Document(io.BytesIO(word.docx(Document(notebook, "n", Path("/none")))))
    assert document.core_properties.title == "n"


def test_word_is_the_same_each_time(notebook: Path) -> None:
    one, two = (export_notebook(notebook, notebook.with_name(n)) for n in ("1.docx", "2.docx"))
    assert one.read_bytes() == two.read_bytes()


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> str:
    found = chromium.find()
    if found is None:
        chromium.install()
        found = chromium.find()
    assert found is not None
    monkeypatch.setenv(VARIABLE, found)
    return found


def test_a_chromium_prints_the_page(notebook: Path, browser: str) -> None:
    path = export_notebook(notebook, notebook.with_suffix(".PDF"), title="Printed & read")
    reader = pypdf.PdfReader(path)
    text = "\n".join(page.extract_text() for page in reader.pages)
    # The notebook calls alert(), for which a browser would wait.
    for part in ("Printed & read", "A great study", "fenced = True", "100%", "42", "über"):
        assert part in text
    assert "file:" not in text
    assert any(page.images for page in reader.pages)


class Site:
    """A site of the net, as near as the loopback, that notes who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.server.shutdown()
    running.server.server_close()


def print_page(browser: str, page: Path) -> str:
    printed = page.with_suffix(".pdf")
    command = chromium_command(browser, page.parent, page, printed)
    open_net = [part for part in command if not part.startswith("--host-resolver-rules")]
    subprocess.run(open_net, check=True, timeout=60, capture_output=True)
    return pypdf.PdfReader(printed).pages[0].extract_text()


def test_what_scripts_of_an_output_ask_for_is_held_back(
    tmp_path: Path, browser: str, site: Site
) -> None:
    script = f"""<p id="p">before</p><script>
      const load = (name, key, path) => {{
        const element = document.createElement(name);
        element.rel = "stylesheet";
        element[key] = "{site.url}" + path;
        document.body.append(element);
      }};
      load("script", "src", "/script");
      load("img", "src", "/image");
      load("link", "href", "/style");
      fetch("{site.url}/fetch").catch(() => null);
      document.getElementById("p").textContent = "the script ran";
    </script>"""
    shown = new_output("display_data", {"text/html": script})
    notebook = save(tmp_path / "n.ipynb", [new_code_cell("x", outputs=[shown])])
    page = export_notebook(notebook, tmp_path / "page.html")
    assert "the script ran" in print_page(browser, page)
    assert site.asked == []
    open_page = tmp_path / "open.html"
    open_page.write_text(page.read_text("utf-8").replace("Content-Security-Policy", "x"), "utf-8")
    assert "the script ran" in print_page(browser, open_page)
    assert {"/script", "/image", "/style"} <= set(site.asked)


def test_no_column_of_a_wide_frame_is_beyond_the_edge_of_the_sheet(
    tmp_path: Path, browser: str
) -> None:
    names = [f"measure {number:02}" for number in range(25)]
    markup = pd.DataFrame([range(1_000_000, 1_000_025)], columns=names).to_html()
    cell = new_code_cell("frame", outputs=[new_output("display_data", {"text/html": markup})])
    path = export_notebook(save(tmp_path / "n.ipynb", [cell]), tmp_path / "n.pdf")
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    assert [number for number in range(25) if f"10000{number:02}" not in text] == []


def test_a_browser_that_takes_too_long_is_ended(notebook: Path, browser: str) -> None:
    with pytest.raises(SourceError, match="within 0 seconds"):
        pdf(read(notebook), seconds=0)


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_a_browser_that_fails_is_quoted(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho no display >&2\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(program))
    with pytest.raises(SourceError, match=r"exit status 7\): no display"):
        export_notebook(notebook, tmp_path / "out.pdf")
    assert not (tmp_path / "out.pdf").exists()


def test_without_a_browser_the_error_says_what_to_do(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"Install Chromium.*\.html"):
        export_notebook(notebook, tmp_path / "out.pdf")
    monkeypatch.setenv(VARIABLE, "no-such-browser")
    with pytest.raises(MissingExtraError, match="no-such-browser is no program"):
        export_notebook(notebook, tmp_path / "out.pdf")
    assert NAMES[0] == "chromium"


@pytest.mark.parametrize("suffix", [".html", ".md", ".docx"])
def test_a_title_is_the_first_heading_whatever_it_holds(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / "n.ipynb", [new_markdown_cell("text")])
    title = "5 * 3 * <b> $x$ `c` [l](u) \\(y\\) _z_"
    output = export_notebook(path, tmp_path / f"n{suffix}", title=title)
    if suffix == ".html":
        soup = BeautifulSoup(output.read_text("utf-8"), "html.parser")
        assert soup.title is not None
        assert soup.title.text == title
        heading = soup.select_one("main h1")
        assert heading is not None
        assert heading.get_text().removesuffix("¶") == title
    elif suffix == ".docx":
        document = docx.Document(str(output))
        assert document.paragraphs[0].text == title
        assert document.core_properties.title == title
    else:
        assert output.read_text("utf-8").startswith(r"# 5 \* 3 \* \<b\> \$x\$")


@pytest.mark.parametrize("suffix", [".html", ".md", ".docx"])
def test_odd_notebooks_are_written(tmp_path: Path, suffix: str) -> None:
    lone, control = "half \ud800", "bell \x07"
    outputs = [
        new_output("stream", text=lone + control),
        new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}}),
        new_output("display_data", {"text/latex": "$x^2$"}),
        new_output("display_data", {"text/markdown": "**md**", "text/plain": "plain"}),
        new_output("error", ename="E", evalue="v", traceback=[]),
    ]
    content = [new_markdown_cell(f"{lone} {control}"), new_code_cell(lone, outputs=outputs)]
    notebook = new_notebook(cells=content)
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook), "utf-8")
    assert export_notebook(path, tmp_path / f"n{suffix}").stat().st_size
    empty = save(tmp_path / "empty.ipynb", [])
    assert export_notebook(empty, tmp_path / f"empty{suffix}").exists()


@pytest.mark.parametrize("suffix", [".html", ".docx"])
def test_an_image_that_is_not_to_be_had_is_left_out(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "secret.txt").write_text("secret")
    names = ("none.png", "folder.png", "broken.png", ".", "secret.txt", "file:///x.png", "%00.png")
    content = "".join(f"![the {name}]({name})\n" for name in names)
    odd = "![a](data:image/png;base64,!!!) ![b]() <img src='x'>"
    path = save(tmp_path / "n.ipynb", [new_markdown_cell(f"{content}\n{odd}")])
    output = export_notebook(path, tmp_path / f"n{suffix}")
    if suffix == ".html":
        assert base64.b64encode(b"secret").decode() not in output.read_text("utf-8")
    else:
        document = docx.Document(str(output))
        assert not document.inline_shapes
        assert "the none.png the folder.png the broken.png" in document.paragraphs[0].text


def test_an_older_notebook_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.ipynb"
    cell = {"cell_type": "markdown", "metadata": {}, "source": ["from *2014*"]}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [cell]}]}
    path.write_text(json.dumps(old))
    assert export_notebook(path, tmp_path / "old.md").read_text() == "from *2014*\n"
    cells = [{**cell, "source": "no id"}]
    young = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    path.write_text(json.dumps(young))
    assert export_notebook(path, tmp_path / "old.md").read_text() == "no id\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'"text"',
        b'{"nbformat": 99, "cells": []}',
        b'{"nbformat": 4, "nbformat_minor": 5, "cells": 3, "metadata": {}}',
        b'{"nbformat": 4, "nbformat_minor": 5, "cells": [{}], "metadata": {}}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}',
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"n\.ipynb"):
        export_notebook(path, tmp_path / "n.html")
    assert [each.name for each in tmp_path.iterdir()] == ["n.ipynb"]


def test_a_notebook_that_is_not_there_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        export_notebook(tmp_path / "none.ipynb", tmp_path / "n.html")


@pytest.mark.parametrize("name", ["n.odt", "n", "n.html.gz"])
def test_other_endings_are_refused(notebook: Path, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"\.html, \.md, \.pdf, \.docx"):
        export_notebook(notebook, notebook.with_name(name))


def test_a_document_that_cannot_be_written_is_a_destination_error(notebook: Path) -> None:
    with pytest.raises(DestinationError, match="Create the folder first"):
        export_notebook(notebook, notebook.parent / "none" / "n.html")


def test_a_document_is_replaced_as_a_whole_and_a_failure_leaves_it(notebook: Path) -> None:
    output = notebook.with_suffix(".md")
    output.write_text("old")
    assert export_notebook(str(notebook), str(output)) == output
    new = output.read_text("utf-8")
    assert new != "old"
    notebook.write_text("{")
    with pytest.raises(SourceError):
        export_notebook(notebook, output)
    assert output.read_text("utf-8") == new
