"""Measure what one step of a loop costs above the bare loop, ours beside the peers.

Run ``python tests/benchmarks/track.py``. Each round runs every way through every kind of loop, one
after the other, from the first item to the last, so that what begins and ends a bar does not count.
The same is measured in a plain process, whose bars write to nowhere, and in a real kernel that
reports to a real notebook server; there tqdm.notebook takes part, and everybody shows what they
show, while a longer loop around them is reported. It is told what one step costs, in nanoseconds,
and how many times more with tqdm.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Figures = dict[str, dict[str, list[float]]]

STEPS = 10_000
"""So few that most turns pass without another program having one, and many rounds instead."""
SLOW = {"alive-progress": 10}
"""By how many fewer steps who is slow is measured with."""
BY_HAND: dict[str, dict[str, Any]] = {
    "update()": {},
    "each second": {"mininterval": 1},
    "each hundred": {"miniters": 100},
}
"""Options of bars that are counted by hand, by what their figures are called."""
KNOWING = {"bare", "progresswidget", "tqdm", "tqdm.notebook"}
"""Ways that know these options."""


def generated(count: int) -> Iterator[int]:
    yield from range(count)


KINDS: dict[str, Callable[[int], Iterable[int]]] = {
    "range": range,
    "list": lambda count: list(range(count)),
    "generator": generated,
    "any iterator": lambda count: map(abs, range(count)),
}


def run(items: Iterable[int], last: int) -> float:
    """Return the nanoseconds of a step of a loop whose body is next to nothing."""
    steps = iter(items)
    next(steps)
    clock = time.perf_counter_ns
    begun = ended = clock()
    for item in steps:
        if item == last:
            ended = clock()
    return (ended - begun) / last


def run_by_hand(update: Callable[[], object] | None, count: int) -> float:
    clock = time.perf_counter_ns
    begun = clock()
    if update is None:
        for _ in range(count):
            pass
    else:
        for _ in range(count):
            update()
    return (clock() - begun) / count


class Nowhere(io.StringIO):
    """A file that forgets what is written to it."""

    def write(self, text: str) -> int:
        return len(text)


class Ways:
    """All ways to loop, each with how it goes over something and how it counts by hand.

    Parameters
    ----------
    kernel
        Whether this is a kernel, where bars are shown by other means than text.
    """

    def __init__(self, *, kernel: bool) -> None:
        import rich.console
        import rich.progress
        import tqdm
        from alive_progress import alive_bar, alive_it

        import progresswidget as pw

        sink = Nowhere()
        where: dict[str, Any] = {} if kernel else {"file": sink}
        console = rich.console.Console(file=sink)
        alive: dict[str, Any] = {"file": sink, "force_tty": False}
        self.over: dict[str, Callable[[Iterable[int]], Iterable[int]]] = {
            "bare": iter,
            "progresswidget": partial(pw.tqdm, **where),
            "tqdm": partial(tqdm.tqdm, **where),
            "rich": partial(rich.progress.track, console=console, description=""),
            "alive-progress": partial(alive_it, **alive),
        }

        @contextmanager
        def by_rich(total: int) -> Iterator[Callable[[], object]]:
            with rich.progress.Progress(console=console) as progress:
                yield partial(progress.advance, progress.add_task("", total=total))

        @contextmanager
        def by_update(kind: Any, total: int, **options: Any) -> Iterator[Callable[[], object]]:
            with kind(total=total, **where, **options) as bar:
                yield bar.update

        self.by_hand: dict[str, Callable[..., Any]] = {
            "bare": lambda _, **_options: nullcontext(),
            "progresswidget": partial(by_update, pw.tqdm),
            "tqdm": partial(by_update, tqdm.tqdm),
            "rich": by_rich,
            "alive-progress": partial(alive_bar, **alive),
        }
        if kernel:
            import tqdm.notebook

            # What nobody could cancel does not look whether it was.
            self.over["progresswidget, cancellable"] = partial(pw.track, cancellable=True)
            self.over["tqdm.notebook"] = tqdm.notebook.tqdm
            self.by_hand["tqdm.notebook"] = partial(by_update, tqdm.notebook.tqdm)


def measure(rounds: int, *, kernel: bool) -> Figures:
    """Return what each step took above the bare loop, in each round, by kind and way."""
    warnings.simplefilter("ignore")
    ways = Ways(kernel=kernel)
    found: Figures = {}
    turns: Iterable[int] = range(rounds)
    if kernel:
        import progresswidget as pw

        # The loops are too short to be told to the server; this one is, five times a second.
        turns = pw.tqdm(turns)
    for _ in turns:
        for kind, make in KINDS.items():
            bare = 0.0
            for way, over in ways.over.items():
                count = STEPS // SLOW.get(way, 1)
                took = run(over(make(count)), count - 1)
                bare = bare or took
                found.setdefault(kind, {}).setdefault(way, []).append(took - bare)
        for kind, options in BY_HAND.items():
            bare = 0.0
            for way, by_hand in ways.by_hand.items():
                if options and way not in KNOWING:
                    continue
                count = STEPS // SLOW.get(way, 1)
                with by_hand(count, **options) as update:
                    took = run_by_hand(update, count)
                bare = bare or took
                found.setdefault(kind, {}).setdefault(way, []).append(took - bare)
    return found


def measure_in_kernel(rounds: int) -> Figures:
    """Start a notebook server and a kernel that reports to it, and measure there."""
    from jupyter_client.manager import start_new_kernel
    from reporter import find_endpoint
    from servers import jupyter

    with tempfile.TemporaryDirectory() as name:
        root, folder, result = Path(name) / "root", Path(name) / "server", Path(name) / "result"
        root.mkdir()
        folder.mkdir()
        with jupyter(root, folder, ours=True):
            find_endpoint(folder)
            manager, client = start_new_kernel(env=dict(os.environ))
            try:
                code = (
                    f"import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
                    f"from track import measure\n"
                    f"found = measure({rounds}, kernel=True)\n"
                    f"open({str(result)!r}, 'w').write(json.dumps(found))"
                )
                reply = client.execute_interactive(code, output_hook=lambda _: None)
                if reply["content"]["status"] != "ok":
                    raise RuntimeError("\n".join(reply["content"]["traceback"]))
            finally:
                client.stop_channels()
                manager.shutdown_kernel(now=True)
        found: Figures = json.loads(result.read_text())
        return found


def show(title: str, found: Figures) -> None:
    width = max(len(way) for ways in found.values() for way in ways) + 2
    print(f"\n{title + ', ns a step':{width}}" + "".join(f"{kind:>14}" for kind in found))
    middle = {
        kind: {way: statistics.median(each) for way, each in ways.items()}
        for kind, ways in found.items()
    }
    for way in middle["range"]:
        if way == "bare":
            continue
        row = f"{way:{width}}"
        for ways in middle.values():
            row += f"{ways[way]:14.1f}" if way in ways else f"{'':14}"
        print(row)
    row = f"{'tqdm is so much slower':{width}}"
    for ways in middle.values():
        # What is below a nanosecond cannot be told from nothing.
        row += f"{ways['tqdm'] / max(ways['progresswidget'], 1):14.1f}"
    print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    show("a process", measure(given.rounds, kernel=False))
    show("a kernel", measure_in_kernel(given.rounds))


if __name__ == "__main__":
    main()
