"""docs/promises.md: its program, its command and its client, run as a reader would; its numbers are those that hold."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.cluster.tools import identity
from tests.support.documents import Document
from tests.support.polling import wait_for
from tests.support.programs import ROOT, flocket, free_port, running
from tests.test_deploy import ready
from tests.test_readme import PACKAGES, README

from flocket import Limits, Recovery, Server
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus
from flocket.adapters.outbox import Outbox
from flocket.adapters.redis_streams import RedisStreamsAdapter

PROMISES = Document(ROOT / "docs" / "promises.md")

# The client's connection is cut; somebody else publishes while it is away.
COMES_BACK = """
await new Promise((done) => socket.once("news", done));
const other = io("http://127.0.0.1:3000", { forceNew: true });
await new Promise((done) => other.once("news", done));
socket.io.reconnectionDelay(400);
socket.io.engine.close();
for (const text of ["one", "two", "three"]) other.emit("publish", text);
await new Promise((done) => socket.on("news", (text) => text === "three" && done()));
socket.close();
other.close();
"""


@pytest.mark.parametrize("command", PROMISES.commands)
def test_the_client_comes_back_and_missed_nothing(command: str, tmp_path: Path) -> None:
    (tmp_path / "news.py").write_text(PROMISES.program("python"))
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    port = free_port()
    (tmp_path / "client.mjs").write_text((PROMISES.program("js") + COMES_BACK).replace("3000", str(port)))
    words = [*shlex.split(command)[1:], "--port", str(port)]
    with running(flocket(*words), port, tmp_path) as program:
        wait_for(lambda: len(ready(program)) == 4, 20)
        said = subprocess.run(
            ["node", "client.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert program.end()[0] == 0, program.printed()
    heard = ["new here", "all that there was before", "missed nothing", "one", "two", "three"]
    assert (said.stdout.splitlines(), said.stderr) == (heard, "")


def test_the_numbers_are_those_that_hold() -> None:
    written = re.findall(r"Recovery\(.*?\)", PROMISES.text)
    assert [eval(text, {"Recovery": Recovery}) for text in written[:2]] == [Recovery(), Recovery()]
    assert (Outbox[int]().max_items, Outbox[int]().max_bytes) == (1_000, 1_000_000)
    assert "1,000 messages or 1 MB" in PROMISES.text
    assert f"`max_len`, {RedisStreamsAdapter('redis://127.0.0.1').max_len:,} entries" in PROMISES.text
    for name in ("send_bytes", "send_packets", "send_time"):
        assert f"`{name}`" in PROMISES.text
        assert hasattr(Limits(), name)


def test_what_it_names_in_the_figures_is_there(tmp_path: Path) -> None:
    io: Server = Server()
    io.adapter(RedisStreamsAdapter("redis://127.0.0.1"))
    named = set(re.findall(r"`(adapter_\w+)`", PROMISES.text))
    assert named == {"adapter_holes", "adapter_reconnects", "adapter_publish_dropped", "adapter_dropped"}
    of_siblings = {f"adapter_{name}" for name in UnixBus(Mesh(tmp_path, identity())).stats()}
    assert named <= set(io.stats()) | of_siblings


def test_the_readme_leads_here() -> None:
    assert "docs/promises.md" in README.links
