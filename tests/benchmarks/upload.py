"""Measure our uploads against what people use instead, interleaved.

Run ``python tests/benchmarks/upload.py``. What is sent and what is received lie in memory
(/dev/shm), every server has one process, and every client is a process of its own. A small request
is sent every 10 ms meanwhile; the same beside downloads of ours is there to compare. CPU is the
server's. Small files come one after the other: what must be known of each after a loss of power
goes to the disk of the temporary files. Ours is the only one that knows a SHA-256 of what has come
at the end. Only the ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from download import make_file, percentile, result, start
from servers import Server, child, free_port, jupyter, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GB = 1e9
NODE = "@tus/server"
STREAMS = 4
WRITER = Path(__file__).with_name("writer.py")
NODE_SERVER = """
import { createServer } from 'node:http';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
const [port, directory] = process.argv.slice(2);
const tus = new Server({ path: '/files', datastore: new FileStore({ directory }) });
createServer((request, answer) => {
  if (request.url === '/api') {
    answer.setHeader('Content-Length', 2);
    answer.end('{}');
  } else {
    tus.handle(request, answer);
  }
}).listen(Number(port), '127.0.0.1');
"""


@contextmanager
def tus_server(root: Path, folder: Path) -> Iterator[Server]:
    """Run the reference implementation of tus for Node, in its own process."""
    port = free_port()
    (folder / "server.mjs").write_text(NODE_SERVER)
    node = Path(str(shutil.which("node")))
    command = [str(node), str(folder / "server.mjs"), str(port), str(root)]
    with running(command, port, folder) as pid:
        # The one that comes as a Python package is a script that starts the real one.
        worker = child(pid) if node.read_bytes()[:2] == b"#!" else pid
        yield Server(NODE, worker, port, "/files", "/api")


def installed(folder: Path) -> bool:
    """Install the reference implementation, where there is npm and a registry."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return False
    command = [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder)]
    command += ["@tus/server@2", "@tus/file-store@2"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def send(server: Server, what: str, path: str, file: Path, count: int) -> list[float]:
    command = [sys.executable, "-S", str(WRITER), what, str(server.port), path, str(file)]
    process = subprocess.Popen([*command, str(count)], stdout=subprocess.PIPE, text=True)
    return result(process)


def clear(root: Path) -> None:
    for path in root.iterdir():
        path.unlink()


def measure(server: Server, what: str, path: str, file: Path, root: Path) -> dict[str, float]:
    """Upload once alone, and then several at once, with small requests meanwhile."""
    figures = {}
    size = file.stat().st_size
    for count in (1, STREAMS):
        probe = start("probe", server, server.small)
        server.forget_peak()
        memory, before = server.status("VmRSS"), server.cpu()
        seconds = send(server, what, path, file, count)
        cpu = server.cpu() - before
        took = result(probe)
        figures[f"speed {count}"] = size * count / GB / max(seconds)
        figures[f"cpu {count}"] = cpu / (size * count / GB)
        figures[f"memory {count}"] = (server.status("VmHWM") - memory) / 1024
        figures[f"p50 {count}"] = 1000 * statistics.median(took)
        figures[f"p99 {count}"] = 1000 * percentile(took, 0.99)
        clear(root)
    return figures


def measure_small(server: Server, path: str, file: Path, root: Path) -> dict[str, float]:
    """Upload many small files, over one connection and over several."""
    figures = {}
    for count in (1, STREAMS):
        before, begun = server.cpu(), time.perf_counter()
        took = send(server, "many", path, file, count)
        seconds = time.perf_counter() - begun
        figures[f"p50 {count}"] = 1000 * statistics.median(took)
        figures[f"p99 {count}"] = 1000 * percentile(took, 0.99)
        figures[f"rate {count}"] = len(took) / seconds
        figures[f"cpu {count}"] = 1000 * (server.cpu() - before) / len(took)
        clear(root)
    return figures


def beside_downloads(server: Server, root: Path, file: Path) -> dict[str, float]:
    """Return p50 and p99 of a small request beside as many downloads, in milliseconds."""
    (root / "source.bin").hardlink_to(file)
    figures = {}
    for count in (1, STREAMS):
        probe = start("probe", server, server.small)
        result(start("stream", server, "/progresswidget/contents/source.bin", str(count)))
        took = result(probe)
        figures[f"p50 {count}"] = 1000 * statistics.median(took)
        figures[f"p99 {count}"] = 1000 * percentile(took, 0.99)
    clear(root)
    return figures


def compare(shared: Path, work: Path, given: argparse.Namespace) -> None:
    source = shared / "source.bin"
    make_file(source, given.size << 20)
    small = shared / "small.bin"
    make_file(small, min(given.size, 256) << 20)
    tiny = shared / "tiny.bin"
    tiny.write_bytes(small.read_bytes()[: 16 << 10])
    found: dict[str, list[dict[str, float]]] = {}
    little: dict[str, list[dict[str, float]]] = {}
    beside: list[dict[str, float]] = []

    def place(name: str) -> tuple[Path, Path]:
        root, folder = shared / name, work / name
        root.mkdir()
        folder.mkdir()
        return root, folder

    with ExitStack() as stack:
        root, folder = place("ours")
        ours = stack.enter_context(jupyter(root, folder, ours=True))
        rows: list[tuple[Server, Callable[[], dict[str, float]]]] = [
            (ours, lambda: measure(ours, "tus", "/progresswidget/uploads/", source, root))
        ]
        tuses = [(ours, "/progresswidget/uploads/", root)]
        other, folder = place("node")
        if given.only in NODE and installed(folder):
            node = stack.enter_context(tus_server(other, folder))
            rows.append((node, lambda: measure(node, "tus", "/files", source, other)))
            tuses.append((node, "/files", other))
        else:
            print(f"not asked for, or no npm, or no registry: {NODE} is left out")
        plain, folder = place("contents")
        contents = stack.enter_context(jupyter(plain, folder, ours=False))
        contents.name = "jupyter_server contents API"
        rows.append(
            (contents, lambda: measure(contents, "contents", "/api/contents/", small, plain))
        )
        for _ in range(given.rounds):
            for server, run in rows:
                if given.only in server.name:
                    found.setdefault(server.name, []).append(run())
            for server, path, where in tuses:
                little.setdefault(server.name, []).append(measure_small(server, path, tiny, where))
            beside.append(beside_downloads(ours, root, source))
    table(found)
    table_of_small(little)
    row = {key: statistics.median(one[key] for one in beside) for key in beside[0]}
    for count in (1, STREAMS):
        pair = f"{row[f'p50 {count}']:.1f} / {row[f'p99 {count}']:.1f} ms"
        print(f"small GET beside {count} download(s) of ours: {pair}")


def table(found: dict[str, list[dict[str, float]]]) -> None:
    print(
        f"{'server':28}{'1 stream':>10}{'CPU':>7}{'small GET':>13}{'memory':>9}"
        f"{f'{STREAMS} streams':>12}{'CPU':>7}{'small GET':>13}{'memory':>9}"
    )
    print(
        f"{'':28}{'GB/s':>10}{'s/GB':>7}{'p50 / p99':>13}{'MiB':>9}"
        f"{'GB/s':>12}{'s/GB':>7}{'p50 / p99':>13}{'MiB':>9}"
    )
    for name, rows in found.items():
        row = {key: statistics.median(one[key] for one in rows) for key in rows[0]}
        line = f"{name:28}"
        for count, width in ((1, 10), (STREAMS, 12)):
            line += f"{row[f'speed {count}']:{width}.2f}{row[f'cpu {count}']:7.2f}"
            line += f"{row[f'p50 {count}']:6.1f} /{row[f'p99 {count}']:5.1f}"
            line += f"{row[f'memory {count}']:+9.1f}"
        print(line)


def table_of_small(found: dict[str, list[dict[str, float]]]) -> None:
    for name, rows in found.items():
        row = {key: statistics.median(one[key] for one in rows) for key in rows[0]}
        for count in (1, STREAMS):
            print(
                f"{name}, files of 16 KiB over {count} connection(s): "
                f"{row[f'rate {count}']:.0f} in a second, "
                f"{row[f'p50 {count}']:.1f} / {row[f'p99 {count}']:.1f} ms, "
                f"{row[f'cpu {count}']:.1f} ms of the server's processor each"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=1024, help="of the file, MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a server's name")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as shared,
        tempfile.TemporaryDirectory() as folder,
    ):
        compare(Path(shared), Path(folder), given)


if __name__ == "__main__":
    main()
