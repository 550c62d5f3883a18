"""Clients that come back to the same node: what they missed, once and in order, or a new beginning."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.typed import settle

from flocket import Adapter, AdapterError, Limits, Recovery, Server, Socket
from flocket.codec.socketio import Packet, PacketType
from flocket.sockets import recovery
from flocket.sockets.parsers import choose_parser
from flocket.sockets.recovery import Saved, SessionLog
from flocket.sockets.target import Target
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


def test_what_a_handler_says_to_a_client_that_went_meanwhile_is_not_lost() -> None:
    io = server()
    handlers: list[Socket] = []
    io.on("work", lambda socket: handlers.append(socket))

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.emit("work")
                await settle()
                client.lose()
            (socket,) = handlers
            socket.emit("done", 1, b"\x01")
            socket.compress(False).emit("done", 2)
            socket.volatile.emit("done", "never")
            async with connect(io, auth=claim(client)) as again:
                await settle()
                socket.emit("done", 3)
                await settle()
                assert events(again) == [(1, b"\x01"), (2,), (3,)]

    run(scene)


@pytest.mark.parametrize("reason", ["client", "server"])
def test_what_is_said_to_a_client_that_cannot_come_back_is_not_kept(reason: str) -> None:
    io = server()

    async def scene() -> None:
        async with io, connect(io) as client:
            (socket,) = io.sockets.values()
            if reason == "client":
                await client.disconnect()
            else:
                socket.disconnect()
            await settle()
            log = socket.nsp.adapter.log
            assert log is not None
            before = log.position
            socket.emit("done", 1)
            assert log.position == before

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


def test_what_was_repeated_but_not_received_is_repeated_again() -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                io.emit("x", 0)
                await client.receive("x")
                client.lose()
                io.emit("x", 1)
            async with connect(io, auth=claim(client)) as again:
                again.lose()  # with the repetition on its way
            async with connect(io, auth=claim(client)) as third:
                await settle()
                assert third.id == client.id
                assert events(third) == [(1,)]

    run(scene)


def test_an_event_that_is_not_kept_does_not_spoil_the_offset() -> None:
    io = server()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                io.emit("x", "text")
                io.volatile.emit("volatile", "a text that a client takes for an offset")
                next(iter(io.sockets.values())).volatile.emit("volatile", "another")
                await settle()
                client.lose()
                io.emit("x", "missed")
            offset = client._inbox[-1][1][-1]
            async with connect(io, auth={"pid": client.pid, "offset": client.offset or offset}) as again:
                await settle()
                assert (again.id, events(again)) == (client.id, [("missed",)])

    run(scene)


def test_data_that_changed_since_is_no_other_user() -> None:
    io = server()

    @io.use
    def authenticate(socket: Socket[Any]) -> None:
        socket.data["user"] = socket.handshake.auth.get("user", "ada")
        socket.data["name"] = "guest"

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                next(iter(io.sockets.values())).data["name"] = "Ada"
                client.lose()
            async with connect(io, auth=claim(client)) as again:
                assert again.id == client.id
                assert next(iter(io.sockets.values())).data == {"user": "ada", "name": "Ada"}

    run(scene)


def test_a_thief_neither_gets_nor_ends_the_session() -> None:
    io = server()

    @io.use
    def authenticate(socket: Socket[Any]) -> None:
        socket.data["user"] = socket.handshake.auth.get("user", "ada")

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                async with connect(io, auth={**claim(client), "user": "eve"}) as thief:
                    assert thief.id != client.id
                assert client.connected
                client.lose()
            async with connect(io, auth={**claim(client), "user": "eve"}) as thief:
                assert thief.id != client.id
            async with connect(io, auth=claim(client)) as again:
                assert again.id == client.id

    run(scene)


def test_data_that_cannot_be_compared_is_another_users() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

        __hash__ = None  # type: ignore[assignment]

    io = server()

    @io.use
    def authenticate(socket: Socket[Any]) -> None:
        socket.data["odd"] = Odd()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.lose()
            async with connect(io, auth=claim(client)) as again:
                assert again.id != client.id

    run(scene)


@pytest.mark.parametrize("skip", [True, False])
def test_middlewares_run_again_unless_they_are_skipped(skip: bool) -> None:
    io: Server[Any] = Server(recovery=Recovery(skip_middleware=skip))
    ran: list[str] = []

    @io.use
    async def authenticate(socket: Socket[Any]) -> None:
        await asyncio.sleep(0)
        ran.append(socket.id)
        io.emit("x", len(ran))

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.lose()
                io.emit("x", "missed")
            async with connect(io, auth=claim(client)) as again:
                await settle()
                assert again.id == client.id
                assert events(again) == ([("missed",)] if skip else [("missed",), (2,)])
        assert len(ran) == (1 if skip else 2)

    run(scene)


def test_a_dynamic_namespace_is_kept_for_those_who_may_be_back() -> None:
    io = server()
    io.of(re.compile("/game-1"))

    async def scene() -> None:
        async with io:
            async with connect(io, namespace="/game-1") as client:
                client.lose()
                await settle()
                assert "/game-1" in io._namespaces
                io.of("/game-1").emit("x", 1)
            async with connect(io, namespace="/game-1", auth=claim(client)) as again:
                await settle()
                assert (again.id, events(again)) == (client.id, [(1,)])
                again.disconnect()
                await settle()
            assert "/game-1" not in io._namespaces, "who left by itself is not waited for"

    run(scene)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def kept(**options: Any) -> tuple[SessionLog, Clock, Callable[..., str]]:
    """A log, its clock, and what records an event and tells its offset."""
    clock = Clock()
    log = SessionLog(Recovery(**options), clock)
    parser = choose_parser("json", Limits())

    def record(*data: Any, rooms: tuple[str, ...] | None = None) -> str:
        encoded = log.record(parser, Packet(PacketType.EVENT, "/", ["x", *data]), None, Target(rooms=rooms))
        return encoded.frames[0].payload.decode().rsplit('"', 2)[1]

    return log, clock, record


def test_a_session_is_kept_for_its_window_and_no_longer() -> None:
    log, clock, _ = kept(window=10.0)
    log.save(Saved("s", "p", frozenset({"s"}), {}))
    clock.now = 10.0
    assert log.awaits
    clock.now = 10.1
    assert not log.awaits
    assert log.take("p", None) is None


def test_an_idle_client_is_recovered_though_its_last_event_is_long_gone() -> None:
    log, clock, record = kept(window=10.0)
    offset = record(1)
    clock.now = 600.0
    record(2, rooms=("others",))
    assert len(log._entries) == 1
    log.save(Saved("s", "p", frozenset({"s"}), {}, last=1, left=log.position))
    clock.now = 601.0
    record(3)
    restored = log.take("p", offset)
    assert restored is not None
    assert [b"3" in encoded.frames[0].payload for encoded in restored.missed] == [True]


@pytest.mark.parametrize("bound", [{"packets": 5}, {"bytes": 500}])
def test_memory_is_bounded_and_what_is_not_wholly_known_is_not_recovered(bound: dict[str, int]) -> None:
    log, _, record = kept(**bound)
    offset = record("x" * 50)
    log.save(Saved("s", "p", frozenset({"s"}), {}, last=1, left=1))
    log.save(Saved("t", "q", frozenset({"t"}), {}, last=1, left=1))
    record("x" * 50)
    restored = log.take("q", offset)
    assert restored is not None
    assert len(restored.missed) == 1
    for _ in range(20):
        record("x" * 50)
    assert len(log._entries) <= 8
    assert sum(len(entry.encoded.frames[0].wire) for entry in log._entries) <= max(500, log._bytes)
    assert log.take("p", offset) is None, "never a part"


def test_those_who_are_away_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SESSIONS", 3)
    log, _, _ = kept()
    for number in range(10):
        log.save(Saved(str(number), str(number), frozenset(), {}))
    assert [number for number in range(10) if log.take(str(number), None)] == [7, 8, 9]
