"""The server as a whole: its start and its end, the adapter's place."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.polling import until
from tests.support.typed import Raw, settle

from flocket import Adapter, ConfigError, Namespace, NotRunning, Server, Socket
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


# -- start and end ------------------------------------------------------------------------------------


def test_before_the_start_everything_may_be_registered_and_nothing_said() -> None:
    io = Server()
    io.on("x", lambda socket: "heard")
    admin = io.of("/admin")
    for emit in (io.emit, admin.emit, io.to("a").emit, io.volatile.emit, io.of(lambda name, auth: True).emit):
        with pytest.raises(NotRunning, match="Emitter"):
            emit("x")
    for change in (io.sockets_join, io.sockets_leave):
        with pytest.raises(NotRunning):
            change("room")
    with pytest.raises(NotRunning):
        io.disconnect_sockets()
    with pytest.raises(NotRunning):
        io.create_task(fine())
    with pytest.raises(NotRunning):
        io.from_thread(io.count())

    async def scene() -> None:
        for question in (io.fetch_sockets, io.count, lambda: io.emit_with_ack("x")):
            with pytest.raises(NotRunning):
                await question()
        async with connect(io) as client:
            assert await client.emit_with_ack("x") == "heard"
        with pytest.raises(NotRunning):
            io.emit("x")

    run(scene)


@pytest.mark.parametrize("kind", ["plain", "coroutine", "thread"])
def test_new_namespaces_are_told_also_those_made_before_the_start(kind: str) -> None:
    io = Server()
    told: list[tuple[str, int]] = []

    def plain(nsp: Namespace[Any]) -> None:
        told.append((nsp.name, threading.get_ident()))

    async def coroutine(nsp: Namespace[Any]) -> None:
        plain(nsp)

    io.on("new_namespace", coroutine if kind == "coroutine" else plain, thread=kind == "thread")
    io.of("/early")
    assert len(told) == (kind == "plain")

    async def scene() -> None:
        async with io:
            await until(lambda: len(told) == 1)
            io.of("/late")
            await until(lambda: len(told) == 2)

    run(scene)
    assert [name for name, _ in told] == ["/early", "/late"]
    assert all((thread == threading.get_ident()) is (kind != "thread") for _, thread in told)


def test_another_thread_uses_what_is_there_and_makes_no_namespace() -> None:
    io = Server()
    there = io.of("/there")

    async def scene() -> None:
        async with io:
            assert await asyncio.to_thread(io.of, "/there") is there
            with pytest.raises(NotRunning, match="/new is a new namespace: made in the server's loop"):
                await asyncio.to_thread(io.of, "/new")
            assert "/new" not in io._namespaces

    run(scene)


def test_the_end_is_told_and_its_handlers_have_their_time() -> None:
    io = Server()
    told: list[str] = []

    @io.on("work")
    async def work(socket: Socket) -> None:
        try:
            await asyncio.sleep(0.05)
            told.append("worked")
        except asyncio.CancelledError:
            told.append("cancelled")

    @io.on("disconnect")
    async def disconnect(socket: Socket, reason: str) -> None:
        await asyncio.sleep(0.01)
        told.append(reason)

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            raw.say('42["work"]')
            await settle()
        assert told == ["worked", "server shutting down"]  # so that its answer still reaches the client
        assert raw.transport.closed == (1001, "server shutting down")

    run(scene)


def test_but_not_for_ever() -> None:
    io = Server()
    io._drain = 0.02
    told: list[str] = []

    @io.on("work")
    async def work(socket: Socket) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    async def scene() -> None:
        async with io:
            (await Raw.connected(io)).say('42["work"]')
            await settle()
        assert told == ["cancelled"]
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    run(scene)


def test_a_handler_may_close_the_server_that_calls_it() -> None:
    io = Server()

    @io.on("stop")
    async def stop(socket: Socket) -> None:
        await io.close()

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            raw.say('42["stop"]')
            await settle(20)
            assert raw.closed
            assert io.health()["status"] == "closed"

    run(scene)


def test_stats_count_what_happened() -> None:
    io = Server()
    io.on("x", lambda socket: socket.emit("y"))

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                client.emit("x")
                await client.receive("y")
                stats = io.stats()
                assert (stats["sessions_now"], stats["sockets_now"], stats["namespaces_now"]) == (1, 1, 1)
                assert stats["rooms_now"] == 1  # its own
                for socket in io.sockets.values():
                    socket.join("red", "blue")
                assert io.stats()["rooms_now"] == 3
            stats = io.stats()
            assert (stats["handshakes"], stats["connects"], stats["disconnects"]) == (1, 1, 1)
            assert (stats["events_in"], stats["events_out"]) == (1, 1)
            assert (stats["sessions_now"], stats["sockets_now"], stats["rooms_now"]) == (0, 0, 0)

    run(scene)


# -- adapter ------------------------------------------------------------------------------------------


class Watched(Adapter):
    lives: list[str] = []

    async def init(self) -> None:
        await asyncio.sleep(0)
        self.lives.append(f"init {self.nsp.name}")

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.lives.append(f"close {self.nsp.name}")


def test_an_adapter_begins_before_the_first_socket_and_ends_with_its_namespace() -> None:
    io = Server()
    io.of("/admin")
    told: list[str] = []
    io.of("/").adapter.on("join_room", lambda room, sid: told.append(room))
    Watched.lives = []
    io.adapter(Watched)
    io.of(lambda name, auth: True).on("connection", lambda socket: Watched.lives.append("connection"))

    async def scene() -> None:
        async with io:
            assert Watched.lives == ["init /", "init /admin"]
            with pytest.raises(ConfigError, match="before the server starts"):
                io.adapter(Watched)
            for _ in range(2):
                async with connect(io, namespace="/x"):
                    await settle()
            async with connect(io) as client:
                assert told == [client.id], "listeners registered before the adapter was chosen hear it"
        assert Watched.lives[2:8] == ["init /x", "connection", "close /x"] * 2
        assert sorted(Watched.lives[8:]) == ["close /", "close /admin"]

    run(scene)


def test_an_adapter_that_cannot_begin_refuses_its_clients(caplog: pytest.LogCaptureFixture) -> None:
    broken = {"/x", "/y"}

    class Broken(Adapter):
        async def init(self) -> None:
            if self.nsp.name in broken:
                raise ConnectionError("no broker")

    io = Server()
    io.adapter(Broken)
    io.of(lambda name, auth: True)

    async def scene() -> None:
        async with io:
            raw = Raw(io)
            assert (await raw.ask("40/x,"))[1:] == ['44/x,{"message":"internal error"}']
            io.of("/y")
            for name in ("/x", "/x", "/y", "/y"):
                assert (await raw.ask(f"40{name},")) == [f'44{name},{{"message":"internal error"}}']
            assert "/x" not in io._namespaces, "a child is made anew for whoever asks"
            broken.clear()
            assert str((await raw.ask("40/x,"))[0])[:5] == "40/x,"

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert "no broker" in caplog.text


@pytest.mark.parametrize("wrong", ["redis", 5, None])
def test_what_makes_no_adapter_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        Server().adapter(wrong)


@pytest.mark.parametrize("wrong", [5, None, b"/x"])
def test_what_names_no_namespace_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="a namespace is"):
        Server().of(wrong)


def test_importing_and_making_a_server_starts_no_thread_and_needs_no_loop() -> None:
    before = threading.active_count()
    io = Server()
    io.on("x", lambda socket: None)
    assert threading.active_count() == before
    assert io._tag == "", "no identity before the start: every fork would have the same"


async def fine() -> None:
    pass
