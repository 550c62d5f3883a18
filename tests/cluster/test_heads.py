from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.cluster.tools import runtime_folder, until

from flocket import Server
from flocket.cluster.heads import Heads
from flocket.cluster.ports import bind
from flocket.cluster.route import Kind, Verdict, peek
from flocket.observe import Counters
from flocket.options import Limits
from flocket.serving.hosting import Serving


class Room:
    def __init__(self, limits: Limits, unrouted: int) -> None:
        self.looks = 0
        self.decided: list[tuple[socket.socket, Verdict]] = []
        self.limits = limits
        self.counters = Counters()
        self.heads = Heads(
            self.judge,
            lambda sock, v: self.decided.append((sock, v)),
            limits=limits,
            counters=self.counters,
            unrouted=unrouted,
        )
        self.clients: list[socket.socket] = []

    def judge(self, head: bytes) -> Verdict:
        self.looks += 1
        return peek(head, limit=self.limits.header_bytes)

    def connect(self, first: bytes = b"") -> socket.socket:
        client, server = socket.socketpair()
        client.setblocking(False)
        server.setblocking(False)
        self.clients.append(client)
        client.sendall(first)
        self.heads.add(server)
        return client


@asynccontextmanager
async def room(limits: Limits | None = None, unrouted: int = 1_000) -> AsyncIterator[Room]:
    made = Room(limits or Limits(), unrouted)
    try:
        yield made
    finally:
        made.heads.close()
        for sock in [*made.clients, *(sock for sock, _ in made.decided)]:
            sock.close()


async def answer(client: socket.socket) -> bytes:
    """All that is said until the other side ends."""
    loop = asyncio.get_running_loop()
    data = b""
    while part := await asyncio.wait_for(loop.sock_recv(client, 65_536), 5):
        data += part
    return data


HEAD = b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_whole_head_is_decided_at_once_and_left_unread() -> None:
    async def main() -> None:
        async with room() as it:
            it.connect(HEAD + b"more")
            assert len(it.decided) == 1
            assert it.decided[0][0].recv(1000) == HEAD + b"more"
            assert len(it.heads) == 0

    asyncio.run(main())


def test_a_head_in_pieces_is_decided_when_it_is_whole() -> None:
    async def main() -> None:
        async with room() as it:
            client = it.connect()
            for byte in HEAD:
                assert it.decided == []
                client.send(bytes([byte]))
                await asyncio.sleep(0.001)
            await until(lambda: it.decided)
            assert it.decided[0][0].recv(1000) == HEAD

    asyncio.run(main())


def test_an_incomplete_head_does_not_spin() -> None:
    async def main() -> None:
        async with room() as it:
            it.connect(HEAD[:-1])
            used = time.process_time()
            await asyncio.sleep(1.0)
            assert it.looks < 20
            assert time.process_time() - used < 0.1

    asyncio.run(main())


def test_a_head_that_never_ends_gets_408_in_time_also_when_bytes_keep_coming() -> None:
    async def main() -> None:
        async with room(Limits(header_time=0.4)) as it:
            silent, dripping = it.connect(), it.connect(b"GET /")
            begun = time.monotonic()

            async def drip() -> None:
                while True:
                    dripping.send(b"x")
                    await asyncio.sleep(0.02)

            dripper = asyncio.create_task(drip())
            for client in (silent, dripping):
                assert (await answer(client)).startswith(b"HTTP/1.1 408 ")
                assert 0.35 < time.monotonic() - begun < 0.7
            dripper.cancel()
            assert it.counters.http_errors == 2

    asyncio.run(main())


def test_a_head_of_more_than_16_kb_gets_431_and_the_answer_survives_what_was_unread() -> None:
    async def main() -> None:
        async with room() as it:
            client = it.connect(b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000)
            assert (await answer(client)).startswith(b"HTTP/1.1 431 ")

    asyncio.run(main())


def test_how_large_a_head_may_be_is_the_users_to_say() -> None:
    def head(size: int) -> bytes:
        return HEAD[:-2] + b"A: " + b"x" * (size - len(HEAD) - 5) + b"\r\n\r\n"

    async def main() -> None:
        async with room(Limits(header_bytes=1_000)) as it:
            assert (await answer(it.connect(head(1_001)))).startswith(b"HTTP/1.1 431 ")
            assert it.counters.http_errors == 1
        async with room(Limits(header_bytes=100_000)) as it:
            it.connect(head(20_000))
            it.connect(head(60_000))
            await until(lambda: len(it.decided) == 2)
            # The kernel need not keep the longer one until it is whole: it is judged by whoever serves it.
            assert [verdict.kind for _, verdict in it.decided] == [Kind.NEW, Kind.OTHER]

    asyncio.run(main())


def test_the_oldest_is_pushed_out_when_there_are_too_many() -> None:
    async def main() -> None:
        async with room(unrouted=10) as it:
            clients = [it.connect() for _ in range(15)]
            assert len(it.heads) == 10
            for client in clients[:5]:
                assert (await answer(client)).startswith(b"HTTP/1.1 408 ")
            for client in clients[5:]:
                client.send(HEAD)
            await until(lambda: len(it.decided) == 10)

    asyncio.run(main())


def test_a_client_that_goes_is_forgotten() -> None:
    async def main() -> None:
        async with room() as it:
            it.connect().close()
            await until(lambda: len(it.heads) == 0)
            assert it.decided == []
            assert it.counters.http_errors == 0

    asyncio.run(main())


def test_at_the_end_all_that_wait_are_refused() -> None:
    async def main() -> None:
        async with room() as it:
            clients = [it.connect(), it.connect(b"GET")]
            it.heads.close()
            for client in clients:
                assert (await answer(client)).startswith(b"HTTP/1.1 503 ")

    asyncio.run(main())


def test_a_servers_limits_hold_where_it_has_siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        io = Server(cluster="heads", limits=Limits(header_bytes=20_000, header_time=0.3))
        listening = bind("127.0.0.1", 0)
        port = listening[0].getsockname()[1]
        host = Serving(io, drain=0.1)._host(listening)
        serving = asyncio.create_task(host.serve_here())
        await until(lambda: host.started)

        async def said(data: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            try:
                return await asyncio.wait_for(reader.read(15), 5)
            finally:
                writer.close()

        target = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nA: "
        assert await said(target + b"x" * 18_000 + b"\r\n\r\n") == b"HTTP/1.1 200 OK"
        assert await said(target + b"x" * 21_000 + b"\r\n\r\n") == b"HTTP/1.1 431 Re"
        begun = time.monotonic()
        assert await said(b"GET /") == b"HTTP/1.1 408 Re"
        assert time.monotonic() - begun < 2.0
        assert io.stats()["http_errors"] == 2
        serving.cancel()
        await asyncio.wait([serving])

    with runtime_folder() as folder:
        monkeypatch.setenv("FLOCKET_RUNTIME", str(folder))
        asyncio.run(main())
