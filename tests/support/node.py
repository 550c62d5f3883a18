"""Finds Node's packages and runs a script of tests/node, which prints one JSON value a line.

Does not know what the scripts do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["NODE", "ROOT", "check_names", "node_environment", "node_modules", "run_lines"]

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "node"


def node_modules() -> Path:
    """Where the packages of tests/node/package.json are; FLOCKET_NODE_MODULES names another folder."""
    folder = Path(os.environ.get("FLOCKET_NODE_MODULES") or NODE / "node_modules")
    if not (folder / "socket.io-client").is_dir():
        raise RuntimeError(f"{folder} lacks socket.io-client: run `npm install` in {NODE}")
    return folder


def node_environment() -> dict[str, str]:
    return {**os.environ, "NODE_PATH": str(node_modules())}


def run_lines(script: str, *arguments: str, timeout: float = 60) -> list[Any]:
    """Run tests/node/`script` to its end and return the values that it printed."""
    finished = subprocess.run(
        ["node", str(NODE / script), *arguments],
        env=node_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"{script} ended with {finished.returncode}: {finished.stderr[-2000:]}")
    return [json.loads(line) for line in finished.stdout.splitlines()]


def check_names(*files: str) -> list[tuple[str, str]]:
    """The checks that these files register, as (kind, name), read from their text: no process at collection.
    """
    pattern = re.compile(r'^(check|modern|json|upgrade)\("([^"]+)"', re.MULTILINE)
    return [found for file in files for found in pattern.findall((NODE / file).read_text())]
