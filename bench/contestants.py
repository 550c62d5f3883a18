"""The servers that are compared: how each is started, and which versions it consists of.

It does not know what is measured, nor how the results are shown.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import toolchain

SERVERS = toolchain.HERE / "servers"


@dataclass(frozen=True)
class Contestant:
    name: str
    label: str
    command: tuple[str, ...]  # a port is appended
    version: str
    env: Mapping[str, str] = field(default_factory=dict)
    one_round: bool = False  # so far from the others that more rounds would tell nothing new
    only: tuple[str, ...] = ()  # the scenarios that it can do, if not all


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _npm_versions(*packages: str) -> str:
    manifests = (toolchain.NODE / "node_modules" / package / "package.json" for package in packages)
    versions = (json.loads(manifest.read_text())["version"] for manifest in manifests)
    return ", ".join(f"{package} {version}" for package, version in zip(packages, versions, strict=True))


def _pip_versions(python: Path | str, *packages: str) -> str:
    program = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    versions = _output(python, "-c", program, *packages).split()
    named = (f"{package} {version}" for package, version in zip(packages, versions, strict=True))
    return ", ".join([*named, _output(python, "--version")])


def flocket() -> Contestant:
    path = os.pathsep.join(filter(None, [str(toolchain.ROOT / "src"), os.environ.get("PYTHONPATH")]))
    version = _pip_versions(sys.executable, "uvicorn", "uvloop", "orjson")
    command = (sys.executable, str(SERVERS / "flocket_server.py"))
    return Contestant("flocket", "flocket", command, f"this commit, {version}", {"PYTHONPATH": path})


def node() -> Contestant:
    packages = toolchain.node_packages()
    version = f"{_npm_versions('socket.io', 'ws')}, Node {_output('node', '--version')[1:]}"
    command = ("node", str(SERVERS / "node_server.js"))
    return Contestant("node", "Node", command, version, {"NODE_PATH": str(packages)})


def bun() -> Contestant:
    binary = toolchain.bun()
    version = f"{_npm_versions('socket.io', '@socket.io/bun-engine')}, Bun {_output(binary, '--version')}"
    env = {"NODE_PATH": str(toolchain.node_packages())}
    return Contestant("bun", "Bun", (str(binary), str(SERVERS / "bun_server.js")), version, env)


def python_socketio() -> Contestant:
    python = toolchain.peer_python()
    version = _pip_versions(python, "python-socketio", "python-engineio", "uvicorn", "uvloop", "websockets")
    command = (str(python), str(SERVERS / "python_socketio_server.py"))
    return Contestant("python-socketio", "python-socketio", command, version, one_round=True)


def floor() -> Contestant:
    """What no Python server on this loop gets below, where nothing can be joined but what was read together."""
    command = (sys.executable, str(SERVERS / "floor_server.py"))
    version = "no server, but uvloop alone, which reads nothing and answers with bytes made once: none here gets below"
    return Contestant("floor", "floor", command, version, only=("broadcast-1", "echo-4", "echo-1"))


CONTESTANTS: Mapping[str, Callable[[], Contestant]] = {
    "flocket": flocket,
    "node": node,
    "bun": bun,
    "python-socketio": python_socketio,
    "floor": floor,
}
