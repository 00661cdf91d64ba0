"""What the server knows of a job: what its kernel says of it, and what is added here. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_server_ext.processes import Process
from progresswidget.protocol import (
    ACTIVE,
    PRIVATE_FIELDS,
    Control,
    Fingerprint,
    Json,
    Part,
    Written,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that a kernel has sent: its absolute path here, and its fingerprint."""

    path: str
    fingerprint: Fingerprint

    def to_json(self) -> Json:
        """Return the form that stores keep."""
        return {"path": self.path, "fingerprint": self.fingerprint.to_json()}

    @classmethod
    def from_json(cls, value: Json) -> Placed:
        """Read what `to_json` wrote."""
        return cls(value["path"], Fingerprint.from_json(value["fingerprint"]))


@dataclass(frozen=True, slots=True)
class Job:
    """One export: its last report and what the server adds to it.

    Parameters
    ----------
    report
        As `progresswidget.protocol.decode_report` returns it.
    notebook
        Path of the notebook below the server's root, if the kernel belongs to one.
    pending
        What the user asked for and the kernel has not taken up yet.
    updated
        When the record last changed, in milliseconds since 1970.
    process
        The process that reported last, where it was seen alive on this host.
    placed
        The file on this server, where the kernel has another disk and has sent it.
    user
        Whose job it is, where that is known.
    conversion
        What was asked for, where a file of the server is converted.
    asked
        When the user last asked for something, in milliseconds since 1970; 0 for never.
    """

    report: Json
    updated: int
    notebook: str | None = None
    pending: Control | None = None
    process: Process | None = None
    placed: Placed | None = None
    user: str | None = None
    conversion: Json | None = None
    asked: int = 0

    @property
    def task_id(self) -> str:
        """The id of the job: 32 hexadecimal digits."""
        return str(self.report["taskId"])

    @property
    def key(self) -> str:
        """What stores keep the job under."""
        return self.task_id

    @property
    def status(self) -> str:
        """One of `progresswidget.protocol.STATUSES`."""
        return str(self.report["status"])

    @property
    def active(self) -> bool:
        """Whether the job may still change by itself."""
        return self.status in ACTIVE

    @property
    def kernel_id(self) -> str | None:
        """The kernel that runs the job, or None for a plain Python process."""
        kernel: str | None = self.report["kernelId"]
        return kernel

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What `os.stat` said of the file when it was published."""
        value = self.report["fingerprint"]
        return None if value is None else Fingerprint.from_json(value)

    @property
    def part(self) -> Part | None:
        """The file that is being written; None before it is begun, and where none can be read."""
        value = self.report.get("part")  # a store may hold reports of older kernels
        return None if value is None else Part.from_json(value)

    @property
    def written(self) -> Written | None:
        """The whole file under its name; None before it has one, or where it was not hashed."""
        value = self.report.get("written")
        return None if value is None else Written.from_json(value)

    def public(self, url: str, contents: str | None = None) -> Json:
        """Return the record that browsers see.

        Parameters
        ----------
        url
            Absolute path of the file on the server.
        contents
            The file's path below the server's root, where the file browser shows it.
        """
        record = {name: value for name, value in self.report.items() if name not in PRIVATE_FIELDS}
        record["url"] = url
        record["notebook"] = self.notebook
        record["pending"] = None if self.pending is None else self.pending.action
        record["updated"] = self.updated
        record["userId"] = self.user
        record["contents"] = contents
        record["source"] = None if self.conversion is None else self.conversion["source"]
        return record

    def to_json(self) -> Json:
        """Return the form that stores keep."""
        return {
            "report": self.report,
            "updated": self.updated,
            "notebook": self.notebook,
            "pending": None if self.pending is None else self.pending.to_json(),
            "process": None if self.process is None else self.process.to_json(),
            "placed": None if self.placed is None else self.placed.to_json(),
            "user": self.user,
            "asked": self.asked,
            "conversion": self.conversion,
        }

    @classmethod
    def from_json(cls, value: Json) -> Job:
        """Read what `to_json` wrote."""
        pending, process, placed = value["pending"], value.get("process"), value.get("placed")
        return cls(
            report=value["report"],
            updated=value["updated"],
            notebook=value["notebook"],
            pending=None if pending is None else Control(pending["id"], pending["action"]),
            process=None if process is None else Process.from_json(process),
            placed=None if placed is None else Placed.from_json(placed),
            user=value.get("user"),
            asked=value.get("asked", 0),
            conversion=value.get("conversion"),
        )
