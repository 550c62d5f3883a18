"""The house's walls: imports point down only, lower floors know no clock or network, importing is cheap."""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGE = SOURCE / "flocket"
FILES = sorted(PACKAGE.rglob("*.py"))

# From the ground up. What stands beside the house (the command, the demo, ...) uses its public front door.
FLOORS = ["errors", "options", "observe", "codec", "engine", "sockets", "adapters", "cluster", "serving"]
NOT_FOR_EMITTERS = {"engine", "sockets", "cluster", "serving"}  # a Celery task needs no server

# Time and the network are arguments to the lower floors. (`datetime` as a value is no clock.)
NETWORK = {"socket", "select", "selectors", "ssl", "subprocess"}
LOOPS = {"asyncio", "concurrent", "threading"}
CLOCKS = {"time", "sched"}
MAY_NOT_KNOW = {
    "codec": NETWORK | LOOPS | CLOCKS,
    "engine": NETWORK | LOOPS | CLOCKS,
    "sockets": NETWORK | CLOCKS,
}

SERVERS_AND_DRIVERS = {"uvicorn", "uvloop", "httptools", "websockets", "redis", "hiredis", "nats",
                       "psycopg", "fastapi", "starlette", "pydantic", "multiprocessing"}


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """All that a file imports, wherever in the file, with the line; `from flocket import x` as flocket.x."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute, so that they can be checked"
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def floor_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def type_checking_lines(file: Path) -> set[int]:
    """Lines that only a type checker reads."""
    return {
        line
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    floor = floor_of(module_of(file))
    if floor not in FLOORS:
        return
    allowed = set(FLOORS[: FLOORS.index(floor) + 1])
    only_types = type_checking_lines(file) if floor in ("errors", "options", "observe") else set()
    wrong = [
        f"line {line}: {name}"
        for name, line in imports(file)
        if name.split(".")[0] == "flocket" and floor_of(name) not in allowed and line not in only_types
    ]
    assert not wrong, f"{module_of(file)} reaches up: {wrong}"


@pytest.mark.parametrize("floor", MAY_NOT_KNOW)
def test_the_lower_floors_know_no_clock_and_no_network(floor: str) -> None:
    files = sorted((PACKAGE / floor).rglob("*.py"))
    assert files
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line} imports {name}"
        for file in files
        for name, line in imports(file)
        if name.split(".")[0] in MAY_NOT_KNOW[floor]
    ]
    assert not wrong


def test_the_walls_are_seen_by_this_test(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("import time\nif x:\n from flocket.serving.asgi import A\nfrom flocket import Server\n")
    assert {name for name, _ in imports(file)} == {"time", "flocket.serving.asgi.A", "flocket.Server"}
    assert floor_of("flocket.serving.asgi.A") == "serving"


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True,
                          text=True, timeout=60).stdout


def loaded_by(statement: str) -> set[str]:
    return {name.split(".")[0] for name in run(f"import sys\n{statement}\nprint(*sys.modules)").split()}


def test_importing_loads_no_server_and_no_driver() -> None:
    assert not loaded_by("import flocket") & SERVERS_AND_DRIVERS


def test_what_a_task_or_a_module_imports_loads_none_either() -> None:
    # Names may be looked up when first asked for: each must then be as cheap.
    names = "[getattr(flocket, name) for name in flocket.__all__ if name != 'HttpProtocol']"
    assert not loaded_by(f"import flocket\n{names}") & SERVERS_AND_DRIVERS


def test_the_emitter_brings_no_server_along() -> None:
    loaded = run("import sys, flocket\nflocket.Emitter, flocket.AsyncEmitter\nprint(*sys.modules)").split()
    ours = {floor_of(name) for name in loaded if name.startswith("flocket.")}
    assert "emitter" in ours
    assert not ours & NOT_FOR_EMITTERS
    assert not {name.split(".")[0] for name in loaded} & SERVERS_AND_DRIVERS


def processor_seconds(code: str) -> float:
    """What one interpreter costs to run `code`: processor time, as a busy machine stretches the clock's."""
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", code],
                             {**os.environ, "PYTHONPATH": str(SOURCE)})
    _, status, usage = os.wait4(process, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_importing_adds_at_most_a_tenth_of_a_second() -> None:
    processor_seconds("import flocket")  # the first compiles
    pairs = [(processor_seconds("pass"), processor_seconds("import flocket")) for _ in range(9)]
    empty, loaded = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert loaded - empty <= 0.100
