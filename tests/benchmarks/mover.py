"""The Python client of the benchmark of transfers: a notebook's kernel, as far as that matters.

It reads one task a line from its input, as JSON: the name of a function of the package and its
arguments; and prints the seconds until the call returned, which is when the digest is known too.
So what importing costs, once in the life of a kernel, is not measured.
"""

from __future__ import annotations

import json
import os
import sys
import time

import progresswidget as pw


def main() -> None:
    """Do what is asked for until the input ends."""
    for line in sys.stdin:
        name, arguments, options = json.loads(line)
        processor, start = sum(os.times()[:2]), time.perf_counter()
        getattr(pw, name)(*arguments, **options)
        seconds = time.perf_counter() - start
        print(json.dumps([seconds, sum(os.times()[:2]) - processor]), flush=True)


if __name__ == "__main__":
    main()
