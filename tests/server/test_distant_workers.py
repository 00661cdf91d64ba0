"""Workers that do not share the kernel's disk feed its bar, by a real server.

What they are sent is what any worker is sent; the folder that it names is not there for them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from progresswidget.protocol import ENDPOINT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Process

WORKER = """
import os, pickle, signal, sys
import progresswidget as pw

print("ready", flush=True)
reporter, steps, dies = pickle.load(sys.stdin.buffer)
for _ in range(steps):
    reporter.update()
if dies:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""
KERNEL = """
import json, os, pickle, subprocess, sys, time
import progresswidget as pw
from progresswidget.loops.workers import distant, feed
from progresswidget.loops import fed

environment = {name: value for name, value in os.environ.items() if "PROGRESS" not in name}

def prepare():
    command = [sys.executable, "-c", sys.argv[1]]
    pipe = subprocess.PIPE
    worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment)
    assert worker.stdout.readline() == b"ready\\n"
    return worker

def send(worker, reporter, steps, dies=False):
    sent = pickle.dumps((reporter, steps, dies))
    folder = bar._tally.workers._folder.encode()
    assert folder in sent
    worker.stdin.write(sent.replace(folder, folder.replace(b"progress", b"elsewher")))
    worker.stdin.flush()

def start(*task, **how):
    worker = prepare()
    send(worker, *task, **how)
    return worker

told = {}
quick = prepare()
fed.LAST_STEPS = 20.0
with pw.tqdm(total=12, desc="over at once") as bar:
    send(quick, bar.reporter(), 10)
    quick.stdin.close()
    quick.wait(60)
told["quick"] = bar.n
with pw.tqdm(total=100, desc="files") as bar:
    reporter = bar.reporter()
    ended = [start(reporter, 10) for _ in range(3)]
    for worker in ended:
        worker.stdin.close()
        assert worker.wait(60) == 0
    reporter.update(5)
    while bar.n < 35:
        time.sleep(0.01)
    feed.SILENCE = 1.0
    distant.PULSE = 0.1
    mortal = start(reporter, 20, dies=True)
    while bar.n < 55:
        time.sleep(0.01)
    mortal.stdin.close()
    told["died"] = mortal.wait(60)
    while "died" not in bar.job.postfix:
        time.sleep(0.01)
    told["said"] = bar.job.postfix
    last = start(reporter, 45)
    last.stdin.close()
    last.wait(60)
told["n"], told["task"] = bar.n, bar.job.id
told["workers"] = len(bar._tally.workers.each())
secret = json.loads(open(os.environ["PROGRESSWIDGET_ENDPOINT_FILE"]).read())["secret"]
sent = pickle.dumps(reporter)
told["secret"] = secret.encode() in sent
print(json.dumps(told))
"""


def test_they_count_by_the_server_and_one_that_is_killed_is_said(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    server = start()
    done = subprocess.run(
        [sys.executable, "-c", KERNEL, WORKER],
        env={**os.environ, ENDPOINT_VARIABLE: str(server.endpoint)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["died"] == -9
    assert told["said"] == "1 of 5 workers died"  # the kernel's own process counts, too
    assert (told["n"], told["workers"]) == (100, 6)
    assert told["quick"] == 10, "also of a loop that is over before it is shown"
    assert told["secret"] is False
    record = server.request(f"api/jobs/{told['task']}")
    assert (record["status"], record["rows"], record["total"]) == ("done", 100, 100)
    assert record["postfix"] == "1 of 6 workers died"
    assert "capability" not in server.log.read_text()
