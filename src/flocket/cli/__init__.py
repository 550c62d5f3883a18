"""The `flocket` command: one module for each of its commands, which imports what it needs when it is run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from flocket.cli import config, demo, emit, run
from flocket.errors import FlocketError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. What the user got wrong is said in one line, without a traceback."""
    parser = argparse.ArgumentParser(prog="flocket", description="A Socket.IO server for Python.")
    parser.add_argument("--version", action="version", version=f"flocket {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, demo, emit, config):
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except FlocketError as error:
        print(f"flocket: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0  # before there was a server to stop
    return status


def _version() -> str:
    try:
        return version("flocket")
    except PackageNotFoundError:
        return "(from its source folder)"
