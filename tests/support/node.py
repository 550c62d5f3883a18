"""Runs Node scripts for the tests: finds `node`, gives it the npm packages, reads what it prints.

`FLOCKET_NODE_MODULES` names the packages' folder; without it, tests/node/node_modules.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["NODE_FOLDER", "node_environment", "run_node"]

NODE_FOLDER = Path(__file__).parent.parent / "node"


def node_environment() -> dict[str, str]:
    """The environment in which a script finds its packages."""
    modules = os.environ.get("FLOCKET_NODE_MODULES", str(NODE_FOLDER / "node_modules"))
    return {**os.environ, "NODE_PATH": modules}


def run_node(script: str, value: Any = None, timeout: float = 30.0) -> Any:
    """Run tests/node/<script> with `value` as JSON on its input; what it prints is JSON too."""
    done = subprocess.run(
        ["node", str(NODE_FOLDER / script)],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=node_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
