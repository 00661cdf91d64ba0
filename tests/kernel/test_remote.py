"""The reporter that travels: a forked child goes on, and leaves its parent's line alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from progresswidget import protocol
from progresswidget.client import Endpoint
from progresswidget.remote import JobReporter

if TYPE_CHECKING:
    from conftest import ReportingServer

# Python 3.12 and later warn of each fork beside threads, and such forks are what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def test_a_fork_in_the_middle_of_a_report_does_not_hang(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("progresswidget.remote.INTERVAL", 0.0)
    endpoint = Endpoint.find()
    assert endpoint is not None
    order = {"name": "a", "path": "/a", "kind": "task", "total": 10}
    queued = protocol.queued("0" * 32, protocol.decode_order(json.dumps(order).encode()), 0)
    reporter = JobReporter(endpoint, {**queued, "created": 0})
    reporter.update(1)
    with reporter._lock:  # as while it waits for an answer
        child = os.fork()
        if child == 0:
            reporter.update(2)
            os._exit(0)
        with reporting_server.arrived:
            assert reporting_server.arrived.wait_for(
                lambda: reporting_server.reports[-1]["pid"] == child, timeout=60
            )
        os.waitpid(child, 0)
    reporter.finish("cancelled", rows=3)
    told = [(each["pid"] == child, each["rows"]) for each in reporting_server.reports]
    assert told == [(False, 1), (True, 2), (False, 3)]
