"""The hosts that serve flocket in the tests: how each is started for a module's application, and what it promises.

Knows command lines; does not know what is served.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.support.programs import ROOT, Program, flocket, free_port, running

__all__ = ["FAST", "HOSTS", "PORTABLE", "hosted"]

SERVED = "tests.interop.hosted:io"

# Each with what goes between the module and the port. Those named `fast` serve by the fast face.
COMMANDS = {
    "flocket run (fast)": (*flocket("run"), "{app}", "--port", "{port}"),
    "uvicorn (fast)": ("uvicorn", "{app}", "--port", "{port}", "--http", "flocket:HttpProtocol"),
    "uvicorn": ("uvicorn", "{app}", "--port", "{port}"),
    "uvicorn h11 wsproto": ("uvicorn", "{app}", "--port", "{port}", "--http", "h11", "--ws", "wsproto"),
    "hypercorn": ("hypercorn", "{app}", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "{app}", "--host", "127.0.0.1", "--port", "{port}"),
    "gunicorn": ("gunicorn", "{app}", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}"),
}
HOSTS = list(COMMANDS)
FAST = [host for host in HOSTS if "fast" in host]
PORTABLE = [host for host in HOSTS if "fast" not in host]


@contextlib.contextmanager
def hosted(host: str, app: str = SERVED, **environment: str) -> Iterator[Program]:
    """An application under one of the hosts, until the test is over."""
    port = free_port()
    first, *rest = (word.format(app=app, port=port) for word in COMMANDS[host])
    command = [first, *rest] if first == sys.executable else [sys.executable, "-m", first, *rest]
    with running(command, port, ROOT, **{"FLOCKET_TEST_OPTIONS": "{}", **environment}) as program:
        yield program
