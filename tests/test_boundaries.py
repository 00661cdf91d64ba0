"""The import order: who may know whom, read from the sources and seen in a clean process."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("progresswidget", "jupyter_server_ext")

# module -> the modules of the project that it may import, at any depth of nesting in its code.
# A package stands for everything below it. Lower rows know nothing of higher ones.
ORDER = {
    "progresswidget.errors": set(),
    "progresswidget.protocol": {"progresswidget.protocol"},
    "progresswidget.meter": set(),
    "progresswidget.texts": set(),
    "progresswidget.cell": set(),
    "progresswidget.export": {"progresswidget.errors", "progresswidget.export"},
    "progresswidget.replies": set(),
    "progresswidget.client": {"progresswidget.protocol", "progresswidget.replies"},
    "progresswidget.reporting": {"progresswidget.client", "progresswidget.protocol"},
    "progresswidget.remote": {
        "progresswidget.cell",
        "progresswidget.client",
        "progresswidget.errors",
        "progresswidget.protocol",
    },
    "progresswidget.probe": {
        "progresswidget.client",
        "progresswidget.export",
        "progresswidget.protocol",
    },
    "progresswidget.sending": {
        "progresswidget.client",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.protocol",
        "progresswidget.transfer",
    },
    "progresswidget.textbar": {"progresswidget.protocol", "progresswidget.texts"},
    "progresswidget.outbox": set(),
    "progresswidget.synced": {
        "progresswidget.meter",
        "progresswidget.outbox",
        "progresswidget.protocol",
    },
    "progresswidget.widget": {
        "progresswidget.basejob",
        "progresswidget.errors",
        "progresswidget.outbox",
        "progresswidget.protocol",
        "progresswidget.synced",
    },
    "progresswidget.progress_widget": {
        "progresswidget.cell",
        "progresswidget.errors",
        "progresswidget.meter",
        "progresswidget.outbox",
        "progresswidget.protocol",
        "progresswidget.synced",
        "progresswidget.texts",
        "progresswidget.widget",
    },
    "progresswidget.combined": {"progresswidget.protocol"},
    "progresswidget.family": {"progresswidget.combined", "progresswidget.protocol"},
    "progresswidget.basejob": {
        "progresswidget.combined",
        "progresswidget.display",
        "progresswidget.protocol",
        "progresswidget.widget",
    },
    "progresswidget.followed": {
        "progresswidget.cell",
        "progresswidget.protocol",
        "progresswidget.told",
    },
    "progresswidget.group": {
        "progresswidget.basejob",
        "progresswidget.combined",
        "progresswidget.display",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.family",
        "progresswidget.followed",
        "progresswidget.meter",
        "progresswidget.protocol",
        "progresswidget.reporting",
        "progresswidget.texts",
        "progresswidget.told",
    },
    "progresswidget.display": {
        "progresswidget.basejob",
        "progresswidget.cell",
        "progresswidget.protocol",
        "progresswidget.texts",
        "progresswidget.widget",
    },
    "progresswidget.work": {"progresswidget.export"},
    "progresswidget.told": {
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.protocol",
    },
    "progresswidget.links": {
        "progresswidget.client",
        "progresswidget.errors",
        "progresswidget.protocol",
    },
    "progresswidget.waiting": set(),
    "progresswidget.reach": {
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.probe",
        "progresswidget.protocol",
        "progresswidget.sending",
    },
    "progresswidget.filejob": {
        "progresswidget.basejob",
        "progresswidget.combined",
        "progresswidget.export",
        "progresswidget.family",
        "progresswidget.followed",
        "progresswidget.links",
        "progresswidget.meter",
        "progresswidget.protocol",
        "progresswidget.reach",
        "progresswidget.told",
        "progresswidget.work",
    },
    "progresswidget.job": {
        "progresswidget.cell",
        "progresswidget.display",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.family",
        "progresswidget.filejob",
        "progresswidget.protocol",
        "progresswidget.reporting",
        "progresswidget.textbar",
        "progresswidget.texts",
        "progresswidget.waiting",
        "progresswidget.work",
    },
    "progresswidget.exporting": {
        "progresswidget.export",
        "progresswidget.group",
        "progresswidget.job",
    },
    "progresswidget.transfer": {
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.transfer",
    },
    "progresswidget.transfer.job": {
        "progresswidget.client",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.group",
        "progresswidget.job",
        "progresswidget.transfer",
        "progresswidget.work",
    },
    "progresswidget.delivery": {
        "progresswidget.delivery",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.group",
        "progresswidget.transfer",
    },
    "progresswidget.loops": {
        "progresswidget.basejob",
        "progresswidget.cell",
        "progresswidget.client",
        "progresswidget.display",
        "progresswidget.errors",
        "progresswidget.family",
        "progresswidget.followed",
        "progresswidget.combined",
        "progresswidget.loops",
        "progresswidget.meter",
        "progresswidget.outbox",
        "progresswidget.protocol",
        "progresswidget.reporting",
        "progresswidget.textbar",
        "progresswidget.texts",
        "progresswidget.told",
    },
    "progresswidget.loops.pipe": {"progresswidget", "progresswidget.loops"},
    "progresswidget.loops.sampling": set(),
    "progresswidget.accessors": {"progresswidget.exporting", "progresswidget.job"},
    "progresswidget.dialog": {
        "progresswidget.dialog",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.job",
        "progresswidget.protocol",
        "progresswidget.told",
        "progresswidget.widget",
    },
    "progresswidget.converting": {
        "progresswidget.client",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.job",
        "progresswidget.protocol",
        "progresswidget.told",
    },
    "progresswidget.cli": {
        "progresswidget",
        "progresswidget.converting",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.exporting",
        "progresswidget.loops",
        "progresswidget.texts",
        "progresswidget.transfer",
    },
    "progresswidget.__main__": {"progresswidget.cli"},
    "progresswidget.magics": {
        "progresswidget.cli",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.exporting",
        "progresswidget.job",
    },
    "progresswidget.notebook": {
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.notebook",
    },
    "progresswidget": {
        "progresswidget.accessors",
        "progresswidget.delivery",
        "progresswidget.dialog",
        "progresswidget.errors",
        "progresswidget.export",
        "progresswidget.exporting",
        "progresswidget.group",
        "progresswidget.job",
        "progresswidget.loops",
        "progresswidget.magics",
        "progresswidget.notebook",
        "progresswidget.progress_widget",
        "progresswidget.remote",
        "progresswidget.transfer",
        "progresswidget.widget",
    },
    "jupyter_server_ext": {"progresswidget.protocol", "jupyter_server_ext"},
    "jupyter_server_ext.ending": set(),
    "jupyter_server_ext.stores": {
        "jupyter_server_ext.ending",
        "jupyter_server_ext.errors",
        "jupyter_server_ext.following",
        "jupyter_server_ext.job",
        "jupyter_server_ext.links",
        "jupyter_server_ext.logs",
        "jupyter_server_ext.model",
        "jupyter_server_ext.sharing",
        "jupyter_server_ext.stores",
        "jupyter_server_ext.tally",
        "jupyter_server_ext.transferrecords",
        "jupyter_server_ext.tus",
        "jupyter_server_ext.uploadrecord",
        "progresswidget.protocol",
    },
    "jupyter_server_ext.schemas": {
        "jupyter_server_ext.errors",
        "jupyter_server_ext.idempotency",
        "jupyter_server_ext.schemas",
        "jupyter_server_ext.shaping",
        "progresswidget.protocol",
    },
    "jupyter_server_ext.transitions": {"progresswidget.protocol"},
    "jupyter_server_ext.job": {"jupyter_server_ext.processes", "progresswidget.protocol"},
    "jupyter_server_ext.model": {
        "jupyter_server_ext.job",
        "jupyter_server_ext.transitions",
        "progresswidget.protocol",
    },
}
HUB = {
    "changes",
    "framing",
    "hub",
    "outbox",
    "removed",
    "ring",
    "subscriber",
    "tally",
    "teller",
    "topic",
    "transferfeed",
}
ORDER |= {
    f"jupyter_server_ext.{name}": {f"jupyter_server_ext.{other}" for other in HUB}
    | {"progresswidget.protocol"}
    for name in HUB
}
# Modules of the server that decide: values in, values out.
PURE = sorted(
    HUB | {"conditions", "deframing", "job", "model", "ranges", "shaping", "transitions", "tus"}
)
EDGES = {"asyncio", "jupyter_server", "redis", "socket", "sqlite3", "threading", "time", "tornado"}


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def path_of(module: str) -> Path:
    package = ROOT.joinpath(*module.split("."), "__init__.py")
    return package if package.exists() else package.parent.with_suffix(".py")


def imports_of(module: str) -> set[str]:
    """Return the project's own modules that a module imports, wherever in its code."""
    names = set()
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            below = {f"{base}.{alias.name}" for alias in node.names}
            names |= {name if path_of(name).exists() else base for name in below}
    return {name for name in names if name.split(".")[0] in PACKAGES and name != module}


def row_of(module: str) -> str:
    return max((row for row in ORDER if is_below(module, row)), key=len)


def is_below(module: str, row: str) -> bool:
    if row == "progresswidget":
        return module == row
    return module == row or module.startswith(f"{row}.")


def test_every_row_is_of_a_module_and_names_modules() -> None:
    named = set(ORDER) | set[str]().union(*ORDER.values())
    assert {name for name in named if not path_of(name).exists()} == set()


def test_no_row_allows_what_nobody_uses() -> None:
    # But for those of the hub, whose parts may all know each other.
    spare = {row: set(allowed) for row, allowed in ORDER.items() if row.split(".")[-1] not in HUB}
    for module in modules():
        row = row_of(module)
        if row in spare:
            used = imports_of(module)
            spare[row] -= {name for name in spare[row] if any(is_below(one, name) for one in used)}
    assert {row: names for row, names in spare.items() if names} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_map_for_contributors_names_what_is_there(package: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition(f"| in `{package}/` |")[2].partition("\n\n")[0]
    named = {name for name in re.findall(r"`([a-z_]+)/?`", table) if not name.startswith("pw.")}
    assert len(named) > 20
    assert {name for name in named if not path_of(f"{package}.{name}").exists()} == set()


@pytest.mark.parametrize("module", modules())
def test_imports_run_one_way(module: str) -> None:
    allowed = ORDER[row_of(module)]
    forbidden = {
        name for name in imports_of(module) if not any(is_below(name, row) for row in allowed)
    }
    assert not forbidden


@pytest.mark.parametrize("module", modules())
def test_only_the_root_of_the_server_knows_its_handlers(module: str) -> None:
    if module != "jupyter_server_ext.extension":
        handlers = {name for name in imports_of(module) if ".handlers" in name}
        assert not handlers or is_below(module, "jupyter_server_ext.handlers")


@pytest.mark.parametrize("name", PURE)
def test_what_decides_has_no_loop_socket_thread_or_clock(name: str) -> None:
    tree = ast.parse(path_of(f"jupyter_server_ext.{name}").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    assert not found & EDGES


def test_the_protocol_needs_the_standard_library_and_nothing_else() -> None:
    loaded = {name.split(".")[0] for name in loaded_by("import progresswidget.protocol")}
    assert loaded - set(sys.stdlib_module_names) == {"progresswidget"}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys, json; before = set(sys.modules); {statement}; "
    code += "print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout))


def test_a_bare_import_loads_nothing_of_the_field() -> None:
    loaded = loaded_by("import progresswidget")
    heavy = {
        "pandas",
        "polars",
        "pyarrow",
        "httpx",
        "tornado",
        "ipywidgets",
        "anywidget",
        "IPython",
    }
    assert not loaded & heavy
    ours = {name for name in loaded if name.startswith("progresswidget")}
    assert ours == {"progresswidget", "progresswidget.accessors"}


def test_the_export_function_loads_no_frame_library_that_the_user_has_not() -> None:
    loaded = loaded_by("import progresswidget as pw; pw.export")
    assert not loaded & {"pandas", "polars", "pyarrow", "duckdb", "httpx", "tornado", "IPython"}


def test_the_server_extension_loads_nothing_but_the_protocol() -> None:
    loaded = loaded_by("import jupyter_server_ext.extension")
    ours = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("progresswidget.")}
    assert ours == {"progresswidget.accessors", "progresswidget.protocol"}
    assert not loaded & {"pandas", "polars", "pyarrow", "redis"}


def test_the_engine_is_a_module_and_the_function_stays_a_function() -> None:
    code = (
        "from progresswidget.export import pipeline as engine; import progresswidget as pw;"
        "assert callable(pw.export) and pw.export.__name__ == 'export', pw.export;"
        "assert engine.__name__ == 'progresswidget.export.pipeline'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_an_import_costs_less_than_50_ms_of_processor_time() -> None:
    # Processor time, the least of ten processes: what a noisy machine adds is not the import's.
    code = (
        "import time; start = time.process_time(); import progresswidget; "
        "print(time.process_time() - start)"
    )
    seconds = min(
        float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)) for _ in range(10)
    )
    assert seconds < 0.050


EXPORTS = """
import sys
import polars as pl
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

frame = pl.DataFrame({"a": ["x", None], "b": [1, None], "c": [True, None]})
frame = frame.with_columns(pl.col("a").cast(pl.Categorical).alias("d"))
for ending in sys.argv[2:]:
    Export(frame, f"{sys.argv[1]}/a.{ending}").run(Progress())
    assert "pandas" not in sys.modules, ending
assert "pyarrow" in sys.modules
"""


def test_an_export_of_another_library_does_not_load_pandas(tmp_path: Path) -> None:
    # pyarrow imports pandas, wherever it is installed, when it gets a value of Python.
    endings = ["csv", "ndjson.gz", "parquet", "arrows", "feather", "xlsx"]
    command = [sys.executable, "-c", EXPORTS, str(tmp_path), *endings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
