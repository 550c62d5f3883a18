"""Lets a program that set up no logging see what we, and the HTTP server below us, have to say.

Knows logging only. A program's own set-up comes first, also where it comes later.
"""

from __future__ import annotations

import logging

__all__ = ["show_log"]

OURS = {"flocket": logging.INFO, "uvicorn": logging.WARNING}  # what uvicorn says of its own start, we say better
FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Stopgap(logging.StreamHandler):  # type: ignore[type-arg]  # of standard error
    """Speaks for as long as the program has no handler of its own; with one, each line would come twice."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            super().emit(record)


def show_log() -> None:
    """Show on standard error what nobody else shows. A second call changes nothing."""
    for name, level in OURS.items():
        log = logging.getLogger(name)
        if log.handlers or logging.getLogger().handlers:
            continue
        handler = _Stopgap()
        handler.setFormatter(logging.Formatter(FORM))
        log.addHandler(handler)
        if log.level == logging.NOTSET:
            log.setLevel(level)
