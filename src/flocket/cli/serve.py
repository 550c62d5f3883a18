"""The options that every command which serves has, and how they reach the server."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_options", "given"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """--host to --reload."""
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1; all: 0.0.0.0)")
    parser.add_argument("--port", type=int, default=3000, help="the port to listen on (3000)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes behind that port (1)")
    parser.add_argument("--sticky", choices=["session", "address", "none"], default="session",
                        help="how a client stays with a worker (session)")
    parser.add_argument("--drain", type=float, default=10.0, metavar="SECONDS",
                        help="how long clients and handlers have when a worker stops (10)")
    parser.add_argument("--adapter", metavar="URL", help="what joins the nodes, as redis://localhost:6379")
    parser.add_argument("--reload", action="store_true", help="start again when a source file changes")
    parser.add_argument("--ssl-certfile", metavar="FILE", help="certificate chain, for https and wss")
    parser.add_argument("--ssl-keyfile", metavar="FILE", help="its private key")


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What `io.run` takes by keyword."""
    names = ("workers", "sticky", "drain", "reload", "ssl_certfile", "ssl_keyfile")
    return {name: getattr(options, name) for name in names}
