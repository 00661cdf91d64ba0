"""What comes and what is there: the part of an earlier run is gone on with, or a new one begun."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from progresswidget.errors import (
    DestinationExistsError,
    DigestMismatchError,
    ExportCancelledError,
    LeaseLostError,
)
from progresswidget.export.lease import here
from progresswidget.export.parts import create_part, discard, is_part, remove_stale
from progresswidget.export.reopening import reopen_part
from progresswidget.transfer import address, journal
from progresswidget.transfer.connection import StartOver
from progresswidget.transfer.pieces import Pieces

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.export.lease import Lease
    from progresswidget.export.parts import Part
    from progresswidget.export.progress import Progress
    from progresswidget.transfer.asking import Attempt
    from progresswidget.transfer.representation import Representation


def part_for(
    attempt: Attempt, path: Path, url: str, lease: Lease, progress: Progress, *, ranges: bool
) -> tuple[Part, Pieces]:
    """Return the part of an earlier run with what it has of this version, or a new one.

    Parameters
    ----------
    ranges
        Whether the server gives parts, as far as is known.

    Raises
    ------
    StartOver
        If the attempt asked for something else than what is missing.
    OSError
        If there can be no part.
    """
    version, begun = attempt.version, journal.read(lease.descriptor)
    if begun is not None and ranges and _may_join(begun, version, path, url):
        part = _reopened(path, begun, lease)
        if part is not None:
            pieces = _kept(part, begun, version, lease, progress)
            if attempt.incoming.at == pieces.prefix or not attempt.incoming.at:
                return part, pieces
            part.close()
            raise StartOver  # what was asked for is not what is missing
    if attempt.incoming.at:
        raise StartOver
    part = create_part(path)
    try:
        begun = journal.Journal(address.identity(url), part.path.name, here(), version)
        journal.begin(lease.descriptor, begun)
    except BaseException:
        part.remove()
        raise
    return part, Pieces(version.size)


def _may_join(begun: journal.Journal, version: Representation, path: Path, url: str) -> bool:
    """Say whether what a journal tells of is certainly a part of this version."""
    if version.ranges is False or version.coding:
        return False
    known = begun.url == address.identity(url) or bool(version.sha256)
    return known and is_part(path, begun.part) and begun.version.same(version)


def _reopened(path: Path, begun: journal.Journal, lease: Lease) -> Part | None:
    """Return the part that a journal tells of; it tells of the copy where this is one."""
    old = begun.part
    part = reopen_part(path, old)
    if part is None:
        return None
    begun.part, begun.owner = part.path.name, here()
    if old != begun.part:
        journal.begin(lease.descriptor, begun)
        with contextlib.suppress(OSError):  # Windows removes none that somebody has opened
            discard(path.with_name(old))
    return part


def _kept(
    part: Part,
    begun: journal.Journal,
    version: Representation,
    lease: Lease,
    progress: Progress,
) -> Pieces:
    """Return what of a part is as its journal says; the journal keeps only that."""
    try:
        pieces = _verified(part, begun, version, progress)
        journal.begin(lease.descriptor, begun)
        remove_stale(part.destination, begun.part)
    except BaseException as error:
        leave(lease, part, error)
        part.close()
        raise
    return pieces


def _verified(
    part: Part, begun: journal.Journal, version: Representation, progress: Progress
) -> Pieces:
    import xxhash

    progress.phase = "hashing"
    pieces = Pieces(version.size)
    good = []
    for unit in begun.units:
        content = os.pread(part.descriptor, unit.size, unit.at)
        if xxhash.xxh3_128_digest(content) == unit.content:
            good.append(unit)
            pieces.add(unit.at, unit.at + unit.size)
        progress.reused = progress.rows = progress.bytes = pieces.count
        progress.checkpoint()
    begun.units = good
    return pieces


def leave(lease: Lease, part: Part, error: BaseException) -> None:
    """Leave what a later run can go on with, and nothing else.

    Parameters
    ----------
    error
        What ended this one.
    """
    if isinstance(error, StartOver):
        part.remove()
        return
    begun = journal.read(lease.descriptor)
    useful = begun is not None and bool(begun.units)
    lasting = begun is not None and bool(begun.version.validator)
    if _keeps(error) and useful and lasting:
        return
    part.remove()
    lease.remove()


def _keeps(error: BaseException) -> bool:
    """Say whether what came is of use to a later run."""
    if isinstance(error, ExportCancelledError):
        return not error.final
    return not isinstance(error, (DestinationExistsError, DigestMismatchError, LeaseLostError))
