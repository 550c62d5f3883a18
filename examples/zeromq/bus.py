"""Nodes joined by ZeroMQ, without a broker: each publishes at its own address and listens to all the others'.

    io.adapter(ClusterAdapter(ZeroMQBus("tcp://127.0.0.1:7001", ["tcp://127.0.0.1:7002"])))

Needs `pip install pyzmq`. ZeroMQ reconnects by itself and drops what nobody can take; that is all a Bus promises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import zmq
import zmq.asyncio

from flocket import AdapterError, Bus
from flocket.adapters.bus import NodeIdentity, OnMessage


class ZeroMQBus(Bus):
    """`address` is this node's; `others` are those of all other nodes, there or not."""

    def __init__(self, address: str, others: Sequence[str]) -> None:
        self._address = address
        self._others = others
        self._outbox: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(maxsize=10_000)
        self._channels: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, node: NodeIdentity, on_message: OnMessage) -> None:
        context = self._context = zmq.asyncio.Context()
        context.setsockopt(zmq.LINGER, 200)  # ms; ZeroMQ's own is for ever, and would hold up the program's end
        self._publisher = context.socket(zmq.PUB)
        self._subscriber = context.socket(zmq.SUB)
        try:
            self._publisher.bind(self._address)
        except zmq.ZMQError as error:
            context.destroy()
            raise AdapterError(f"cannot listen at {self._address}: {error}") from error
        # Everything, and what is not wanted is dropped here: a ZeroMQ publisher learns of a subscription some time
        # later, and a Bus must not lose what is published meanwhile.
        self._subscriber.subscribe(b"")
        for other in self._others:
            self._subscriber.connect(other)
        self._on_message = on_message
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]

    def subscribe(self, channel: str) -> None:
        self._channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    def publish(self, channel: str, data: bytes) -> bool:
        try:
            self._outbox.put_nowait((channel.encode("utf-8", "surrogatepass"), data))
        except asyncio.QueueFull:
            return False
        return True

    async def drained(self) -> None:
        await self._outbox.join()

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._outbox.join()
        except TimeoutError:
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._context.destroy()

    async def _send(self) -> None:
        while True:
            await self._publisher.send_multipart(await self._outbox.get())
            self._outbox.task_done()

    async def _receive(self) -> None:
        while True:
            name, data = await self._subscriber.recv_multipart()
            channel = name.decode("utf-8", "surrogatepass")
            if channel in self._channels:
                self._on_message(channel, data)
