"""Print what an extra of the package needs, so that pip can fetch it while the front end is built.

Run as a script with the name of the extra: one requirement a line, the package itself left out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def needed(project: dict[str, Any], extra: str) -> Iterator[str]:
    """Yield the requirements of an extra, and those of the extras that it names."""
    for requirement in project["optional-dependencies"][extra]:
        own = re.fullmatch(rf"{project['name']}\[(.+)\]", requirement)
        if own is None:
            yield requirement
        else:
            for name in own[1].split(","):
                yield from needed(project, name)


if __name__ == "__main__":
    file = Path(__file__).parent.parent / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    print(*dict.fromkeys([*project["dependencies"], *needed(project, sys.argv[1])]), sep="\n")
