"""Real load balancers, run with what `flocket config` prints: how each is started and how it checks its file."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.support.programs import Program, free_port, running

from flocket.cli.config import BALANCERS, configuration

__all__ = ["INSTALLED", "STICKY", "balancing", "command", "nginx"]

STICKY = {
    "nginx": ["address", "none"],
    "haproxy": ["session", "address", "none"],
    "caddy": ["session", "address", "none"],
    "traefik": ["session", "none"],
    "kubernetes": ["session", "address", "none"],
}
INSTALLED = [(name, sticky) for name in ("nginx", "haproxy", "caddy") for sticky in STICKY[name]]  # by make test
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin"


def command(name: str, file: Path, *, check: bool = False) -> list[str]:
    """How a program checks its configuration, or serves by it in the foreground."""
    program = shutil.which(name, path=PATH)
    assert program, f"{name} is not installed (make test installs it)"
    settings = f"pid {file}.pid;" if check else f"pid {file}.pid; daemon off;"
    return {
        "nginx": [program, "-c", str(file), "-e", f"{file}.log", "-g", settings, *(["-t"] if check else [])],
        "haproxy": [program, "-f", str(file), "-c" if check else "-db"],
        "caddy": [program, "validate" if check else "run", "--config", str(file), "--adapter", "caddyfile"],
    }[name]


@contextlib.contextmanager
def balancing(name: str, sticky: str, nodes: list[str], folder: Path) -> Iterator[Program]:
    """The program in front of the nodes, on a port of its own."""
    port = free_port()
    with _serving(name, configuration(name, nodes, listen=port, sticky=sticky), port, folder) as front:
        yield front


@contextlib.contextmanager
def nginx(text: str, port: int, folder: Path) -> Iterator[Program]:
    """nginx with a configuration of one's own, which listens on `port`."""
    with _serving("nginx", text, port, folder) as front:
        yield front


@contextlib.contextmanager
def _serving(name: str, text: str, port: int, folder: Path) -> Iterator[Program]:
    file = folder / BALANCERS[name]
    file.write_text(text)
    with running(command(name, file), port, folder, XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder)) as front:
        yield front
