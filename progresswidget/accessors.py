"""``df.pw.export(...)``: the export as an accessor of pandas' and polars' own frames.

Nobody has to have pandas or polars: `install` serves those that are loaded, and waits for the
others without importing them.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import ModuleType

    from progresswidget.job import Job

NAME: Final = "pw"


class Accessor:
    """What ``.pw`` of a frame is.

    Parameters
    ----------
    frame
        The frame.
    """

    def __init__(self, frame: object) -> None:
        self._frame = frame

    def export(self, path: str | os.PathLike[str], **options: Any) -> Job:
        """Write the frame to a file; see `progresswidget.export`."""
        from progresswidget.exporting import export

        return export(self._frame, path, **options)


def _register_pandas(pandas: ModuleType) -> None:
    for register in (
        pandas.api.extensions.register_dataframe_accessor,
        pandas.api.extensions.register_series_accessor,
    ):
        register(NAME)(Accessor)


def _register_polars(polars: ModuleType) -> None:
    for register in (
        polars.api.register_dataframe_namespace,
        polars.api.register_lazyframe_namespace,
        polars.api.register_series_namespace,
    ):
        register(NAME)(Accessor)


_REGISTER: Final = {"pandas": _register_pandas, "polars": _register_polars}
_registered: Final[set[str]] = set()


def register(library: str) -> None:
    """Give the frames of a loaded library their accessor; a second call changes nothing."""
    if library not in _registered:
        _registered.add(library)
        _REGISTER[library](sys.modules[library])


class _Watch(MetaPathFinder):
    """Registers the accessor right after a library has been imported for the first time."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find one of the libraries, and see to it that we hear of its end."""
        if fullname not in _REGISTER or fullname in _registered:
            return None
        spec = PathFinder.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Announcing(spec.loader, fullname)
        return spec


class _Announcing(Loader):
    """A loader that does what another one does, and tells."""

    def __init__(self, loader: Any, name: str) -> None:
        self._loader, self._name = loader, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # resources, source lines: as without us

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and register the accessor."""
        self._loader.exec_module(module)
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        register(self._name)


def install() -> None:
    """Serve the libraries that are loaded, and those that will be."""
    for library in _REGISTER:
        # A library that is being imported at this moment is not whole yet.
        spec = getattr(sys.modules.get(library), "__spec__", None)
        if library in sys.modules and not getattr(spec, "_initializing", False):
            register(library)
    if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
