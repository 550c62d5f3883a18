"""docs/multiple-nodes.md, followed step by step: its nodes, its nginx, its client, its commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tests.support.balancers import nginx
from tests.support.documents import Document
from tests.support.node import run_lines
from tests.support.node_process import NodeProcess, node_environment
from tests.support.programs import ROOT, Program, flocket, free_port, running
from tests.support.redis import RedisServer

from flocket import Emitter

GUIDE = Document(ROOT / "docs" / "multiple-nodes.md")
PROGRAM, STREAMS = [text for kind, text in GUIDE.blocks if kind == "python"]
NODES = [command for command in GUIDE.commands if command.startswith("python node.py")]


class Reader:
    """Somebody who follows the document on ports that are free here."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        written = re.findall(r"\b(?:600\d|3000)\b", "\n".join(GUIDE.commands))
        self.ports = {port: str(free_port()) for port in dict.fromkeys(written)} | {"6379": str(redis.port)}
        self.folder = folder

    def adapt(self, text: str) -> str:
        return re.sub(r"\b(?:600\d|3000|6379)\b", lambda found: self.ports[found[0]], text)

    @property
    def nodes(self) -> list[int]:
        return [int(self.ports[command.split()[-1]]) for command in NODES]

    def flocket(self, start: str) -> list[str]:
        """What each command that begins so prints."""
        printed = []
        for command in GUIDE.commands:
            if command.startswith(start):
                words = shlex.split(self.adapt(command).partition(" >")[0])[1:]
                environment = {"PYTHONPATH": str(ROOT / "src")}
                done = subprocess.run(
                    flocket(*words), env=environment, capture_output=True, text=True, timeout=30, check=True
                )
                printed.append(done.stdout)
        return printed


@contextmanager
def following(program: str, folder: Path) -> Iterator[tuple[Reader, RedisServer]]:
    """Steps 1 and 2."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        reader = Reader(redis, folder)
        (folder / "node.py").write_text(reader.adapt(program))
        started: list[Program] = []
        for port in reader.nodes:
            # Each has a runtime folder of its own, as on a machine of its own: nothing joins them but Redis.
            own = folder / str(port)
            own.mkdir(mode=0o700)
            command = [sys.executable, "node.py", str(port)]
            started.append(stack.enter_context(running(command, port, folder, FLOCKET_RUNTIME=str(own))))
        (text,) = reader.flocket("flocket config")
        stack.enter_context(nginx(text, int(reader.ports["3000"]), folder))
        yield reader, redis
        for node in started:
            assert node.end()[0] == 0
            assert "Traceback" not in node.printed()


def test_every_client_of_the_four_nodes_is_greeted_once(tmp_path: Path) -> None:
    assert len(NODES) == 4
    with following(PROGRAM, tmp_path) as (reader, _), ExitStack() as stack:
        everywhere = [
            stack.enter_context(NodeProcess("hear.js", f"http://127.0.0.1:{port}"))
            for port in (*reader.nodes, int(reader.ports["3000"]))
        ]
        for client in everywhere:
            assert client.line() == {"connected": True}
        for client in everywhere[::2]:
            client.say(["join", "room"])
            assert client.line() == {}  # answered, without a value
        (tmp_path / "client.mjs").write_text(reader.adapt(GUIDE.program("js")))
        (tmp_path / "node_modules").symlink_to(node_environment()["NODE_PATH"])
        told = stack.enter_context(client_of_the_document(tmp_path))
        for client in everywhere:
            assert client.line() == {"event": ["hi", "all sockets"]}
        reader.flocket("flocket emit")
        for client in everywhere:
            assert client.line() == {"event": ["hi", "all sockets"]}
        for client in everywhere[::2]:
            assert client.line() == {"event": ["hi", "room"]}
        for client in everywhere:
            client.say(["where"])  # whatever came twice would be before its answer
            assert client.line()["answer"] in reader.nodes
        assert [told.readline() for _ in range(3)] == ["hi, all sockets\n", "hi, all sockets\n", "hi, room\n"]


@contextmanager
def client_of_the_document(folder: Path) -> Iterator[IO[str]]:
    with subprocess.Popen(["node", "client.mjs"], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


def with_streams(program: str) -> str:
    """The program with the lines that the document changes."""
    for line in STREAMS.splitlines():
        start = re.match(r"from flocket import |io: Server = |io\.adapter\(|$", line)
        assert start, line
        if line:
            found = re.findall(rf"^{re.escape(start[0])}.*$", program, re.MULTILINE)
            assert len(found) == 1
            program = program.replace(found[0], line)
    return program


def test_clients_that_come_back_have_missed_nothing(tmp_path: Path) -> None:
    with following(with_streams(PROGRAM), tmp_path) as (reader, redis):
        emitter = Emitter(redis.url.replace("redis://", "redis+streams://"))
        over = threading.Event()

        def emit() -> None:
            count = 0
            while not over.wait(0.01):
                count += 1
                emitter.to("readers").emit("news", "outside", count)

        with ThreadPoolExecutor(1) as pool:
            emitting = pool.submit(emit)
            try:
                (found,) = run_lines("comeback.js", f"http://127.0.0.1:{reader.ports['3000']}", "6", "4")
            finally:
                over.set()
            emitting.result(10)
        assert (found["wrong"], found["anew"], found["recovered"]) == ([], 0, 24)
