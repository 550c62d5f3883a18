"""A Socket.IO client for tests: speaks to a Server in the same loop, without a port.

All of the server is real, from the engine up. Knows the protocol's client side; reconnects never.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any
from urllib.parse import urlencode

from flocket.codec.socketio import Packet, PacketType
from flocket.engine.request import Request
from flocket.errors import AckTimeout, ConnectError, Disconnected
from flocket.options import Limits
from flocket.serving.server import Server
from flocket.sockets.answers import as_value
from flocket.sockets.emission import Emission
from flocket.sockets.parsers import Encoded, choose_parser
from flocket.testing.line import Line, LineUpgrade

__all__ = ["Client", "connect"]

# A client takes from its server whatever that can send.
UNLIMITED = Limits(attachments=1_000_000, attachment_bytes=10**12, json_depth=100_000, namespace_bytes=1_000_000)
OFFSET = re.compile(r"[0-9a-f]{12}-[0-9]+|[0-9]{13}-[0-9]+")  # what recovery adds to an event, in memory or streams


class Client:
    """One client in one namespace, made by `connect`.

    `id` is the socket's; `reason`, once it is disconnected, is what a JavaScript client is told: "io server
    disconnect", "io client disconnect" or "transport close". Where recovery is on, `pid` and `offset` are what a
    client that comes back says in its `auth`.
    """

    def __init__(self, io: Server[Any], namespace: str) -> None:
        self.id: str = ""
        self.pid: str | None = None
        self.offset: str | None = None
        self.namespace = namespace
        self.reason: str | None = None
        self._parser = choose_parser(io._options.parser, UNLIMITED)
        self._decoder = self._parser.decoder()
        self._line: Line | None = None
        self._welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._came = asyncio.Event()
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._acks: dict[int, asyncio.Future[list[Any]]] = {}
        self._ack_ids = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []  # of its handlers

    # -- what a test does -----------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the server has let it in, and it has not left since."""
        return bool(self.id) and self.reason is None

    def emit(self, event: str, *args: Any) -> Emission:
        """Send an event. Plain handlers have run when it returns; await it to give tasks a turn.

        Raises EncodeError for what cannot be sent, and Disconnected.
        """
        self._send(Packet(PacketType.EVENT, self.namespace, [event, *args]))
        return Emission(_turn)

    async def emit_with_ack(self, event: str, *args: Any, timeout: float = 5.0) -> Any:
        """Send an event and return the acknowledgement: its value, a tuple if there are several, None if none.

        Raises AckTimeout when it does not come within `timeout` seconds, and Disconnected.
        """
        ack_id = self._ack_ids
        self._ack_ids += 1
        answer = self._acks[ack_id] = asyncio.get_running_loop().create_future()
        try:
            self._send(Packet(PacketType.EVENT, self.namespace, [event, *args], ack_id))
            async with asyncio.timeout(timeout):
                return as_value(await answer)
        except TimeoutError:
            raise AckTimeout(f"no acknowledgement of {event!r} within {timeout:g} s") from None
        finally:
            del self._acks[ack_id]

    async def receive(self, event: str, timeout: float = 1.0) -> tuple[Any, ...]:
        """The arguments of the next such event, be it here already. Others stay for later.

        Raises TimeoutError, which names what came instead, and Disconnected if it cannot come any more.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for index, (name, args) in enumerate(self._inbox):
                        if name == event:
                            del self._inbox[index]
                            return args
                    self._check()
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            others = ", ".join(repr(name) for name, _ in self._inbox) or "nothing"
            raise TimeoutError(f"no {event!r} within {timeout:g} s; there is {others}") from None

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        """Call `handler(*args)`, plain or async, in place of keeping the event; what it returns answers.

        What it raises, an `assert` of yours say, `connect` raises at its end.
        """
        self._handlers[event] = handler

    def disconnect(self) -> Emission:
        """Leave, as a client that means it. Await it to give the server's handlers a turn."""
        if self.connected and self._line is not None:
            self._send(Packet(PacketType.DISCONNECT, self.namespace))
            self._left("io client disconnect")
            self._line.lose()
        return Emission(_turn)

    def lose(self) -> Emission:
        """Break the connection without a word, as a network does."""
        if self._line is not None:
            self._line.lose()
        return Emission(_turn)

    # -- protocol -------------------------------------------------------------------------------------------

    async def _open(self, io: Server[Any], request: Request, auth: Mapping[str, Any] | None) -> None:
        upgrade = LineUpgrade(request, self._on_frame, lambda: self._left("transport close"))
        io._engine.upgrade(upgrade)
        settled = await upgrade.settled
        if isinstance(settled, str):
            raise ConnectError(settled)
        self._line = settled
        self._send(Packet(PacketType.CONNECT, self.namespace, dict(auth) if auth else None))
        await self._welcome

    def _send(self, packet: Packet) -> None:
        frames = self._parser.encode(packet)
        self._check()
        self._say(frames)

    def _say(self, encoded: Encoded) -> None:
        assert self._line is not None
        for frame in encoded.frames:
            self._line.say(frame.payload if frame.binary else frame.payload.decode())

    def _check(self) -> None:
        if self.reason is not None:
            raise Disconnected(f"the client is disconnected: {self.reason}")

    def _on_frame(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._on_message(frame)
        elif frame[:1] == "4":
            self._on_message(frame[1:])
        elif frame[:1] == "2" and self._line is not None:
            self._line.say("3" + frame[1:])

    def _on_message(self, message: str | bytes) -> None:
        packet = self._decoder.add(message)
        if packet is None or packet.nsp != self.namespace:
            return
        if packet.type == PacketType.EVENT:
            self._on_event(packet)
        elif packet.type == PacketType.ACK:
            waiting = self._acks.get(-1 if packet.id is None else packet.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(packet.data)
        elif packet.type == PacketType.CONNECT:
            self.id, self.pid = packet.data["sid"], packet.data.get("pid")
            if not self._welcome.done():
                self._welcome.set_result(None)
        elif packet.type == PacketType.CONNECT_ERROR:
            if not self._welcome.done():
                self._welcome.set_exception(ConnectError(packet.data["message"], packet.data.get("data")))
        else:
            self._left("io server disconnect")

    def _on_event(self, packet: Packet) -> None:
        name, *args = packet.data
        if self.pid is not None and packet.id is None and args and OFFSET.fullmatch(str(args[-1])):
            self.offset = args.pop()
        handler = self._handlers.get(name)
        if handler is None:
            self._inbox.append((name, tuple(args)))
            self._came.set()
            return
        task = asyncio.get_running_loop().create_task(self._call(handler, args, packet.id))
        self._tasks.add(task)
        task.add_done_callback(self._called)

    def _called(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._failures.append(failure)

    async def _call(self, handler: Callable[..., Any], args: list[Any], ack_id: int | None) -> None:
        value = handler(*args)
        if isawaitable(value):
            value = await value
        if ack_id is not None and self.reason is None:
            values = list(value) if isinstance(value, tuple) else [] if value is None else [value]
            self._send(Packet(PacketType.ACK, self.namespace, values, ack_id))

    def _left(self, reason: str) -> None:
        if self.reason is not None:
            return
        self.reason = reason
        gone = Disconnected(f"the client is disconnected: {reason}")
        if not self._welcome.done():
            self._welcome.set_exception(ConnectError(f"the server ended the connection: {reason}"))
        for waiting in self._acks.values():
            if not waiting.done():
                waiting.set_exception(gone)
        self._came.set()

    def __repr__(self) -> str:
        return f"<Client {self.id} of {self.namespace}{'' if self.connected else ', disconnected'}>"


async def _turn() -> None:
    # Twice: a task that begins in the first has its answer delivered in the second.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@asynccontextmanager
async def connect(
    io: Server[Any],
    *,
    auth: Mapping[str, Any] | None = None,
    namespace: str = "/",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> AsyncIterator[Client]:
    """Connect a client to `io`, and disconnect it at the end.

    Starts `io`, also one that was closed before, if it does not run, and closes it then; one that runs goes on.
    Raises ConnectError when the server refuses, with its words and data, TimeoutError after `timeout` seconds, and at
    its end what a handler of the client has raised.
    """
    starts = io._begun is None or io._ended
    if starts:
        io._renew()
    await io._begin()
    client = Client(io, namespace if namespace.startswith("/") else "/" + namespace)
    try:
        async with asyncio.timeout(timeout):
            await client._open(io, _request(io, headers or {}, query or {}), auth)
        yield client
    finally:
        client.disconnect()
        await client.lose()
        handling = tuple(client._tasks)
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        if starts:
            await io.close()
    if client._failures:
        raise client._failures[0]


def _request(io: Server[Any], headers: Mapping[str, str], query: Mapping[str, str]) -> Request:
    options = io._engine.options
    given: Sequence[tuple[bytes, bytes]] = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    ]
    if not any(name == b"host" for name, _ in given):
        given = [(b"host", b"testserver"), *given]
    return Request(
        "GET",
        options.path + "/",
        urlencode({"EIO": "4", "transport": "websocket", **query}),
        given,
        peer="127.0.0.1",
        trusted_proxies=options.trusted_proxies,
    )
