"""The base adapter: room events, questions, and who is told what."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.support.typed import Raw, settle

from flocket import ConfigError, EncodeError, Server
from flocket.codec.socketio import Packet, PacketType
from flocket.sockets.target import Target
from flocket.testing import connect


def test_room_events_are_told_and_a_listener_that_fails_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    told: list[tuple[str, ...]] = []
    adapter = io.of("/").adapter
    for event in ("create_room", "delete_room", "join_room", "leave_room"):
        adapter.on(event, lambda *args, event=event: 1 / 0)
        adapter.on(event, lambda *args, event=event: told.append((event, *args)))
    with pytest.raises(ConfigError, match="create_room"):
        adapter.on("made up", print)

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                (socket,) = io.sockets.values()
                socket.join("red")
                socket.leave("red")
                assert told == [
                    ("create_room", client.id), ("join_room", client.id, client.id), ("create_room", "red"),
                    ("join_room", "red", client.id), ("leave_room", "red", client.id), ("delete_room", "red"),
                ]  # fmt: skip
            assert told[6:] == [("leave_room", client.id, client.id), ("delete_room", client.id)]
            assert io.rooms == {}

    with caplog.at_level(logging.ERROR, "flocket"):
        asyncio.run(scene())
    assert caplog.text.count("ZeroDivisionError") > 6


def test_it_tells_who_is_in_rooms_and_in_which_rooms_somebody_is() -> None:
    async def scene() -> None:
        async with Server() as io, connect(io) as one, connect(io) as two:
            adapter = io.of("/").adapter
            io.sockets[one.id].join("red", "blue")
            io.sockets[two.id].join("blue")
            assert adapter.sockets() == adapter.sockets({"red", "blue"}) == {one.id, two.id}
            assert adapter.sockets(["red"]) == {one.id}
            assert adapter.sockets([]) == adapter.sockets(["nobody's"]) == set()
            assert adapter.socket_rooms(one.id) == {one.id, "red", "blue"}
            assert adapter.socket_rooms("gone") is None
            with pytest.raises(ConfigError, match="a set or a list"):
                adapter.sockets("red")
            for copy in (adapter.sockets(["blue"]), adapter.socket_rooms(two.id)):
                assert copy is not None
                copy.clear()
            assert adapter.sockets(["blue"]) == {one.id, two.id}
            assert adapter.socket_rooms(two.id) == {two.id, "blue"}

    asyncio.run(scene())


def question() -> Packet:
    return Packet(PacketType.EVENT, "/", ["question"])


def test_a_question_without_waiting_tells_its_count_at_once_and_each_answer_when_it_comes() -> None:
    async def scene() -> None:
        async with Server() as io:
            raws = [await Raw.connected(io) for _ in range(3)]
            counts: list[int] = []
            answers: list[Any] = []
            io.of("/").adapter.question_local(question(), Target(), 60.0, counts.append, answers.append)
            await settle()
            assert counts == [3]
            raws[0].say('430["a"]')
            raws[0].say('430["again"]')
            raws[1].transport.lose()
            assert answers == [["a"], None]
            raws[2].say('430["b","c"]')
            assert answers == [["a"], None, ["b", "c"]]
            kept = sum(map(len, io._deadlines._buckets.values()))
            assert kept == 2, "the heartbeats of the two who are left: the question keeps nothing"

    asyncio.run(scene())


def test_after_its_time_nobody_listens_any_more() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = await Raw.connected(io)
            answers: list[Any] = []
            io.of("/").adapter.question_local(question(), Target(), 0.02, lambda count: None, answers.append)
            await asyncio.sleep(0.08)
            raw.say('430["late"]')
            assert answers == []

    asyncio.run(scene())


def test_a_question_that_cannot_be_sent_leaves_nothing_behind() -> None:
    async def scene() -> None:
        async with Server() as io, connect(io):
            with pytest.raises(EncodeError):
                await io.emit_with_ack("question", {1})
            (socket,) = io.sockets.values()
            assert socket._acks._waiting == {}

    asyncio.run(scene())


def test_a_lone_node_is_one() -> None:
    async def scene() -> None:
        async with Server() as io:
            assert await io.of("/").adapter.server_count() == 1

    asyncio.run(scene())
