"""A node that ends while something is on its way through it: it waits for that, and then ends at once.

Two nodes in one loop, as `cluster="..."` makes them of two programs of a machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.cluster.tools import runtime_folder, until

from flocket import EngineServer, Session
from flocket.adapters.buses.mesh import NO_MORE
from flocket.cluster.ports import bind
from flocket.serving.hosting import Serving
from flocket.serving.membership import Membership, membership_of

TARGET = "/engine.io/?EIO=4&transport="
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}==\r\n"


class Node:
    def __init__(self) -> None:
        self.eio = EngineServer()
        self.eio._cluster = "draining"
        self.sessions: dict[str, Session] = {}
        self.closed: list[str] = []
        self.eio.on("connection", lambda session: self.sessions.update({session.id: session}))
        self.eio.on("close", lambda session, reason: self.closed.append(reason))

    async def start(self) -> None:
        listening = bind("127.0.0.1", 0)
        self.port = listening[0].getsockname()[1]
        host = Serving(self.eio, drain=5.0)._host(listening)
        self.serving = asyncio.create_task(host.serve_here())
        await until(lambda: host.started)
        assert host._membership is not None
        self.membership: Membership = host._membership

    def end(self) -> None:
        """What a SIGTERM does; the task is over when the process would be."""
        self.serving.cancel()

    async def ended(self, seconds: float) -> None:
        done, _ = await asyncio.wait([self.serving], timeout=seconds)
        assert done, "it does not end"

    async def request(self, target: str, more: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {TARGET}{target} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
        return reader, writer

    async def open(self) -> str:
        reader, writer = await self.request("polling", "Connection: close\r\n")
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return str(json.loads(body[1:])["sid"])


@asynccontextmanager
async def nodes(count: int) -> AsyncIterator[list[Node]]:
    made = [Node() for _ in range(count)]
    try:
        for node in made:
            await node.start()
        meshes = [node.membership.worker.mesh for node in made]
        await until(lambda: all([peer.up for peer in mesh.peers.values()] == [True] * (count - 1) for mesh in meshes))
        yield made
    finally:
        for node in made:
            node.end()
            await node.ended(10)


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Node, Node]]:
    async with nodes(2) as (a, b):
        yield a, b


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with runtime_folder() as found:
        monkeypatch.setenv("FLOCKET_RUNTIME", str(found))
        yield


def test_a_websocket_that_is_piped_through_a_node_is_told_of_its_end_and_waited_for() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            b.membership.worker.placement._sticky = "none"  # type: ignore[union-attr]  # it stays where it comes
            reader, writer = await b.request(f"websocket&sid={sid}", UPGRADE.format("A" * 22))
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x81\x86\0\0\0\0" + b"2probe")
            assert await reader.readexactly(8) == b"\x81\x063probe"
            writer.write(b"\x81\x81\0\0\0\0" + b"5")
            await until(lambda: a.sessions[sid].transport == "websocket")
            assert b.membership.pending == 1
            b.end()
            assert await reader.readexactly(4) == b"\x88\x02" + (1001).to_bytes(2, "big")
            await asyncio.sleep(0.1)
            assert b.membership.pending == 1
            assert not b.serving.done(), "it has ended before the closing handshake"
            writer.write(b"\x88\x82\0\0\0\0" + (1001).to_bytes(2, "big"))
            await b.ended(1.0)
            assert b.membership.pending == 0
            await until(lambda: a.closed == ["transport close"])
            writer.close()

    asyncio.run(main())


def test_a_connection_that_is_being_passed_on_is_waited_for_and_served() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            a.sessions[sid].send("hello")
            (peer,) = a.membership.worker.mesh.peers.values()
            assert peer.incoming is not None
            held: list[tuple[int, bytes, int | None]] = []
            taking = peer.incoming._take
            peer.incoming._take = lambda *said: held.append(said)
            reader, writer = await b.request(f"polling&sid={sid}", "Connection: close\r\n")
            await until(lambda: b.membership.pending == 1 and held)
            b.end()
            await asyncio.sleep(0.1)
            assert b.membership.pending == 1
            assert not b.serving.done(), "it has ended, and left a connection to nobody"
            peer.incoming._take = taking
            for said in held:
                taking(*said)
            assert (await reader.read()).endswith(b"4hello")
            await b.ended(1.0)
            assert a.closed == []
            writer.close()

    asyncio.run(main())


def test_a_new_session_that_one_sibling_cannot_take_goes_to_another() -> None:
    async def main() -> None:
        async with nodes(3) as (a, full, free):
            assert full.membership.worker.placement is not None
            full.membership.worker.placement.close()
            free.membership.worker.mesh.tell_load(5)
            peers = a.membership.worker.mesh.peers
            await until(lambda: sorted(peer.load for peer in peers.values()) == [0, 5])
            a.membership.worker.drain()
            a.eio._engine.draining = True
            sid = await a.open()
            assert list(free.sessions) == [sid]
            assert a.membership.worker.placement is not None
            assert a.membership.worker.placement.handoff.passed == 1

    asyncio.run(main())


def test_a_node_that_only_joined_is_given_no_new_session() -> None:
    async def main() -> None:
        async with nodes(1) as (a,):
            joined = EngineServer()
            joined._cluster = "draining"
            membership = membership_of([joined], None)
            assert membership is not None
            await membership.join()
            peers = a.membership.worker.mesh.peers
            await until(lambda: [peer.up for peer in peers.values()] == [True])
            a.membership.worker.drain()
            assert a.membership.worker.placement is not None
            assert await a.open() in a.sessions
            assert a.membership.worker.placement.handoff._last == 0, "it was asked"
            await membership.aclose()

    asyncio.run(main())


def test_a_new_session_on_a_connection_that_was_kept_is_opened_at_a_sibling_and_the_connection_ends() -> None:
    async def main() -> None:
        async with two() as (a, b):
            reader, writer = await a.request("polling")

            async def answer() -> tuple[bytes, str]:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length"))
                body = await reader.readexactly(int(length.partition(b":")[2]))
                return head, str(json.loads(body[1:])["sid"])

            head, sid = await answer()
            assert list(a.sessions) == [sid]
            assert b"connection: close" not in head.lower()
            a.membership.worker.drain()
            a.eio._engine.draining = True
            await until(lambda: [peer.load for peer in b.membership.worker.mesh.peers.values()] == [NO_MORE])
            writer.write(f"GET {TARGET}polling HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head, sid = await answer()
            assert list(b.sessions) == [sid]
            assert b"connection: close" in head.lower()
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())
