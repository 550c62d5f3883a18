"""A broadcast reaches the others while it makes the server give up on members that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import socket as network
from collections.abc import Callable

import pytest
from tests.support.servers import free_port
from tests.support.websocket import WebSocket

from flocket import Limits, Server, Socket

MUCH = "x" * 8_000_000  # more than the kernel's buffers of a connection take


def connect(port: int) -> WebSocket:
    client = WebSocket(port, "/socket.io/?EIO=4&transport=websocket")
    client.receive()
    client.text("40")
    client.receive()
    return client


def listens(port: int) -> bool:
    with network.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # nobody could set an Event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("room", [None, "red"])
def test_members_that_are_dropped_during_a_broadcast_do_not_end_it(room: str | None) -> None:
    io = Server(serve_client=False, limits=Limits(send_bytes=1_000))
    reasons: list[str] = []

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        await socket.join("red")

    @io.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        reasons.append(reason)

    async def scene() -> None:
        port = free_port()
        serving = asyncio.create_task(io.serve("127.0.0.1", port))
        await settled(lambda: listens(port))
        deaf = [await asyncio.to_thread(connect, port) for _ in range(3)]
        await settled(lambda: len(io.of("/").sockets) == 3)
        members = io if room is None else io.to(room)
        members.emit("news", MUCH)
        await asyncio.sleep(0)  # the turn ends: all is written, and does not leave
        await settled(lambda: not any(socket.conn.writable for socket in io.of("/").sockets.values()))
        members.emit("news", "x" * 10_000)  # waits here, far above the bound
        members.emit("news", "one more")
        await settled(lambda: reasons == ["slow consumer"] * 3)
        for client in deaf:
            client.socket.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    asyncio.run(scene())
