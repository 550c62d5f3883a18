"""Which requests of an application are for a server of ours: a path, and what is left of it.

Knows paths only. Node compares a prefix; so do we, at a slash.
"""

from __future__ import annotations

__all__ = ["below", "left_of_mount"]


def below(prefix: str, path: str) -> str | None:
    """What follows `prefix` in `path`, without its slash; None if the path is not below it."""
    if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
        return path[len(prefix) + 1 :]
    return None


def left_of_mount(root: str, path: str) -> str:
    """A path as an application that is mounted at `root` sees it."""
    return path[len(root) :] or "/" if root and path.startswith(root) else path
