"""One run of an export under the lease of its file: written until it stands, and then named."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import DestinationExistsError, ExportCancelledError, LeaseLostError
from progresswidget.export import finished, journal
from progresswidget.export.growing import Whole
from progresswidget.export.parts import is_part, remove_stale
from progresswidget.export.result import Result
from progresswidget.export.resume import Damaged, Earlier, StartOver, key_of
from progresswidget.export.running import Run
from progresswidget.export.trail import digest_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from progresswidget.export.formats import Format
    from progresswidget.export.lease import Lease
    from progresswidget.export.parts import Part
    from progresswidget.export.progress import Progress
    from progresswidget.export.sections import Section
    from progresswidget.export.sink import Filter
    from progresswidget.export.trail import Trail
    from progresswidget.export.writers import Heading, Writer

WORTH: Final = 16 * 2**20
"""Bytes whose SHA-256 takes so long, 10 ms, that it is worth to tell of the file before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written, after all that can be checked was checked.

    Parameters
    ----------
    path
        The file.
    format
        The row of the table of formats.
    sections
        The tables, or the entries.
    options
        Values of all options of the format.
    columns
        Columns in the file, those of an index included; 0 if nobody knows yet.
    encryptor
        Makes what encrypts the bytes on their way, for each try anew; None where nothing does.
    overwrite
        Whether a file that is there may be replaced.
    once
        Whether something of it can be read only once.
    """

    path: Path
    format: Format
    sections: Sequence[Section]
    options: Mapping[str, Any]
    columns: int
    encryptor: Callable[[], Filter | None] | None
    overwrite: bool
    once: bool

    @property
    def headings(self) -> list[Heading]:
        """What the writer is told of the sections."""
        return [section.heading for section in self.sections]

    @property
    def varies(self) -> bool:
        """Whether the same data gives other bytes each time."""
        return self.encryptor is not None or any(
            option.secret and self.options.get(option.name) is not None
            for option in self.format.options
        )

    def writer(self) -> Writer:
        """Return what encodes it."""
        return self.format.make(self.headings, self.options)


class Writing:
    """A run under its lease, of as many tries as it takes.

    Parameters
    ----------
    plan
        What is written.
    lease
        Of the file; its journal tells what an earlier run has left.
    progress
        Raised while it runs, and asked for pause and cancel.
    started
        When the run began, in monotonic seconds.
    """

    def __init__(self, plan: Plan, lease: Lease, progress: Progress, started: float) -> None:
        self._plan, self._lease = plan, lease
        self._progress, self._started = progress, started
        # The key of the journal; empty where no run can go on with another one.
        self._key = ""
        if not plan.varies:
            self._key = key_of(plan.format, plan.options, plan.headings)

    def run(self) -> Result:
        """Write the file, and give it its name.

        Raises
        ------
        ExportCancelledError, SourceError, ColumnError, DestinationError, OSError
            As `Export.run` says; what a later run can go on with is left, and nothing else.
        """
        progress = self._progress
        earlier = self._earlier()
        run = self._attempt(earlier)
        try:
            while True:
                try:
                    filled = run.fill()
                    break
                except StartOver:
                    run.behind.stop()
                    earlier = Earlier()
                except Damaged as damage:
                    run.behind.stop()
                    earlier.cut(damage.units)
                run = self._attempt(earlier)
            if run.tally.omitted:
                progress.total = progress.rows  # known by now, and worth to be told
            progress.checkpoint()
            progress.phase = "finishing"
            if filled is None or run.part is None:
                return self._keep(run)
            return self._publish(run, run.part, *filled)
        except BaseException as error:
            with suppress(OSError):  # what has ended it is what is told
                self._leave(run, error)
            raise

    def _attempt(self, earlier: Earlier) -> Run:
        plan = self._plan
        return Run(
            plan.path,
            plan.sections,
            plan.writer(),
            earlier,
            self._lease,
            self._key,
            self._progress,
            "writing" if plan.format.codec is None else "compressing",
            None if plan.encryptor is None else plan.encryptor(),
        )

    def _earlier(self) -> Earlier:
        """Return what can be gone on with."""
        plan, key = self._plan, self._key
        if plan.varies:
            return Earlier()
        writer = plan.writer()
        writer.close()
        begun = journal.read(self._lease.descriptor)
        usable = begun is not None and begun.key == key and is_part(plan.path, begun.part)
        if begun is not None and usable and writer.resumable and begun.records:
            return Earlier(plan.path.with_name(begun.part), begun.records)
        if not plan.overwrite or (plan.once and not writer.resumable):
            return Earlier()
        known = finished.recall(plan.path)
        if known is None or known.key != key:
            return Earlier()
        earlier = Earlier(plan.path, list(known.records), True, known.size, known.sha256)  # noqa: FBT003
        earlier.whole = known.whole
        return earlier

    def _publish(self, run: Run, part: Part, size: int, trail: Trail) -> Result:
        path, key = self._plan.path, self._key
        try:
            path.parent.stat()  # whoever has removed the folder has not taken over
            self._lease.check()
            published = part.publish(overwrite=self._plan.overwrite)
        except BaseException:
            trail.stop()
            raise
        self._tell(run, published, trail.left(size))
        whole = run.close_journal()
        self._lease.remove()
        if key:
            done = finished.Finished(key, list(run.records), size, "", whole=whole)
            finished.remember(path, published, done)
            if not whole:
                done = finished.Finished(key, run.records, size, "")
                finished.remember_later(path, published, done, run.behind, run.close_journal)
        if whole:
            run.behind.end()
        trail.end(
            size,
            lambda digest: finished.add_digest(path, published, key, digest) if key else None,
        )
        part.close()
        return self._result(run, size, published, trail.hexdigest)

    def _tell(self, run: Run, published: os.stat_result, left: int) -> None:
        """Let those who read along have their end before the SHA-256, if that takes a while."""
        if run.xxh128 is not None:
            self._progress.whole = Whole(published, run.xxh128)
            if left >= WORTH:
                self._progress.tell()

    def _keep(self, run: Run) -> Result:
        """Find the file that is there to be what would have been written."""
        run.behind.end()
        remove_stale(self._plan.path)  # of another export to this path that was killed
        self._lease.remove()
        path, digest = self._plan.path, run.earlier.sha256
        told = (lambda: digest) if digest else digest_of(path)
        return self._result(run, run.earlier.size, path.stat(), told)

    def _result(
        self, run: Run, size: int, stat: os.stat_result, digest: Callable[[], str]
    ) -> Result:
        rows = self._progress.rows - run.tally.omitted
        return Result(
            path=self._plan.path,
            rows=rows,
            columns=self._plan.columns,
            bytes=size,
            seconds=time.monotonic() - self._started,
            reused=min(run.tally.reused, rows),
            stat=stat,
            _digest=digest,
            omitted=run.tally.omitted,
        )

    def _leave(self, run: Run, error: BaseException) -> None:
        """Leave what a later run can go on with, and nothing else."""
        part = run.part
        if _keeps(error) and run.resumable:
            run.behind.end()  # what is written shall count
        else:
            run.behind.stop()
        run.behind.join()
        if _keeps(error) and run.continuable:
            if part is not None:
                part.close()
            return
        if part is not None:
            part.remove()
        if _keeps(error) and part is None and run.earlier.records:
            return  # nothing was changed yet
        remove_stale(self._plan.path)
        self._lease.remove()


def _keeps(error: BaseException) -> bool:
    """Say whether what was written is of use to a later run."""
    if isinstance(error, ExportCancelledError):
        return not error.final
    return not isinstance(error, (DestinationExistsError, LeaseLostError))
