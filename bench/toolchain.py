"""Sets up what the benchmark needs in `.build/bench`: npm packages, a venv for python-socketio, the load.

Each part is made again only when what it is made from has changed. It does not know what is measured.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILD = ROOT / ".build" / "bench"
NODE = BUILD / "node"
# Of the very Python that runs this: one build beside another would not be compared fairly.
VENV = BUILD / f"venv-{hashlib.sha256(sys.version.encode()).hexdigest()[:8]}"
LOAD = BUILD / "load"
BUN = NODE / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"


class Missing(Exception):
    """A tool is not on this machine; the message says which."""


def node_packages() -> Path:
    """The folder of npm packages for NODE_PATH."""
    manifest = HERE / "servers" / "package.json"
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed")
    if _stale(NODE, [manifest]):
        NODE.mkdir(parents=True, exist_ok=True)
        shutil.copy(manifest, NODE)
        _run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=NODE)
        _made(NODE, [manifest])
    return NODE / "node_modules"


def bun() -> Path:
    """Bun's binary, from npm; it exists for few systems, and needs a recent processor."""
    node_packages()
    if not BUN.exists():
        raise Missing("npm has no Bun binary for this system")
    if subprocess.run([BUN, "--version"], capture_output=True).returncode:
        raise Missing("Bun's binary does not run on this system")
    return BUN


def peer_python() -> Path:
    """The interpreter of a venv that has python-socketio, apart from this project's own packages."""
    requirements = HERE / "servers" / "requirements.txt"
    python = VENV / "bin" / "python"
    if _stale(VENV, [requirements]):
        _run(sys.executable, "-m", "venv", "--clear", str(VENV))
        pip = (str(python), "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", "--requirement", str(requirements))
        _made(VENV, [requirements])
    return python


def load_generator() -> Path:
    """The compiled load generator."""
    sources = sorted((HERE / "load").glob("*.[ch]"))
    if _stale(BUILD / "load.d", sources):
        compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
        if compiler is None:
            raise Missing("no C compiler (cc) is installed")
        (BUILD / "load.d").mkdir(parents=True, exist_ok=True)
        fresh = BUILD / f"load.{os.getpid()}"
        files = [str(source) for source in sources if source.suffix == ".c"]
        _run(compiler, "-O2", "-Wall", "-Wextra", "-o", str(fresh), *files)
        fresh.rename(LOAD)
        _made(BUILD / "load.d", sources)
    return LOAD


def _fingerprint(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _stale(folder: Path, files: Iterable[Path]) -> bool:
    stamp = folder / ".made-from"
    return not stamp.exists() or stamp.read_text() != _fingerprint(files)


def _made(folder: Path, files: Iterable[Path]) -> None:
    (folder / ".made-from").write_text(_fingerprint(files))


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd)
