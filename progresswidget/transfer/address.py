"""Addresses: which server is meant, what may be sent to it, and what its file is called. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from progresswidget.errors import OptionError

MAX_NAME_BYTES: Final = 200
"""Of a name that a server chose; the names beside it (part, journal) are longer."""
NAMELESS: Final = "download"

_PORTS: Final = {"http": 80, "https": 443}
# RFC 6266 section 4.1, as lenient as section 4.3 allows: a token or a quoted string.
_PLAIN: Final = re.compile(r';\s*filename\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s]+)', re.IGNORECASE)
# RFC 8187 section 3.2.1: charset ' language ' percent-encoded octets.
_EXTENDED: Final = re.compile(
    r";\s*filename\*\s*=\s*\"?([A-Za-z0-9!#$%&+^_`{}~-]+)'[^']*'([^;\"\s]+)", re.IGNORECASE
)
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
# What no name may hold on one system or another, and marks that turn the order of the letters
# round, so that "cod.exe" can look like "exe.doc" (Unicode Technical Report 36, section 3.3).
_FORBIDDEN: Final = re.compile('[\x00-\x1f\x7f-\x9f<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')


def resolve(url: str, server: str | None) -> str:
    """Return the whole address of what a user wrote.

    Parameters
    ----------
    url
        An address, or what follows the origin or the extension's root of the notebook server, for
        instance the `url` of a job or ``contents/data/a.csv``.
    server
        The extension's root on the notebook server, with a slash at the end, if there is one.

    Raises
    ------
    OptionError
        If it is no address that can be asked.
    """
    if not str(url).strip():
        raise OptionError("The address must be a text such as 'https://example.org/data.csv'.")
    url = str(url).strip()
    try:
        scheme = urlsplit(url).scheme
        if not scheme and not url.startswith("//"):
            if server is None:
                raise OptionError(
                    f"{url!r} is an address on the notebook server, and none is known here.",
                    "Write the whole address, with https:// at its beginning.",
                )
            url = urljoin(server, url)
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise OptionError(f"{url!r} is no address.", "It must begin with http:// or https://.")
    return urlsplit(url)._replace(fragment="").geturl()  # RFC 9110 section 4.2.5: never sent


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address (RFC 6454 section 4)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def is_below(url: str, root: str | None) -> bool:
    """Say whether an address lies below the root of a server, whatever the server makes of it."""
    if root is None or origin(url) != origin(root):
        return False
    path = urlsplit(url).path
    # An encoded dot or slash may lead out of the folder once it is decoded.
    plain = unquote(unquote(path))
    climbs = ".." in plain.replace("\\", "/").split("/")
    return path.startswith(urlsplit(root).path) and not climbs


def identity(url: str) -> str:
    """Return a name for an address that does not tell it: it may hold a secret."""
    return hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:32]


def shown(url: str) -> str:
    """Return an address for people to read: without user, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def file_name(url: str, disposition: str = "") -> str:
    """Return a name under which the file of an address can safely be saved.

    Parameters
    ----------
    url
        The address; its last segment is the name where the server chose none.
    disposition
        The value of ``Content-Disposition``.
    """
    for candidate in (disposed(disposition), unquote(PurePosixPath(urlsplit(url).path).name)):
        name = safe_name(candidate)
        if name:
            return name
    return NAMELESS


def disposed(disposition: str) -> str:
    """Return the name in a ``Content-Disposition``, or an empty text; it may be anything."""
    extended = _EXTENDED.search(f";{disposition}")
    if extended is not None:
        charset, octets = extended.groups()
        # RFC 8187 section 3.2.1: UTF-8 is the only one that a sender may use.
        if charset.lower() in {"utf-8", "iso-8859-1"}:
            return unquote(octets, encoding=charset, errors="replace")
    plain = _PLAIN.search(f";{disposition}")
    if plain is None:
        return ""
    text = plain[1]
    if text.startswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:  # a header is read as Latin-1, and what servers mean is UTF-8
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def safe_name(text: str) -> str:
    """Return a text as a name in one folder that is harmless on every system; it may be empty."""
    name = unicodedata.normalize("NFC", text.encode(errors="replace").decode())
    name = re.split(r"[/\\]", name)[-1]
    # A leading dot hides a file, and some hidden files are run (".bashrc").
    name = _FORBIDDEN.sub("_", name).strip().lstrip(".").rstrip(". ").strip()
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    return _shortened(name)


def _shortened(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > MAX_NAME_BYTES // 4:
        stem, dot, suffix = name, "", ""
    room = MAX_NAME_BYTES - len(f"{dot}{suffix}".encode())
    if len(stem.encode()) > room:
        stem = stem.encode()[:room].decode(errors="ignore").rstrip(". ")
    return f"{stem}{dot}{suffix}"
