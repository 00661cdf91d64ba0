"""A real Prometheus that reads a server, and the dashboard and rules that we ship for it."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import programs
from laboratory import eventually
from ports import free_port

import jupyter_server_ext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import Server

    from progresswidget.protocol import Json

FOLDER: Final = Path(jupyter_server_ext.__file__).parent / "dashboards"
DASHBOARD: Final = FOLDER / "grafana.json"
RULES: Final = FOLDER / "alerts.yaml"


def dashboard() -> Json:
    """Return the dashboard."""
    value: Json = json.loads(DASHBOARD.read_text())
    return value


def targets() -> Iterator[tuple[str, Json]]:
    """Return every query of the dashboard with the title of its panel."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target


class Prometheus:
    """One Prometheus.

    Parameters
    ----------
    folder
        For its configuration and its data.
    server
        The one that it reads, every quarter of a second.
    schemes
        By the name of a job, what stands before the token.
    """

    def __init__(self, folder: Path, server: Server, schemes: dict[str, str]) -> None:
        self._folder, self._server = folder, server
        self._port = free_port()
        folder.mkdir()
        config = {
            "global": {"scrape_interval": "250ms", "evaluation_interval": "250ms"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": name,
                    "metrics_path": f"{server.base_url}metrics",
                    "authorization": {"type": scheme, "credentials": token},
                    "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}],
                }
                for name, (scheme, token) in self._tokens(schemes).items()
            ],
        }
        # JSON is YAML too.
        (folder / "prometheus.yml").write_text(json.dumps(config))

    def _tokens(self, schemes: dict[str, str]) -> dict[str, tuple[str, str]]:
        own = {name: (scheme, self._server.token) for name, scheme in schemes.items()}
        return own | {"wrong": ("token", "wr0ng")}

    def __enter__(self) -> Self:
        command = [
            programs.path("prometheus"),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        self._log = (self._folder / "log.txt").open("wb")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        try:
            eventually(self._is_ready, what="Prometheus is ready")
        except AssertionError:
            self.__exit__()
            raise AssertionError((self._folder / "log.txt").read_text()) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """Return what its API answers; a query that it does not understand fails."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=30) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[Json]:
        """Return the value of an expression now, by its labels."""
        result: list[Json] = self.ask("query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float | None:
        """Return its one value, None where there is none."""
        result = self.query(expression)
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None

    def query_range(self, expression: str, seconds: float, end: float) -> list[Json]:
        """Return the lines of an expression over the last seconds, as a dashboard asks for it."""
        times = {"start": f"{end - seconds:.3f}", "end": f"{end:.3f}", "step": "1"}
        data = self.ask("query_range", query=expression, **times)
        assert data["resultType"] == "matrix"
        result: list[Json] = data["result"]
        return result
