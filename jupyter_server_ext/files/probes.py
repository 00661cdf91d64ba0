"""Whether this server sees what a kernel writes: tried, and not guessed."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from progresswidget.protocol import Probe

_LONGEST: Final = 256
_FLAGS: Final = (
    os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
)


def sees(path: str, probe: Probe) -> bool:
    """Say whether the file that the kernel has just made is here too; to be called in a thread.

    The folder may lie anywhere, also outside of what may be served. But the name is one that only
    parts of exports have, and all that anybody learns is whether a content is there that they know.

    Parameters
    ----------
    path
        The absolute path of the export, beside which the kernel has put the probe.
    probe
        Its name, and the digest of its content.
    """
    try:
        descriptor = os.open(PurePath(path).with_name(probe.name), _FLAGS)
    except (OSError, ValueError):
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        content = os.read(descriptor, _LONGEST)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return hmac.compare_digest(hashlib.sha256(content).hexdigest(), probe.sha256)
