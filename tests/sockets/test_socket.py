"""One client in one namespace: sending, rooms, its own listeners, its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.typed import Raw, settle

from flocket import ConfigError, EncodeError, Server, Socket
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def only(io: Server[Any]) -> Socket[Any]:
    (socket,) = io.sockets.values()
    found: Socket[Any] = socket
    return found


# -- sending ------------------------------------------------------------------------------------------


def test_emit_encodes_at_once() -> None:
    async def scene() -> None:
        io = Server()
        async with connect(io) as client:
            value = {"a": [1]}
            only(io).emit("x", value)
            io.emit("x", value)
            io.to(client.id).emit("x", value)
            value["a"].append(2)
            for _ in range(3):
                assert await client.receive("x") == ({"a": [1]},)
            with pytest.raises(EncodeError, match=r"\$\[1\]\.a"):
                only(io).emit("x", {"a": {1}})
            with pytest.raises(EncodeError):
                io.to("nobody").emit("x", float("nan"))

    run(scene)


def test_what_is_emitted_within_one_turn_leaves_in_one_write_in_order() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = await Raw.connected(io)
            writes = raw.transport.writes
            only(io).emit("a", b"\x01")
            io.emit("b")
            only(io).send("c", 1)
            await settle()
            assert raw.take() == ['451-["a",{"_placeholder":true,"num":0}]', b"\x01", '42["b"]', '42["message","c",1]']
            assert raw.transport.writes == writes + 1

    run(scene)


@pytest.mark.parametrize("event", ["connect", "connect_error", "disconnect", "disconnecting", "newListener"])
def test_reserved_names_are_not_sent(event: str) -> None:
    async def scene() -> None:
        io = Server()
        async with connect(io):
            for sender in (only(io), io, io.to("x"), only(io).volatile, only(io).broadcast):
                with pytest.raises(ConfigError, match="reserved"):
                    sender.emit(event)

    run(scene)


def test_a_volatile_packet_is_dropped_for_a_client_that_is_not_ready() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = await Raw.connected(io)
            only(io).volatile.emit("ready")
            await settle()
            raw.transport.stall()
            only(io).volatile.emit("lost")
            io.volatile.emit("lost too")
            only(io).emit("kept")
            raw.transport.drain()
            assert raw.take() == ['42["ready"]', '42["kept"]']
            assert io.stats()["volatile_dropped"] == 2

    run(scene)


def test_compression_is_a_wish_that_travels_with_the_frames() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = await Raw.connected(io)
            only(io).emit("a")
            only(io).compress(False).emit("b")
            io.compress(False).emit("c")
            await settle()
            assert [frame.compress for frame in raw.transport.frames[-3:]] == [True, False, False]

    run(scene)


def test_the_socket_means_others_where_it_speaks_to_rooms() -> None:
    async def scene() -> None:
        io = Server()
        async with connect(io) as one, connect(io) as two, connect(io) as three:
            first, second, third = (io.sockets[client.id] for client in (one, two, three))
            for socket in (first, second, third):
                socket.join("room")
            first.to("room").emit("to")
            first.broadcast.emit("broadcast")
            first.except_(third.id).emit("except")
            first.volatile.broadcast.emit("volatile")
            first.in_("room").except_(second.id).emit("in")
            first.emit("end")
            second.emit("end")
            third.emit("end")
            heard = []
            for client in (one, two, three):
                await client.receive("end")
                heard.append([event for event, _ in client._inbox])
            assert heard == [
                [], ["to", "broadcast", "except", "volatile"], ["to", "broadcast", "volatile", "in"],
            ]  # fmt: skip

    run(scene)


# -- rooms --------------------------------------------------------------------------------------------


def test_joining_is_in_effect_at_once_and_the_own_id_is_a_room() -> None:
    async def scene() -> None:
        io = Server()
        async with io, connect(io) as client:
            socket = only(io)
            assert socket.rooms == {client.id}
            socket.join("a", "b")
            assert socket.rooms == {client.id, "a", "b"}
            assert io.rooms == {client.id: {client.id}, "a": {client.id}, "b": {client.id}}
            await socket.leave("a")
            assert socket.rooms == {client.id, "b"}
            for wrong in (["a"], 1):
                with pytest.raises(ConfigError, match="one by one"):
                    socket.join(wrong)  # type: ignore[arg-type]
                with pytest.raises(ConfigError, match="one by one"):
                    socket.leave(wrong)  # type: ignore[arg-type]
            client.disconnect()
            assert io.rooms == {}
            socket.join("too late")
            assert io.rooms == {}

    run(scene)


def test_disconnecting_has_the_rooms_still_there_and_disconnect_has_not() -> None:
    io = Server()
    seen: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.join("red")
        socket.on("disconnecting", lambda reason: seen.append(("own disconnecting", reason, len(socket.rooms))))
        socket.on("disconnect", lambda reason: seen.append(("own disconnect", reason, len(socket.rooms))))

    @io.on("disconnecting")
    def disconnecting(socket: Socket, reason: str) -> None:
        seen.append(("disconnecting", reason, socket.rooms - {socket.id}))
        socket.to("red").emit("left", socket.id)

    @io.on("disconnect")
    async def disconnect(socket: Socket) -> None:
        seen.append(("disconnect", len(socket.rooms)))

    async def scene() -> None:
        async with connect(io) as other:
            async with connect(io) as client:
                pass
            assert await other.receive("left") == (client.id,)
            await settle()
            assert seen == [
                ("disconnecting", "client namespace disconnect", {"red"}),
                ("own disconnecting", "client namespace disconnect", 2),
                ("disconnect", 0),
                ("own disconnect", "client namespace disconnect", 0),
            ]

    run(scene)


# -- its own listeners --------------------------------------------------------------------------------


def test_on_once_and_off_as_in_javascript_without_the_socket() -> None:
    io = Server()
    heard: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        def always(*args: Any) -> str:
            heard.append(("always", args))
            return "always"

        socket.on("x", always)
        socket.once("x", lambda value: heard.append(("once", value)))
        socket.on("stop", lambda: socket.off("x", always))

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x", 1, 2) == "always"
            assert await client.emit_with_ack("x", 3) == "always"
            await client.emit("stop")
            await client.emit("x", 4)
            assert heard == [("always", (1, 2)), ("once", 1), ("always", (3,))]

    run(scene)


def test_the_namespaces_handlers_come_before_the_clients_own() -> None:
    io = Server()
    order: list[str] = []

    @io.on("x")
    async def x(socket: Socket) -> None:
        await asyncio.sleep(0)
        order.append("namespace")

    @io.on("connection")
    def connection(socket: Socket) -> None:
        def own() -> str:
            order.append("own")
            return "own answers"

        socket.on("x", own)

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x") == "own answers"
            assert order == ["namespace", "own"]

    run(scene)


def test_wait_for_gives_the_next_events_arguments() -> None:
    io = Server()

    @io.on("start")
    async def start(socket: Socket) -> Any:
        socket.emit("ready?")
        first = await socket.wait_for("answer", timeout=5)
        return [first, await socket.wait_for("answer", timeout=5)]

    async def scene() -> None:
        async with connect(io) as client:
            client.on("ready?", lambda: client.emit("answer", 1, "a") and None)
            asking = asyncio.create_task(client.emit_with_ack("start"))
            await settle()
            client.emit("answer")
            assert await asking == [[1, "a"], []]
            with pytest.raises(TimeoutError):
                await only(io).wait_for("never", timeout=0.01)
            with pytest.raises(ConfigError):
                await only(io).wait_for("disconnect")
            own = only(io)._listeners
            assert own is not None
            assert own.waiting == set()
            assert own.taken("never") == []

    run(scene)


# -- its end ------------------------------------------------------------------------------------------


def test_background_tasks_end_with_the_socket_and_their_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    ended: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def fail() -> None:
        raise ZeroDivisionError("in the background")

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.create_task(forever("socket's"))
        socket.create_task(fail())
        io.create_task(forever("server's"))

    async def scene() -> None:
        async with io:
            async with connect(io):
                await settle()
                assert ended == []
            await settle()
            assert ended == ["socket's"]
        assert ended == ["socket's", "server's"]

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert "in the background" in caplog.text


def test_a_socket_that_leaves_a_namespace_keeps_its_session() -> None:
    async def scene() -> None:
        async with Server() as io:
            io.of("/admin")
            raw = await Raw.connected(io)
            await raw.ask("40/admin,")
            only(io).disconnect()
            await settle()
            assert raw.take() == ["41"]
            assert len(io.of("/admin").sockets) == 1
            assert (await raw.ask("40"))[0][:2] == "40"
            only(io).disconnect(close=True)
            await settle()
            assert sorted(str(word) for word in raw.take()) == ["41", "41/admin,"]
            assert raw.closed
            assert io.of("/admin").sockets == {}

    run(scene)


def test_what_was_on_its_way_when_the_server_disconnected_harms_nobody() -> None:
    io = Server()
    heard: list[int] = []
    io.on("x", lambda socket, value: heard.append(1))
    io.of("/admin").on("x", lambda socket, value: heard.append(2))

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            await raw.ask("40/admin,")
            only(io).disconnect()
            raw.say('42["x",0]', '451-["x",{"_placeholder":true,"num":0}]', b"late", "430[]", "41", '42/admin,["x",0]')
            assert heard == [2]
            assert not raw.closed
            assert io.stats()["bad_packets"] == 0

    run(scene)


def test_a_disconnect_during_the_connection_handler_is_told_after_it() -> None:
    io = Server()
    gate = asyncio.Event()
    order: list[str] = []

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        await gate.wait()
        order.append(f"connection's end, connected: {socket.connected}")

    @io.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        order.append(f"disconnect: {reason}")

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            raw.transport.lose()
            assert io.sockets == {}
            assert io.rooms == {}
            await settle()
            assert order == []
            gate.set()
            await settle()
            assert order == ["connection's end, connected: False", "disconnect: transport close"]

    run(scene)


def test_facts_of_a_socket() -> None:
    io = Server()

    async def scene() -> None:
        async with connect(io, auth={"a": 1}) as client:
            socket = only(io)
            assert socket.id == client.id
            assert socket.connected
            assert not socket.recovered
            assert socket.data == {}
            assert socket.nsp is io.of("/")
            assert socket.server is io
            assert socket.conn.transport.name == "websocket"
            assert socket.conn.id != socket.id
            assert socket.request is socket.conn.request
            assert socket.handshake.auth == {"a": 1}
            assert socket.handshake is socket.handshake
            assert client.id in repr(socket)
        assert not socket.connected

    run(scene)
