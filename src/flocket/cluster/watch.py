"""Notice that a program's source has changed: `Sources(folder).changed()`, to be asked now and then.

Knows files and their times; does not know who restarts what. For development: it looks at every file, which for
a few thousand takes milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["Sources"]

_LEFT_OUT = {"__pycache__", "node_modules"}


class Sources:
    """All Python files below a folder, without hidden folders and virtual environments."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen = dict(_files(folder))

    def changed(self) -> bool:
        """Whether one was written, added or removed since this was last asked."""
        before, self._seen = self._seen, dict(_files(self._folder))
        return self._seen != before


def _files(folder: str) -> Iterator[tuple[str, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # gone while we looked
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _LEFT_OUT:
                    yield from _files(entry.path)
            elif entry.name.endswith(".py"):
                yield entry.path, entry.stat().st_mtime_ns
        except OSError:
            continue  # an editor has just moved it
