"""A question to one client: its answer, its silence, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.typed import Raw, settle

from flocket import AckTimeout, Disconnected, Server, Socket
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def only(io: Server[Any]) -> Socket[Any]:
    (socket,) = io.sockets.values()
    found: Socket[Any] = socket
    return found


def test_the_answer_is_the_clients_value_or_a_tuple() -> None:
    async def scene() -> None:
        io = Server()
        async with connect(io) as client:
            answers: list[Any] = [1, (1, "two"), None, [1]]
            client.on("question", lambda number: answers[number])
            for number, answer in enumerate(answers):
                assert await only(io).emit_with_ack("question", number) == answer
                assert await only(io).timeout(1).emit_with_ack("question", number) == answer

    run(scene)


def test_an_answer_too_late_is_a_timeout_and_changes_nothing_when_it_comes() -> None:
    async def scene() -> None:
        async with Server(ack_timeout=0.05) as io:
            raw = await Raw.connected(io)
            with pytest.raises(AckTimeout, match="question"):
                await only(io).emit_with_ack("question")
            with pytest.raises(TimeoutError):
                await only(io).timeout(0.03).emit_with_ack("question")
            raw.say("430[1]", '431["x"]', "4399[]")
            assert not raw.closed
            assert io.stats()["acks_timed_out"] == 2
            acks = only(io)._acks
            assert acks is not None
            assert acks._waiting == {}

    run(scene)


def test_who_waits_for_a_client_that_goes_hears_so_at_once() -> None:
    async def scene() -> None:
        io = Server()
        async with connect(io) as client:
            socket = only(io)
            asking = asyncio.create_task(socket.timeout(60).emit_with_ack("question"))
            waiting = asyncio.create_task(socket.wait_for("word"))
            await settle()
            client.lose()
            for task in (asking, waiting):
                with pytest.raises(Disconnected):
                    await task
            with pytest.raises(Disconnected):
                await socket.emit_with_ack("question")
            with pytest.raises(Disconnected):
                await socket.wait_for("word")
            socket.emit("nobody hears")

    run(scene)
