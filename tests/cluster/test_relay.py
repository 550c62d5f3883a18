"""Two workers in one loop, each with its own engine, port and fast face; requests go to the wrong one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.tools import identity, runtime_folder, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from flocket import EngineServer, Session
from flocket.adapters.buses.mesh import Mesh, Peer
from flocket.cluster import relay_sender
from flocket.cluster.ports import bind
from flocket.cluster.relay import Relay
from flocket.engine.sid import make_sid
from flocket.serving.hosting import Serving


class Worker:
    def __init__(self, folder: Path, **options: Any) -> None:
        self.mesh = Mesh(folder, identity())
        self.relay = Relay(self.mesh)
        self.eio = EngineServer(max_payload=100_000, allow_eio3=True, **options)
        self.eio._front = self.relay.front(self.eio._engine)
        self.eio._tag = self.mesh.node.tag
        self.sessions: dict[str, Session] = {}
        self.heard: list[str | bytes] = []
        self.closed: list[tuple[str, str]] = []
        self.eio.on("connection", lambda session: self.sessions.update({session.id: session}))
        self.eio.on("message", lambda session, data: self.heard.append(data))
        self.eio.on("close", lambda session, reason: self.closed.append((session.id, reason)))

    async def start(self) -> None:
        await self.mesh.start()
        listening = bind("127.0.0.1", 0)
        self.port = listening[0].getsockname()[1]
        self.serving = asyncio.create_task(Serving(self.eio, drain=1.0).serve_here(listening))
        await until(lambda: self.eio.health()["status"] == "ok")

    async def stop(self) -> None:
        self.serving.cancel()
        await asyncio.wait([self.serving])
        await self.mesh.aclose()

    async def http(
        self, target: str, method: str = "GET", body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = f"{method} /engine.io/?{target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])
            return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
        finally:
            writer.close()

    async def open(self, more: str = "") -> str:
        status, _, body = await self.http(f"EIO=4&transport=polling{more}")
        assert status == 200
        return str(json.loads(body[1:])["sid"])

    def websocket(self, sid: str = "") -> connect:
        more = f"&sid={sid}" if sid else ""
        target = f"/engine.io/?EIO=4&transport=websocket{more}"
        return connect(f"ws://127.0.0.1:{self.port}{target}", compression=None, close_timeout=0.5)


@asynccontextmanager
async def two(**options: Any) -> AsyncIterator[tuple[Worker, Worker]]:
    with runtime_folder() as folder:
        a, b = Worker(folder, **options), Worker(folder, **options)
        await a.start()
        await b.start()
        await until(lambda: all([p.up for p in w.mesh.peers.values()] == [True] for w in (a, b)))
        try:
            yield a, b
        finally:
            await a.stop()
            await b.stop()
            assert a.relay.pending == b.relay.pending == 0


def polling(sid: str) -> str:
    return f"EIO=4&transport=polling&sid={sid}"


def test_polls_and_posts_at_either_worker_are_one_session() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            for n in range(10):
                a.sessions[sid].send(f"down {n}")
                here, there = (a, b) if n % 2 else (b, a)
                assert (await here.http(polling(sid)))[2] == f"4down {n}".encode()
                status, headers, body = await there.http(polling(sid), "POST", f"4up {n}".encode())
                assert (status, headers["content-type"], body) == (200, "text/html", b"ok")
            assert a.heard == [f"up {n}" for n in range(10)]
            assert b.heard == []
            assert b.relay.relayed == 10

    asyncio.run(main())


def test_one_connection_serves_sessions_of_both_workers_in_turn_as_a_proxy_s_does() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sids = await a.open(), await b.open()
            reader, writer = await asyncio.open_connection("127.0.0.1", b.port)
            for n in range(10):
                owner, sid = ((a, sids[0]), (b, sids[1]))[n % 2]
                owner.sessions[sid].send(f"{n}")
                writer.write(f"GET /engine.io/?{polling(sid)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r")[0])
                assert await reader.readexactly(length) == b"4%d" % n
            assert b.relay.relayed == 5
            writer.close()

    asyncio.run(main())


def test_a_poll_that_waits_at_the_wrong_worker_gets_what_is_sent_later() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            poll = asyncio.create_task(b.http(polling(sid)))
            await until(lambda: b.relay.pending == 1)
            await asyncio.sleep(0.05)
            for n in range(3):
                a.sessions[sid].send(f"{n}")
            assert (await poll)[2] == b"40\x1e41\x1e42"

    asyncio.run(main())


def test_jsonp_works_at_the_wrong_worker() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            a.sessions[sid].send("x")
            status, headers, body = await b.http(polling(sid) + "&j=3")
            assert (status, body) == (200, b'___eio[3]("4x");')
            assert headers["content-type"] == "text/javascript; charset=utf-8"
            assert (await b.http(polling(sid) + "&j=3", "POST", b"d=4hello"))[2] == b"ok"
            assert a.heard == ["hello"]

    asyncio.run(main())


async def upgrade(websocket: ClientConnection) -> None:
    await websocket.send("2probe")
    assert await websocket.recv() == "3probe"
    await websocket.send("5")


def test_a_session_upgrades_through_the_wrong_worker_and_loses_nothing() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            a.sessions[sid].send("before")
            async with b.websocket(sid) as websocket:
                assert (await b.http(polling(sid)))[2] == b"4before"
                await upgrade(websocket)
                await until(lambda: a.sessions[sid].transport == "websocket")
                for n in range(100):
                    a.sessions[sid].send(f"text {n}")
                    a.sessions[sid].send(b"binary %d" % n)
                    await websocket.send(f"4up {n}")
                for n in range(100):
                    assert await websocket.recv() == f"4text {n}"
                    assert await websocket.recv() == b"binary %d" % n
                await until(lambda: len(a.heard) == 100)
            await until(lambda: a.closed == [(sid, "transport close")])

    asyncio.run(main())


def test_the_owner_closes_a_websocket_that_is_elsewhere_and_its_code_arrives() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            async with b.websocket(sid) as websocket:
                await upgrade(websocket)
                await until(lambda: a.sessions[sid].transport == "websocket")
                await a.eio.close()
                with pytest.raises(ConnectionClosed) as closed:
                    await websocket.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001

    asyncio.run(main())


def test_a_slow_reader_elsewhere_is_slow_here() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            async with b.websocket(sid) as websocket:
                await upgrade(websocket)
                await until(lambda: a.sessions[sid].transport == "websocket")
                session = a.eio._engine.sessions[sid]
                for _ in range(400):
                    a.sessions[sid].send(bytes(50_000))
                    await asyncio.sleep(0)
                    if not session.writable:
                        break
                await asyncio.sleep(0.1)
                sent = 0
                while session.buffered < 900_000:
                    a.sessions[sid].send(bytes(50_000))
                    sent += 1
                    await asyncio.sleep(0)
                    assert sent < 1_000
                assert not session.writable
                received = 0
                while not session.writable or session.buffered > 100_000:
                    received += len(await websocket.recv())
                assert received > 500_000
                assert session.open

    asyncio.run(main())


def test_a_client_that_goes_is_gone_at_the_owner() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            _, writer = await asyncio.open_connection("127.0.0.1", b.port)
            writer.write(f"GET /engine.io/?{polling(sid)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await until(lambda: b.relay.pending == 1)
            await asyncio.sleep(0.05)
            writer.close()
            await until(lambda: a.closed == [(sid, "transport error")])

    asyncio.run(main())


def test_what_the_owner_refuses_is_refused_with_its_number() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            status, _, body = await b.http(f"EIO=3&transport=polling&sid={sid}")
            assert (status, json.loads(body)["code"]) == (400, 3)
            status, _, _ = await b.http(polling(sid), "POST", b"4" + bytes(200_000))
            assert status == 413
            assert (await b.http(polling(sid), "POST", b"4fine"))[0] == 200
            with pytest.raises(InvalidStatus) as refused:
                await b.websocket("x" * 20).__aenter__()
            assert refused.value.response.status_code == 400

    asyncio.run(main())


def test_sids_of_nobody_get_code_1_at_once() -> None:
    async def main() -> None:
        async with two() as (a, b):
            forged = [make_sid(tag, lambda n: bytes(n)) for tag in ("gone", a.mesh.node.tag)]
            for sid in ("x", "__proto__", *forged):
                status, _, body = await b.http(polling(sid))
                assert (status, json.loads(body)["code"]) == (400, 1)

    asyncio.run(main())


def test_the_death_of_the_owner_ends_what_waits_for_it_with_code_1() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid, other = await a.open(), await a.open()
            poll = asyncio.create_task(b.http(polling(sid)))
            async with b.websocket(other) as websocket:
                await upgrade(websocket)
                await until(lambda: a.sessions[other].transport == "websocket")
                for peer in list(a.mesh.peers.values()):
                    assert peer.out is not None
                    peer.out.close()  # its process is gone
                    peer.out = None
                status, _, body = await asyncio.wait_for(poll, 1)
                assert (status, json.loads(body)["code"]) == (400, 1)
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(websocket.recv(), 1)

    asyncio.run(main())


@contextmanager
def hung(there: Worker, here: Worker) -> Iterator[Peer]:
    """What the two say to each other meanwhile arrives afterwards, and `here` takes `there` for hung."""
    (peer,), (other) = here.mesh.peers.values(), there.mesh.peers[here.mesh.node.tag]
    links = [link for link in (peer.incoming, other.incoming) if link is not None]
    takings = [link._take for link in links]
    kept: list[tuple[Callable[..., None], tuple[object, ...]]] = []
    for link, taking in zip(links, takings, strict=True):
        link._take = lambda *said, taking=taking: kept.append((taking, said))
    peer.up = False
    for told in here.mesh.on_down:
        told(peer, "hung")
    try:
        yield peer
    finally:
        for link, taking in zip(links, takings, strict=True):
            link._take = taking
        for taking, said in kept:
            taking(*said)
        there.mesh.tell_load(1)


def test_polls_and_posts_wait_for_an_owner_that_hangs_as_long_as_their_client_does() -> None:
    async def main() -> None:
        async with two(ping_interval=0.4, ping_timeout=0.4) as (a, b):
            sid = await a.open()
            loop = asyncio.get_running_loop()
            with hung(a, b) as peer:
                begun = loop.time()
                answers = await asyncio.gather(
                    b.http(polling(sid)), b.http(polling(sid), "POST", b"4lost")
                )
                assert [(status, headers["retry-after"]) for status, headers, _ in answers] == [(503, "1")] * 2
                assert 0.8 <= loop.time() - begun < 1.4
            await until(lambda: peer.up)
            assert a.heard == []

    asyncio.run(main())


def test_an_owner_that_goes_on_serves_what_waited_for_it() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid, other = await a.open(), await a.open()
            early = asyncio.create_task(b.http(polling(sid)))
            await until(lambda: b.relay.pending == 1)
            await asyncio.sleep(0.05)
            with hung(a, b):
                late = asyncio.create_task(b.http(polling(sid), "POST", b"4late"))
                poll = asyncio.create_task(b.http(polling(other)))
                await until(lambda: b.relay.pending == 3)
                a.sessions[sid].send("to the early one")
                await asyncio.sleep(0.3)
                assert [late.done(), poll.done()] == [False, False]
            assert (await late)[0] == 200
            assert a.heard == ["late"]
            assert (await early)[2] == b"4to the early one"
            a.sessions[other].send("to the other")
            assert (await poll)[2] == b"4to the other"
            assert a.closed == []

    asyncio.run(main())


def test_an_upgrade_does_not_wait_long_for_an_owner_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_sender, "UPGRADE_TIME", 0.3)

    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            with hung(a, b):
                with pytest.raises(InvalidStatus) as refused:
                    await b.websocket(sid).__aenter__()
                assert refused.value.response.status_code == 503
            a.sessions[sid].send("still here")
            assert (await b.http(polling(sid)))[2] == b"4still here"

    asyncio.run(main())


def test_a_worker_that_leaves_ends_relayed_polls_without_harm_to_their_sessions() -> None:
    async def main() -> None:
        async with two() as (a, b):
            sid = await a.open()
            poll = asyncio.create_task(b.http(polling(sid)))
            await until(lambda: b.relay.pending == 1)
            await asyncio.sleep(0.05)
            b.relay.leave()
            status, headers, body = await asyncio.wait_for(poll, 1)
            assert (status, headers["connection"], body) == (200, "close", b"6")
            a.sessions[sid].send("still here")
            assert (await a.http(polling(sid)))[2] == b"4still here"

    asyncio.run(main())


def test_rubbish_from_a_sibling_is_counted() -> None:
    async def main() -> None:
        async with two() as (a, b):
            (peer,) = a.mesh.peers.values()
            for kind in (*range(48, 55), *range(56, 60)):
                a.mesh.send(peer, kind, b"?")
                a.mesh.send(peer, kind, bytes(8) + b"\xff\xff")
            await until(lambda: b.mesh.garbage >= 12)
            sid = await b.open()
            assert (await a.http(polling(sid), "POST", b"4well"))[2] == b"ok"

    asyncio.run(main())
