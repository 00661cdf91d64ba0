"""What is installed: every built file once, the extensions enabled, and nothing left afterwards."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections import Counter
from pathlib import Path

import pytest

import jupyter_server_ext
import progresswidget

ROOT = Path(__file__).parents[1]
JS = ROOT / "progresswidget" / "js"
SOURCES = ("progresswidget", "jupyter_server_ext", "pyproject.toml", "README.md", "LICENSE")
BUILT = ("static", "labextension")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy without built files, with no node but the wheel's own on PATH."""
    source = tmp_path_factory.mktemp("a source")  # with a space
    skipped = shutil.ignore_patterns("__pycache__", "node_modules", *BUILT)
    for name in SOURCES:
        item = ROOT / name
        if item.is_dir():
            shutil.copytree(item, source / name, ignore=skipped)
        else:
            shutil.copy(item, source)
    # The packages that `npm install` would fetch are here already; the test fetches nothing.
    modules = source / "progresswidget" / "js" / "node_modules"
    shutil.copytree(JS / "node_modules", modules, symlinks=True, copy_function=os.link)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "npm_config_offline": "true",
    }
    environment.pop("HATCH_JUPYTER_BUILDER_SKIP_NPM", None)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=source
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = (source / "dist").glob("*.whl")
    return found


def test_the_wheel_has_every_built_file_once(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        digests = Counter(archive.read(name) for name in names if name.endswith((".js", ".css")))
    assert [name for name, times in Counter(names).items() if times > 1] == []
    assert [content[:80] for content, times in digests.items() if times > 1] == []
    data = f"progresswidget-{progresswidget.__version__}.data/data"
    for folder, target in (
        (ROOT / "progresswidget" / "static", "progresswidget/static"),
        (
            ROOT / "progresswidget" / "labextension",
            f"{data}/share/jupyter/labextensions/progresswidget",
        ),
    ):
        here = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        packed = {
            name.removeprefix(f"{target}/") for name in names if name.startswith(f"{target}/")
        }
        # A bundler names its chunks by their content; the kinds of files are what must agree.
        assert {Path(name).name.split(".")[0] for name in here} == {
            Path(name).name.split(".")[0] for name in packed
        }
    config = f"{data}/etc/jupyter/jupyter_server_config.d/progresswidget.json"
    assert config in names
    for ending in ("yaml", "json"):
        sources = (ROOT / "jupyter_server_ext").rglob(f"*.{ending}")
        shipped = {path.relative_to(ROOT).as_posix() for path in sources} - {
            "jupyter_server_ext/config/progresswidget.json"
        }
        assert shipped, "schemas of events, the dashboard and rules"
        assert shipped <= set(names)
    assert not [name for name in names if "/js/" in name or "node_modules" in name]
    assert not [name for name in names if name.startswith("tests/")]


def test_installing_enables_the_server_extension_and_uninstalling_leaves_nothing(
    wheel: Path, tmp_path: Path
) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"

    def files() -> set[str]:
        return {
            str(path.relative_to(home))
            for path in home.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def pip(*arguments: str) -> None:
        command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
        subprocess.run(command, check=True)

    before = files()
    pip("install", "--no-deps", "--no-index", str(wheel))
    installed = files() - before
    config = json.loads(
        (home / "etc/jupyter/jupyter_server_config.d/progresswidget.json").read_text()
    )
    assert config == {"ServerApp": {"jpserver_extensions": {"jupyter_server_ext": True}}}
    assert "share/jupyter/labextensions/progresswidget/package.json" in installed
    pip("uninstall", "--yes", "progresswidget")
    assert files() == before
    assert not (home / "share" / "jupyter" / "labextensions" / "progresswidget").exists()


def test_python_and_javascript_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = json.loads((JS / "package.json").read_text())
    assert progresswidget.__version__ == project["version"] == package["version"]
    assert jupyter_server_ext.__version__ == project["version"]


def test_the_lock_file_records_no_download_address() -> None:
    lock = json.loads((JS / "package-lock.json").read_text())
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


def test_the_top_level_holds_what_was_agreed_and_nothing_else() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert {name.split("/")[0] for name in listed.split()} == {
        ".ci",
        ".github",
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "jupyter_server_ext",
        "notebooks",
        "progresswidget",
        "pyproject.toml",
        "tests",
    }


def test_the_loops_of_the_tutorial_wait_as_long_as_its_first_cell_says() -> None:
    notebook = json.loads((ROOT / "notebooks" / "05_loops.ipynb").read_text(encoding="utf-8"))
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    assert "PAUSE = 0.1" in code[0]
    waits = re.findall(r"time\.sleep\((.*)\)", "\n".join(code))
    assert len(waits) >= 4
    told = "sys.argv[2]"  # the script of a process of its own is told how long it waits
    assert all("PAUSE" in wait or told in wait for wait in waits)
    assert all(re.search(r"command, .*PAUSE", cell) for cell in code if told in cell)


@pytest.mark.parametrize(
    ("name", "limit"), [("widget.js", 40_000), ("dialog.js", 24_000), ("again.js", 600)]
)
def test_what_travels_with_notebooks_stays_small(name: str, limit: int) -> None:
    """Each is in every notebook that shows it where no labextension is installed."""
    bundle = (ROOT / "progresswidget" / "static" / name).read_bytes()
    assert len(gzip.compress(bundle)) < limit
