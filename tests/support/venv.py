"""An environment as tools/venv.sh leaves it, so that `make run` installs nothing: as these tests came here."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.programs import ROOT, flocket

__all__ = ["environment"]


def environment(folder: Path) -> Path:
    """Make it in `folder`: its commands are those of the interpreter that runs the tests."""
    (folder / "bin").mkdir()
    for name, command in (("python", [sys.executable]), ("flocket", flocket())):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    facts = subprocess.check_output(["sh", "-c", "cksum <pyproject.toml"], cwd=ROOT)
    (folder / ".installed-run").write_bytes(facts)
    return folder
