"""A file system without hard links, or that cannot rename without replacing: the kernel refuses.

A filter of system calls (seccomp(2)) answers them as such a file system does, for the thread that
asks for it and for all that it starts. As an extension of a server it does so for all of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Any, Final

_NUMBERS: Final = {
    "x86_64": {"link": 86, "linkat": 265, "renameat2": 316},
    "aarch64": {"linkat": 37, "renameat2": 276},
}
_ANSWERS: Final = {"link": errno.EPERM, "linkat": errno.EPERM, "renameat2": errno.EINVAL}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SET_SECCOMP, _SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
REFUSED: Final = "PROGRESSWIDGET_TEST_REFUSED"


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse(*names: str) -> None:
    """Let the kernel refuse these calls of this thread from now on."""
    numbers = _NUMBERS[platform.machine()]
    # The number of the call, compared with one after the other.
    code = struct.pack("HBBI", _LOAD, 0, 0, 0)
    for name in names:
        if name in numbers:
            code += struct.pack("HBBI", _EQUAL, 0, 1, numbers[name])
            code += struct.pack("HBBI", _RETURN, 0, 0, _ERRNO | _ANSWERS[name])
    code += struct.pack("HBBI", _RETURN, 0, 0, _ALLOW)
    program = _Program(len(code) // 8, code)
    library = ctypes.CDLL(None, use_errno=True)
    for option, *more in (
        (_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0),
    ):
        if library.prctl(option, *more) != 0:
            raise OSError(ctypes.get_errno(), "no filter of system calls can be set")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "no_links"}]


def _load_jupyter_server_extension(_: Any) -> None:
    refuse(*os.environ.get(REFUSED, "").split())
