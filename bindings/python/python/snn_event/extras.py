"""Packages that some functions need and `import snn_event` does not."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["MissingExtra", "need"]


class MissingExtra(ImportError):
    """A package that an optional function needs is not installed; the text names the command that installs it."""


def need(package: str, extra: str) -> ModuleType:
    """The module `package`.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        # A package that is there but lacks one of its own is not ours to explain away.
        if error.name is not None and error.name.partition(".")[0] != package.partition(".")[0]:
            raise
        raise MissingExtra(
            f"this needs the package `{package}`; install it with: pip install snn-event[{extra}]", name=package
        ) from error
