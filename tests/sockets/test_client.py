"""One session that carries the sockets of many namespaces: its packets, its limits, its faults."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.fakes import FakeExchange, request
from tests.support.polling import until
from tests.support.typed import Raw, settle

from flocket import ConnectError, Limits, Server, Socket


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_connect_is_answered_with_an_id_of_its_own() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = Raw(io)
            (opened, answer) = await raw.ask("40")
            assert str(opened)[0] == "0"
            told = json.loads(str(answer)[2:])
            assert list(told) == ["sid"]
            assert len(told["sid"]) == 20
            assert told["sid"] != json.loads(str(opened)[1:])["sid"]
            assert list(io.sockets) == [told["sid"]]

    run(scene)


def test_namespaces_are_apart_and_each_has_its_own_end() -> None:
    io = Server()
    heard: list[Any] = []
    for name in ("/", "/a", "/b"):
        io.of(name).on("x", lambda socket, value: heard.append((socket.nsp.name, value)))
        io.of(name).on("disconnect", lambda socket, reason: heard.append((socket.nsp.name, reason)))

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            await raw.ask("40/a,", "40/b,")
            raw.say('42["x",1]', '42/a,["x",2]', '42/b,["x",3]', "41/a,")
            assert heard == [("/", 1), ("/a", 2), ("/b", 3), ("/a", "client namespace disconnect")]
            raw.transport.lose()
            assert sorted(heard[4:]) == [("/", "transport close"), ("/b", "transport close")]

    run(scene)


def test_a_client_may_come_back_to_a_namespace_over_the_same_session() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = await Raw.connected(io)
            (first,) = io.sockets
            raw.say("41")
            assert io.sockets == {}
            await raw.ask("40")
            (second,) = io.sockets
            assert first != second

    run(scene)


@pytest.mark.parametrize(
    "frames",
    [
        ["42"], ['42["x"'], ["42{}"], ["42[]"], ["42[null]"], ['42["connect"]'], ['42[{"a":1}]'], ["47[]"], ["4"],
        ["4x"], ["43[]"], ['4399999999999999999999["x"]'], ["43-1[]"], ["40"],
        ['451-["x",{"_placeholder":true}]', b"x"],
        ['450-["x"]'], ['4511-["x"]'], ['451-["x",{"_placeholder":true,"num":1}]', b"x"],
        ['451-["x",{"_placeholder":true,"num":0}]', '42["text"]'], [b"unannounced"], ['42/nowhere,["x"]'],
        ["41/nowhere,"], ["43/nowhere,1[]"], ['42["x",1e999]'], ['42["x",NaN]'],
        ['42["x",' + "[" * 200 + "]" * 200 + "]"],
        ["40/" + "x" * 300 + ","], ['44{"message":"x"}'],
    ],
    ids=lambda frames: str(frames[0])[:30],
)  # fmt: skip
def test_a_packet_that_breaks_the_protocol_closes_its_sender_only(frames: list[str | bytes]) -> None:
    io = Server()
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    io.on("x", lambda socket: None)

    async def scene() -> None:
        async with io:
            raw, other = await Raw.connected(io), await Raw.connected(io)
            raw.say(*frames)
            await settle()
            assert raw.closed
            assert reasons == ["parse error"]
            assert not other.closed
            assert io.stats()["bad_packets"] == 1

    run(scene)


def test_attachments_before_connect_close_the_session() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = Raw(io)
            raw.say('451-["x",{"_placeholder":true,"num":0}]')
            assert raw.closed

    run(scene)


def test_a_packet_must_be_whole_in_time_and_within_its_size() -> None:
    async def scene() -> None:
        async with Server(limits=Limits(attachment_time=0.05, attachment_bytes=1000)) as io:
            late, large, fine = [await Raw.connected(io) for _ in range(3)]
            head = '452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
            large.say(head, bytes(600))
            assert not large.closed
            large.say(bytes(600))
            assert large.closed
            for _ in range(3):
                fine.say(head, bytes(500), bytes(500))
            late.say(head, b"one")
            await until(lambda: late.closed)
            assert not fine.closed
            assert io.stats()["bad_packets"] == 2

    run(scene)


def test_what_was_parked_is_freed_with_the_session_even_while_the_socket_is_kept() -> None:
    kept: list[Socket] = []
    io = Server()
    io.on("connection", kept.append)

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            parked = bytes(1000)
            raw.say('452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', parked)
            held = sys.getrefcount(parked)
            raw.transport.lose()
            assert kept
            assert sys.getrefcount(parked) == held - 1

    run(scene)


def test_a_client_is_in_no_more_namespaces_than_the_limit() -> None:
    async def scene() -> None:
        async with Server(limits=Limits(namespaces=3)) as io:
            for name in "abcd":
                io.of(name)
            raw = await Raw.connected(io)
            answers = await raw.ask("40/a,", "40/b,", "40/c,")
            assert [str(answer)[:2] for answer in answers] == ["44", "40", "40"]
            assert answers[0] == '44/c,{"message":"Too many namespaces"}'
            assert io.stats()["refused"] == 1
            await raw.ask("41/a,")
            assert str((await raw.ask("40/c,"))[0])[:2] == "40"
            assert not raw.closed

    run(scene)


def test_an_unknown_namespace_is_refused_and_the_session_goes_on() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = Raw(io)
            answers = await raw.ask("40/nowhere,", "40/nowhere-else,", "40")
            assert answers[1:3] == [
                '44/nowhere,{"message":"Invalid namespace"}', '44/nowhere-else,{"message":"Invalid namespace"}',
            ]  # fmt: skip
            assert str(answers[3])[:2] == "40"

    run(scene)


def test_who_enters_no_namespace_in_time_is_closed() -> None:
    async def scene() -> None:
        async with Server(connect_timeout=0.05) as io:
            idle, slow = Raw(io), await Raw.connected(io)
            assert io._engine.unconnected == 1
            await until(lambda: idle.closed)
            assert not slow.closed
            assert io.stats()["connect_timeouts"] == 1
            assert io._engine.unconnected == 0

    run(scene)


def test_those_in_no_namespace_are_counted_until_they_are_or_go() -> None:
    async def scene() -> None:
        async with Server(limits=Limits(unconnected=2)) as io:
            one, two = Raw(io), Raw(io)
            with pytest.raises(AssertionError, match="503"):
                Raw(io)
            await one.ask("40")
            two.transport.lose()
            Raw(io), Raw(io)
            one.transport.lose()
            assert io._engine.unconnected == 2

    run(scene)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, '"words"'), (0, '"words"'), (-0.0, '"words"'), ("", '"words"'), (False, '"words"'),
        (True, "true"), (7, "7"), ("0", '"0"'), ([], "[]"), ({}, "{}"), ([0], "[0]"),
    ],
)  # fmt: skip
def test_clients_of_protocol_3_are_told_a_refusals_data_or_its_words(data: Any, told: str) -> None:
    """JavaScript's `data || message`: a client 2.x takes `false` for no packet at all."""
    io = Server(allow_eio3=True)

    @io.of("/no").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("words", data=data)

    async def scene() -> None:
        async with io:
            raw = Raw(io, "EIO=3")
            assert (await raw.ask("40/no,"))[-1] == f"44/no,{told}"

    run(scene)


@pytest.mark.parametrize("protocol", [4, 3])
def test_a_second_connect_takes_the_place_of_one_that_is_not_decided(protocol: int) -> None:
    """As from the official client that connects, disconnects and connects again before it is answered."""
    io = Server(allow_eio3=True)
    waiting: list[asyncio.Event] = []
    heard: list[Any] = []
    news = io.of("/news")

    @news.use
    async def wait(socket: Socket) -> None:
        decided = asyncio.Event()
        waiting.append(decided)
        await decided.wait()
        await socket.join("red")
        if len(heard) == 0 and socket.handshake.auth.get("n") == "refused":
            raise ConnectError("no")

    @news.on("connection")
    def connection(socket: Socket) -> None:
        heard.append(socket.handshake.auth["n"])

    def connect_as(n: str) -> str:
        return f'40/news,{{"n":"{n}"}}' if protocol == 4 else f"40/news?n={n},"

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io) if protocol == 4 else Raw(io, "EIO=3")
            await settle()
            raw.take()
            for n in ("first", "refused", "last"):
                raw.say(connect_as(n))
                await settle()
            waiting[2].set()
            await settle()
            (answer,) = raw.take()
            assert str(answer).startswith("40/news,")
            waiting[0].set()
            waiting[1].set()
            await settle()
            assert not raw.closed
            assert raw.take() == []
            assert heard == ["last"]
            (socket,) = news.sockets.values()
            assert "red" in socket.rooms

    run(scene)


def test_connects_that_count_no_more_count_against_the_limit() -> None:
    io = Server(limits=Limits(namespaces=3))
    began: list[Socket] = []
    go = asyncio.Event()

    @io.use
    async def wait(socket: Socket) -> None:
        began.append(socket)
        await go.wait()

    async def scene() -> None:
        async with io:
            raw = Raw(io)
            raw.say(*["40"] * 10)
            await settle()
            assert len(began) == 3
            assert raw.take()[1:] == ['44{"message":"Too many namespaces"}'] * 7
            go.set()
            await settle()
            assert len(io.sockets) == 1
            go.clear()
            raw.say("41", "40", "40", "40", "40")
            await settle()
            assert len(began) == 6
            go.set()
            await settle()

    run(scene)


@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_any_rubbish_closes_and_never_raises(parser: str) -> None:
    async def scene() -> None:
        async with Server(parser=parser) as io:
            for frame in ("", "4", "40", "4\x00", "4\ud83d", b"", b"\x00", b"\xc1", b"\x81\xa4type\x00", b"\xff" * 100):
                raw = Raw(io)
                raw.say(frame)
                await settle()

    run(scene)


# -- numbers as names ---------------------------------------------------------------------------------


def test_an_event_named_by_a_number_is_looked_up_as_text_as_in_javascript() -> None:
    io = Server()
    heard: list[Any] = []
    io.on("5", lambda socket, *args: heard.append(args))
    io.on_any(lambda socket, event, *args: heard.append(event))

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            raw.say('42[5,"a"]', '42[5.0,"b"]', "42[1.5]", "42[12345678]")
            assert heard == ["5", ("a",), "5", ("b",), "1.5", "12345678"]

    run(scene)


# -- protocol 4 of Socket.IO, over Engine.IO 3 ---------------------------------------------------------


def test_a_client_2x_is_in_the_main_namespace_without_asking_and_knows_its_id() -> None:
    io = Server(allow_eio3=True)
    ids: list[str] = []
    io.on("connection", lambda socket: ids.append(socket.id))

    async def scene() -> None:
        async with io:
            raw = Raw(io, "EIO=3")
            opened, connected = await raw.ask()
            assert connected == "40"
            assert ids == [json.loads(str(opened)[1:])["sid"]]

    run(scene)


def test_it_speaks_to_the_same_rooms_in_its_own_frames() -> None:
    io = Server(allow_eio3=True)
    io.on("echo", lambda socket, value: value)

    async def scene() -> None:
        async with io:
            old, new = await Raw.connected(io, query="EIO=3"), await Raw.connected(io)
            io.emit("x", b"\x01")
            await settle()
            head = '451-["x",{"_placeholder":true,"num":0}]'
            assert old.take() == [head, b"\x04\x01"]
            assert new.take() == [head, b"\x01"]
            assert await old.ask('4511-7["echo",{"_placeholder":true,"num":0}]'.replace("11-", "1-"), b"\x04\x02") == [
                '461-7[{"_placeholder":true,"num":0}]', b"\x04\x02",
            ]  # fmt: skip
            assert await old.ask("2probe") == ["3probe"]

    run(scene)


def test_its_auth_is_the_query_of_the_namespace_and_errors_are_bare() -> None:
    io = Server(allow_eio3=True)
    seen: list[Any] = []

    @io.of("/admin").use
    def guard(socket: Socket) -> None:
        seen.append((socket.id.partition("#")[0], socket.handshake.auth))
        if socket.handshake.auth.get("token") == "x":
            raise ConnectError("no", data={"a": 1})
        if "token" not in socket.handshake.auth:
            raise ConnectError("who?")

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io, query="EIO=3")
            assert await raw.ask("40/admin") == ['44/admin,"who?"']
            assert await raw.ask("40/admin?token=x&y=") == ['44/admin,{"a":1}']
            assert [str(word).rstrip(",") for word in await raw.ask("40/admin?token=z")] == ["40/admin"]
            assert seen == [("/admin", {}), ("/admin", {"token": "x", "y": ""}), ("/admin", {"token": "z"})]
            (socket,) = io.of("/admin").sockets
            assert socket.startswith("/admin#")

    run(scene)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_who_goes_is_freed_at_once_and_not_by_the_garbage_collector(transport: str) -> None:
    io = Server()
    io.on("x", _answer)
    refs: list[weakref.ref[Any]] = []

    def look() -> None:
        (socket,) = io.sockets.values()
        refs.extend((weakref.ref(socket), weakref.ref(socket.conn)))

    async def scene() -> None:
        async with io:
            if transport == "websocket":
                raw = await Raw.connected(io)
                await raw.ask('421["x"]', '422["x"]')
                look()
                raw.transport.lose()
                raw.transport.receiver = raw.transport  # type: ignore[assignment]  # as a face lets go
            else:
                io._engine.handle(FakeExchange(request("EIO=4&transport=polling")))
                (sid,) = io._engine.sessions
                for body in (b"40", b'421["x"]'):
                    io._engine.handle(FakeExchange(request(f"EIO=4&transport=polling&sid={sid}", "POST"), body))
                    await settle()
                look()
                io._engine.handle(FakeExchange(request(f"EIO=4&transport=polling&sid={sid}", "POST"), b"1"))
            await settle()
            assert [ref() for ref in refs] == [None, None]

    gc.collect()
    gc.disable()
    try:
        run(scene)
    finally:
        gc.enable()


async def _answer(socket: Socket) -> str:
    socket.emit("y")
    return "answer"
