"""Clients that come back to the same node: what they missed, once and in order, or a new beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.typed import settle

from flocket import Adapter, AdapterError, Recovery, Server, Socket
from flocket.testing import Client, connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def server(**options: Any) -> Server[Any]:
    io: Server[Any] = Server(recovery=Recovery(window=60.0), **options)
    io.on("join", lambda socket, *rooms: socket.join(*rooms) and None)
    io.on("keep", lambda socket, value: socket.data.update(kept=value))
    return io


def claim(client: Client) -> dict[str, Any]:
    return {"pid": client.pid, **({} if client.offset is None else {"offset": client.offset})}


def events(client: Client) -> list[Any]:
    return [args for _, args in client._inbox]


def test_a_client_gets_all_that_it_missed_once_and_is_who_it_was() -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                await client.emit_with_ack("join", "red")
                client.emit("keep", 7)
                io.emit("x", 0)
                await client.receive("x")
                client.lose()
                for number in range(1, 11):
                    (io, io.to("red"), io.to(client.id), io.to("blue"))[number % 4].emit("x", number, b"\x01")
            async with connect(io, auth=claim(client)) as again:
                await settle()
                assert again.id == client.id
                assert again.pid == client.pid
                assert events(again) == [(number, b"\x01") for number in range(1, 11) if number % 4 != 3]
                (socket,) = io.sockets.values()
                assert socket.recovered
                assert socket.rooms == {client.id, "red"}
                assert socket.data == {"kept": 7}
                again.lose()
            async with connect(io, auth=claim(again)) as third:
                await settle()
                assert third.id == client.id
                assert events(third) == [], "without new events there is nothing to repeat"

    run(scene)


def test_a_client_that_received_nothing_can_come_back_too() -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.lose()
                io.emit("x", 1)
            async with connect(io, auth=claim(client)) as again:
                await settle()
                assert again.id == client.id
                assert events(again) == [(1,)]

    run(scene)


@pytest.mark.parametrize("how", ["client", "server", "close"])
def test_who_was_meant_to_leave_begins_anew(how: str) -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                if how == "client":
                    client.disconnect()
                else:
                    next(iter(io.sockets.values())).disconnect(close=how == "close")
                await settle()
            async with connect(io, auth=claim(client)) as again:
                assert again.id != client.id
                assert not next(iter(io.sockets.values())).recovered

    run(scene)


@pytest.mark.parametrize("offset", ["0-0", "$", "-", "999999999999-1", "' OR 1=1 --", "x" * 1_000_000, 5, {"$gt": 0}])
def test_a_forged_offset_begins_anew(offset: Any) -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.lose()
            async with connect(io, auth={"pid": client.pid, "offset": offset}) as again:
                assert again.id != client.id

    run(scene)


def test_of_two_with_the_same_pid_one_wins_and_the_older_is_closed() -> None:
    io = server()

    async def scene() -> None:
        async with io, connect(io) as client, connect(io, auth=claim(client)) as again:
            assert client.reason == "transport close"
            assert again.id == client.id
            async with connect(io, auth={"pid": "somebody else's"}) as other:
                assert other.id != client.id
            assert again.connected

    run(scene)


def test_a_stolen_pid_is_no_login() -> None:
    io = server()

    @io.use
    def login(socket: Socket) -> None:
        socket.data["user"] = socket.handshake.auth["user"]

    async def scene() -> None:
        async with io:
            async with connect(io, auth={"user": "ada"}) as client:
                client.lose()
            async with connect(io, auth={"user": "eve", **claim(client)}) as thief:
                assert thief.id != client.id
                assert next(iter(io.sockets.values())).data == {"user": "eve"}

    run(scene)


def test_rooms_that_a_middleware_joined_are_those_of_the_recovered_socket() -> None:
    io = server()
    io.use(lambda socket: socket.join("lobby"))

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                await client.emit_with_ack("join", "red")
                client.lose()
            async with connect(io, auth=claim(client)) as again:
                (socket,) = io.sockets.values()
                assert socket.rooms == {client.id, "lobby", "red"}
                assert set(io.rooms) == {client.id, "lobby", "red"}
                io.to("lobby").emit("x")
                await again.receive("x")
            assert io.rooms == {}

    run(scene)


def test_a_broker_that_cannot_say_costs_the_recovery_only() -> None:
    class Broken(Adapter):
        async def restore_session(self, pid: str, offset: str | None) -> Any:
            raise AdapterError("no broker")

    io = server()
    io.adapter(Broken)

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.lose()
            async with connect(io, auth=claim(client)) as again:
                assert again.id != client.id

    run(scene)


def test_what_may_be_lost_and_questions_are_not_repeated() -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.lose()
                io.volatile.emit("volatile")
                asking = asyncio.create_task(io.timeout(1).emit_with_ack("question"))
                await settle()
                assert await asking == []
                io.emit("kept", "a string at the end")
            async with connect(io, auth=claim(client)) as again:
                await settle()
                assert list(again._inbox) == [("kept", ("a string at the end",))]

    run(scene)
