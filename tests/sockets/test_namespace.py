"""Namespaces: who may enter, classes, and questions to many."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.polling import until
from tests.support.typed import Raw, settle

from flocket import AckTimeout, ConfigError, ConnectError, Disconnected, Namespace, Server, Socket, on
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


# -- entering -----------------------------------------------------------------------------------------


def test_middlewares_run_in_order_and_the_first_that_raises_refuses() -> None:
    io = Server()
    order: list[str] = []

    @io.use
    def first(socket: Socket) -> None:
        order.append("first")
        socket.data["name"] = socket.handshake.auth.get("name")

    @io.use
    async def second(socket: Socket) -> None:
        await asyncio.sleep(0)
        order.append("second")
        if socket.data["name"] is None:
            raise ConnectError("no name", data={"try": "again"})

    io.use(lambda socket: order.append("third"))
    io.on("connection", lambda socket: order.append("connection"))

    async def scene() -> None:
        async with io:
            with pytest.raises(ConnectError, match="no name") as refused:
                async with connect(io):
                    pass
            assert refused.value.data == {"try": "again"}
            assert order == ["first", "second"]
            async with connect(io, auth={"name": "ada"}) as client:
                await settle()
                assert order[2:] == ["first", "second", "third", "connection"]
                assert io.sockets[client.id].data == {"name": "ada"}

    run(scene)


def test_use_guards_its_own_namespace_only() -> None:
    io = Server()

    @io.use
    def guard(socket: Socket) -> None:
        raise ConnectError("closed")

    io.of("/open")

    async def scene() -> None:
        async with io:
            async with connect(io, namespace="/open") as client:
                assert client.connected
            with pytest.raises(ConnectError, match="closed"):
                async with connect(io):
                    pass

    run(scene)


def test_an_error_in_a_middleware_refuses_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    io.use(lambda socket: 1 / 0)
    io.of("/data").use(lambda socket: _refuse({1, 2}))

    async def scene() -> None:
        async with io:
            with pytest.raises(ConnectError, match=r"^internal error$"):
                async with connect(io):
                    pass
            with pytest.raises(ConnectError, match=r"^no$"):
                async with connect(io, namespace="/data"):
                    pass

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert "ZeroDivisionError" in caplog.text


def _refuse(data: Any) -> None:
    raise ConnectError("no", data)


def test_who_was_refused_or_went_meanwhile_leaves_nothing_behind() -> None:
    io = Server()
    gate = asyncio.Event()
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    @io.use
    async def middleware(socket: Socket) -> None:
        socket.join("red")
        socket.create_task(forever())
        await gate.wait()
        if socket.handshake.auth:
            raise ConnectError("no")

    io.on("connection", lambda socket: pytest.fail("it was never here"))
    io.on("disconnect", lambda socket, reason: pytest.fail("nor did it leave"))

    async def scene() -> None:
        async with io:
            refused, gone = Raw(io), Raw(io)
            refused.say('40{"a":1}')
            gone.say("40")
            await settle()
            assert set(io.rooms) == {"red"}
            io.to("red").emit("not yet for them")
            assert await io.count() == 0
            gone.transport.lose()
            gate.set()
            await settle()
            assert refused.take()[1:] == ['44{"message":"no"}']
            assert io.rooms == {}
            assert io.sockets == {}
            assert ended == ["task", "task"]

    run(scene)


def test_listeners_of_rooms_may_emit_and_connect_comes_first() -> None:
    io = Server()
    io.of("/").adapter.on("join_room", lambda room, sid: io.to(room).emit("joined"))

    async def scene() -> None:
        async with io:
            raw = Raw(io)
            raw.say("40")
            await settle()
            words = raw.take()[1:]
            assert str(words[0]).startswith('40{"sid"')
            assert words[1:] == ['42["joined"]']

    run(scene)


def test_a_slow_connection_handler_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flocket.sockets.life.SLOW_CONNECTION", 0.03)
    io = Server()

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        await until(lambda: "connection handler" in caplog.text)

    io.on("x", lambda socket: "heard")

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x") == "heard"

    with caplog.at_level(logging.WARNING, "flocket"):
        run(scene)


# -- classes ------------------------------------------------------------------------------------------


class Chat(Namespace):
    def __init__(self, *args: Any) -> None:
        self.log: list[str] = []
        super().__init__(*args)

    @on("connection")
    async def connection(self, socket: Socket) -> None:
        await socket.join("lobby")

    @on("chat message")
    @on("shout")
    async def message(self, socket: Socket, text: str) -> int:
        self.to("lobby").emit("chat message", text)
        self.log.append(text)
        return len(self.log)

    @on("report", thread=True)
    def report(self, socket: Socket) -> str:
        return "\n".join(self.log)

    @on("disconnect")
    def disconnect(self, socket: Socket, reason: str) -> None:
        self.log.append(reason)


class LoudChat(Chat):
    @on("whisper")
    def whisper(self, socket: Socket, text: str) -> str:
        return text.upper()


def test_a_class_groups_handlers() -> None:
    io = Server()
    chat = io.of("/chat", LoudChat)
    assert io.of("/chat") is chat
    assert io.of("chat", Chat) is chat

    async def scene() -> None:
        async with io:
            async with connect(io, namespace="/chat") as client:
                assert await client.emit_with_ack("chat message", "hi") == 1
                assert await client.emit_with_ack("shout", "ho") == 2
                assert await client.receive("chat message") == ("hi",)
                assert await client.emit_with_ack("report") == "hi\nho"
                assert await client.emit_with_ack("whisper", "psst") == "PSST"
            assert chat.log == ["hi", "ho", "client namespace disconnect"]

    run(scene)


def test_a_class_of_a_dynamic_namespace_has_an_instance_for_each_child() -> None:
    io = Server()
    io.of(re.compile("^/chat-"), Chat)

    async def scene() -> None:
        async with connect(io, namespace="/chat-1") as one, connect(io, namespace="/chat-2") as two:
            assert await one.emit_with_ack("chat message", "a") == 1
            assert await two.emit_with_ack("chat message", "b") == 1
            assert await two.receive("chat message") == ("b",)

    run(scene)


def test_a_namespace_that_exists_gets_no_class_afterwards() -> None:
    io = Server()
    io.of("/chat")
    with pytest.raises(ConfigError, match=r"exists already.* and is no Chat"):
        io.of("/chat", Chat)


# -- many ---------------------------------------------------------------------------------------------


def test_a_question_to_a_room_gathers_each_clients_first_value() -> None:
    async def scene() -> None:
        async with Server() as io, connect(io) as one, connect(io) as two, connect(io) as three:
            one.on("question", lambda: 1)
            two.on("question", lambda: (2, "more"))
            three.on("question", lambda: pytest.fail("not in the room"))
            io.to(one.id, two.id).sockets_join("room")
            answers = await io.to("room").timeout(5).emit_with_ack("question")
            assert sorted(answers) == [1, 2]
            assert answers.missing == []
            assert await io.to("nobody").emit_with_ack("question") == []
            assert [len(socket._acks._waiting) for socket in io.sockets.values() if socket._acks] == [0, 0]

    run(scene)


def test_a_client_that_leaves_is_not_waited_for() -> None:
    async def scene() -> None:
        async with Server() as io, connect(io) as one, connect(io) as two:
            one.on("question", lambda: "here")
            asking = asyncio.create_task(io.timeout(60).emit_with_ack("question"))
            await settle()
            two.lose()
            assert await asking == ["here"]

    run(scene)


def test_what_came_in_time_is_kept_when_one_is_silent() -> None:
    async def scene() -> None:
        async with Server(ack_timeout=0.05) as io, connect(io) as one, connect(io):
            one.on("question", lambda: "in time")
            with pytest.raises(AckTimeout) as late:
                await io.emit_with_ack("question")
            assert late.value.answers == ["in time"]
            assert io.stats()["acks_timed_out"] == 1

    run(scene)


def test_remote_sockets_are_copies_by_which_the_socket_can_be_reached() -> None:
    io = Server()

    async def scene() -> None:
        async with io, connect(io, auth={"a": 1}) as client, connect(io) as other:
            here = io.sockets[client.id]
            here.data["list"] = [1]
            here.join("red")
            (found,) = await io.to("red").fetch_sockets()
            assert (found.id, found.data) == (client.id, {"list": [1]})
            assert found.rooms == {client.id, "red"}
            assert found.handshake["auth"] == {"a": 1}
            found.data["list"].append(2)
            assert here.data == {"list": [1]}
            found.emit("hello", 1)
            assert await client.receive("hello") == (1,)
            assert not other._inbox
            found.join("blue")
            found.leave("red")
            assert here.rooms == {client.id, "blue"}
            client.on("question", lambda: "answer")
            assert await found.timeout(1).emit_with_ack("question") == "answer"
            found.disconnect()
            await settle()
            assert client.reason == "io server disconnect"
            with pytest.raises(Disconnected):
                await found.emit_with_ack("question")
            assert {socket.id for socket in await io.fetch_sockets()} == {other.id}

    run(scene)


def test_data_that_cannot_be_copied_is_given_as_it_is() -> None:
    class Held:
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("holds a lock")

    async def scene() -> None:
        async with (io := Server(data=Held)), connect(io):
            (found,) = await io.fetch_sockets()
            assert isinstance(found.data, Held)

    run(scene)


def test_rooms_and_flags_of_many() -> None:
    async def scene() -> None:
        async with Server() as io, connect(io) as one, connect(io) as two:
            io.to(one.id).sockets_join("red", "blue")
            assert await io.to("red").count() == 1
            assert await io.to("red", two.id).count() == 2
            assert await io.except_("red").count() == 1
            assert await io.to("red").except_("blue").count() == 0
            assert await io.to().count() == 0
            io.to().emit("nobody")
            io.to("red", "blue").local.emit("once")
            io.to("red").sockets_leave("red")
            assert await io.to("red").count() == 0
            io.to("blue").disconnect_sockets(close=True)
            await settle()
            assert one.reason == "io server disconnect"
            assert two.connected
            assert [event for event, _ in one._inbox] == ["once"]
            assert not two._inbox
            for wrong in (io.sockets_join, io.sockets_leave):
                with pytest.raises(ConfigError, match="one by one"):
                    wrong(["a"])  # type: ignore[arg-type]

    run(scene)


# -- node to node -------------------------------------------------------------------------------------


def test_a_lone_node_has_nobody_to_tell_and_no_client_reaches_those_handlers() -> None:
    io = Server()
    io.on_server_side("refresh")(lambda *args: pytest.fail("called"))

    async def scene() -> None:
        async with io, connect(io) as client:
            io.server_side_emit("refresh", 1)
            assert await io.server_side_emit_with_ack("refresh") == []
            await client.emit("refresh", 1)

    run(scene)
    with pytest.raises(ConfigError, match="reserved"):
        io.on_server_side("connection")(print)


def test_reserved_names_are_not_for_nodes_either() -> None:
    async def scene() -> None:
        async with Server() as io:
            for name in ("connection", "disconnect", "new_namespace"):
                with pytest.raises(ConfigError, match="reserved"):
                    io.server_side_emit(name)
                with pytest.raises(ConfigError, match="reserved"):
                    await io.server_side_emit_with_ack(name)

    run(scene)


def test_a_class_may_be_that_of_the_main_namespace() -> None:
    io = Server()
    io.on("before", lambda socket: "before")
    chat = io.of("/", Chat)
    assert io.of("/") is chat
    io.on("after", lambda socket: "after")

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("chat message", "hi") == 1
            assert [await client.emit_with_ack(event) for event in ("before", "after")] == ["before", "after"]
            assert list(chat.sockets) == list(io.sockets) == [client.id]

    run(scene)
    with pytest.raises(ConfigError, match="exists already"):
        io.of("/", LoudChat)
