"""Several nodes within one process, and clients of theirs without a network: for the tests of adapters.

The servers are real, down to the engine; a client is a WebSocket whose frames are handed over by plain calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.support.polling import until

from flocket import Server
from flocket.codec import socketio
from flocket.codec.frames import Frame
from flocket.codec.socketio import Assembly, Packet, PacketType
from flocket.engine.contracts import Headers, Receiver, Transport
from flocket.engine.request import Request

__all__ = ["LocalClient", "fleet"]


class LocalClient:
    """A client of `server` in `nsp`. `events` holds what it got; `answer` is what it acknowledges with."""

    name = "websocket"
    writable = True
    on_gone: Callable[[], None] | None = None
    receiver: Receiver

    def __init__(self, server: Server[Any], nsp: str = "/", auth: dict[str, Any] | None = None) -> None:
        self.nsp = nsp
        self.events: list[list[Any]] = []
        self.answer: Callable[[list[Any]], list[Any] | None] = lambda data: [data[0]]
        self.sid = ""
        self.pid: str | None = None
        self.offset: str | None = None  # where the last event stood in the log, as the official client notes it
        self.closed = ""
        self.disconnected = False
        self.request = Request("GET", "/socket.io/", "EIO=4&transport=websocket", [(b"user-agent", b"local")])
        self._assembly: Assembly | None = None
        self._frames: list[Frame] = []
        server._engine.upgrade(self)
        self._send(Packet(PacketType.CONNECT, nsp, auth))

    async def connected(self) -> LocalClient:
        """Itself, once it is in its namespace."""
        await until(lambda: self.sid)
        return self

    def emit(self, *data: Any) -> None:
        self._send(Packet(PacketType.EVENT, self.nsp, list(data)))

    def leave(self) -> None:
        """Go without a word, as a browser that is closed."""
        self.receiver.on_lost("transport close")

    async def has(self, count: int) -> None:
        """Return once it has so many events."""
        await until(lambda: len(self.events) >= count)
        assert len(self.events) == count

    async def got(self, *event: Any) -> None:
        """Return once the next event is this one."""
        await until(lambda: self.events)
        assert self.events.pop(0) == list(event)

    def _send(self, packet: Packet) -> None:
        text, attachments = socketio.encode(packet)
        self.receiver.receive(text.decode())
        for data in attachments:
            self.receiver.receive(data)

    def _read(self, frame: Frame) -> None:
        packet: Packet | None
        if frame.binary:
            assert self._assembly is not None
            packet = self._assembly.add(frame.payload)
        elif frame.payload == b"2":
            asyncio.get_running_loop().call_soon(self.receiver.receive, "3")  # it is alive
            return
        elif frame.payload[:1] != b"4":
            return
        else:
            packet = socketio.decode(frame.payload[1:].decode())
            if packet.attachments:
                self._assembly = Assembly(packet, max_bytes=10**9)
                return
        if packet is not None:
            self._hear(packet)

    def _hear(self, packet: Packet) -> None:
        if packet.type == PacketType.CONNECT:
            self.sid, self.pid = packet.data["sid"], packet.data.get("pid")
        elif packet.type == PacketType.DISCONNECT:
            self.disconnected = True
        elif packet.type == PacketType.EVENT:
            if self.pid is not None and isinstance(packet.data[-1], str):
                self.offset = packet.data[-1]
            self.events.append(packet.data)
            answer = None if packet.id is None else self.answer(packet.data)
            if answer is not None:
                loop = asyncio.get_running_loop()
                loop.call_soon(self._send, Packet(PacketType.ACK, self.nsp, answer, packet.id))

    # -- what the engine asks of an upgrade and a transport ------------------------------------------------

    def accept(self, receiver: Receiver, headers: Headers) -> Transport:
        self.receiver = receiver
        return self

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        raise AssertionError(f"refused: {status} {body!r}")

    def send(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._read(frame)

    def pending(self) -> int:
        return 0

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = f"{code} {reason}"

    def abort(self) -> None:
        self.closed = "aborted"


@asynccontextmanager
async def fleet(
    count: int,
    make_adapter: Callable[[], Any],
    setup: Callable[[Server[Any]], None] | None = None,
    **options: Any,
) -> AsyncIterator[list[Server[Any]]]:
    """So many servers, each with an adapter of its own, running within the loop; `options` are the servers'."""
    async with AsyncExitStack() as stack:
        servers: list[Server[Any]] = []
        for _ in range(count):
            server: Server[Any] = Server(**options)
            server.adapter(make_adapter())
            if setup is not None:
                setup(server)
            servers.append(server)
        for server in servers:
            await stack.enter_async_context(server)
        yield servers
