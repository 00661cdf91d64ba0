"""The media type of any file, by its name. One table, the same on every machine."""

from __future__ import annotations

from mimetypes import MimeTypes
from typing import Final

UNKNOWN: Final = "application/octet-stream"

# What Python's own table lacks, or lacked; all but those with x- are registered at IANA.
_OURS: Final = {
    ".arrow": "application/vnd.apache.arrow.file",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".feather": "application/vnd.apache.arrow.file",
    ".geojson": "application/geo+json",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".r": "text/plain",
    ".sqlite": "application/vnd.sqlite3",
    ".toml": "application/toml",
    ".webp": "image/webp",
    ".xhtml": "application/xhtml+xml",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}
_COMPRESSED: Final = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}


def _table() -> MimeTypes:
    # Without the system's files: what a server says must not depend on what else is installed.
    table = MimeTypes(filenames=())
    for suffix, media_type in _OURS.items():
        table.add_type(media_type, suffix)
    return table


_TABLE: Final = _table()


def media_type(name: str) -> str:
    """Return the media type of the bytes of a file.

    Parameters
    ----------
    name
        The file name. A compressed file has the type of its compression: were it called the type
        of what is in it, with a `Content-Encoding`, a client would unpack it and save that.
    """
    # guess_type takes a URL: a name with a colon, a query or a fragment must not look like one.
    suffixes = name[name.find(".") :] if "." in name else ""
    found, encoding = _TABLE.guess_type(f"file{suffixes}".replace("?", "_").replace("#", "_"))
    if encoding is not None:
        return _COMPRESSED.get(encoding, UNKNOWN)
    return found or UNKNOWN
