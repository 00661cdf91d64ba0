"""The writers of an archive's entries, whose units are cut and encoded as these want it."""

from __future__ import annotations

from progresswidget.errors import OptionError
from progresswidget.export.writers import Heading, Writer


def make_inner(heading: Heading) -> Writer | None:
    """Return the writer of an entry that is a frame."""
    if heading.schema is None or heading.entry is None or heading.entry.format is None:
        return None
    name = heading.name.rpartition("/")[2].partition(".")[0] or heading.name
    within = Heading(name, heading.schema, heading.total, after_file=True)
    inner = heading.entry.format.make([within], heading.entry.options)
    if inner.writes_itself:
        inner.close()
        raise OptionError(
            f"{heading.name!r}: archives cannot hold {heading.entry.format.name} directly.",
            "Export it to a file of its own, and put the path of that into the archive.",
        )
    return inner


def adopt(outer: Writer, inner: Writer | None) -> None:
    """Let units be cut and encoded as the writer of the entry wants it."""
    like = type(outer) if inner is None else inner
    outer.unit_rows, outer.unit_bytes = like.unit_rows, like.unit_bytes
    outer.queried = like.queried
    outer.unit_patience, outer.least_rows = like.unit_patience, like.least_rows
    outer.workers, outer.most_rows = like.workers, like.most_rows
