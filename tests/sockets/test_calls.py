"""How handlers are called: in which order, what overlaps, what is answered, and what their errors become."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.polling import until
from tests.support.typed import Raw, settle

from flocket import ConnectError, EventError, Limits, Server, Socket
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


# -- order and overlap --------------------------------------------------------------------------------


def test_events_start_in_the_order_of_sending_whatever_their_handlers_are() -> None:
    io = Server()
    started: list[str] = []

    @io.on("plain")
    def plain(socket: Socket, word: str) -> None:
        started.append(word)

    @io.on("async")
    async def slow(socket: Socket, word: str) -> None:
        started.append(word)
        await asyncio.sleep(0)

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            for word in ("a1", "p2", "p3", "a4", "a5", "p6"):
                raw.say(f'42["{"async" if word[0] == "a" else "plain"}","{word}"]')
            await settle()
            assert started == ["a1", "p2", "p3", "a4", "a5", "p6"]
            raw.say('42["plain","p7"]')
            assert started[-1] == "p7", "with nothing before it, a plain handler runs at once"

    run(scene)


def test_handlers_may_overlap_up_to_the_limit_and_the_rest_waits_its_turn() -> None:
    io = Server(limits=Limits(handlers=3))
    gates: dict[int, asyncio.Event] = {}
    started: list[int] = []

    @io.on("work")
    async def work(socket: Socket, number: int) -> None:
        started.append(number)
        gates[number] = asyncio.Event()
        await gates[number].wait()

    @io.on("plain")
    def plain(socket: Socket) -> None:
        started.append(-1)

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            for number in range(5):
                raw.say(f'42["work",{number}]')
            raw.say('42["plain"]')
            await settle()
            assert started == [0, 1, 2]
            gates[1].set()
            await settle()
            assert started == [0, 1, 2, 3]
            gates[0].set()
            await settle()
            assert started == [0, 1, 2, 3, 4]
            gates[4].set()
            await settle()
            assert started == [0, 1, 2, 3, 4, -1]
            for gate in gates.values():
                gate.set()

    run(scene)


def test_with_one_handler_events_are_taken_strictly_one_by_one() -> None:
    io = Server(limits=Limits(handlers=1))
    running = 0
    most = 0
    order: list[int] = []

    async def work(socket: Socket, number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(number % 3):
            await asyncio.sleep(0)
        order.append(number)
        running -= 1

    io.on("work", work)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("work", functools.partial(work, socket))

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            for number in range(10):
                raw.say(f'42["work",{number}]')
            await until(lambda: len(order) == 20)
            assert most == 1
            assert order == [number for number in range(10) for _ in range(2)]

    run(scene)


def test_clients_do_not_wait_for_each_other() -> None:
    io = Server(limits=Limits(handlers=1))
    gate = asyncio.Event()

    @io.on("wait")
    async def wait(socket: Socket) -> str:
        await gate.wait()
        return "waited"

    async def scene() -> None:
        async with connect(io) as one, connect(io) as two:
            waiting = asyncio.create_task(one.emit_with_ack("wait"))
            await settle()
            io.on("quick", lambda socket: "quick")
            assert await two.emit_with_ack("quick") == "quick"
            gate.set()
            assert await waiting == "waited"

    run(scene)


def test_no_event_starts_before_the_connection_handlers_have_returned() -> None:
    io = Server()
    gate = asyncio.Event()
    order: list[str] = []

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        order.append("connection")
        await gate.wait()
        order.append("connected")

    @io.on("connection")
    def also(socket: Socket) -> None:
        order.append("also")

    @io.on("x")
    def x(socket: Socket, number: int) -> None:
        order.append(f"x{number}")

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            raw.say('42["x",1]', '42["x",2]')
            await settle()
            assert order == ["connection"]
            gate.set()
            await settle()
            assert order == ["connection", "connected", "also", "x1", "x2"]

    run(scene)


def test_acknowledgements_and_heartbeats_never_wait_for_handlers() -> None:
    io = Server(limits=Limits(handlers=1), ping_interval=0.02, ping_timeout=5.0)

    @io.on("ask me")
    async def ask_me(socket: Socket) -> Any:
        first = await socket.emit_with_ack("question", 1)
        return [first, await socket.emit_with_ack("question", 2)]

    async def scene() -> None:
        async with connect(io) as client:
            client.on("question", lambda number: number * 10)
            assert await client.emit_with_ack("ask me") == [10, 20]

    run(scene)


def test_several_handlers_run_one_after_another_and_the_first_value_answers() -> None:
    io = Server()
    order: list[str] = []

    @io.on("x")
    def none(socket: Socket, value: int) -> None:
        order.append("none")

    @io.on("x")
    async def first(socket: Socket, value: int) -> str:
        order.append("first")
        await asyncio.sleep(0)
        order.append("first's end")
        return "first"

    @io.on("x")
    def second(socket: Socket, value: int) -> str:
        order.append("second")
        return "second"

    @io.on("x", thread=True)
    def third(socket: Socket, value: int) -> str:
        order.append("third")
        return "third"

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x", 1) == "first"
            assert order == ["none", "first", "first's end", "second", "third"]

    run(scene)


def test_a_disconnect_does_not_cancel_handlers_but_drops_what_has_not_started() -> None:
    io = Server(limits=Limits(handlers=1))
    gate = asyncio.Event()
    done: list[int] = []

    @io.on("x")
    async def x(socket: Socket, number: int) -> None:
        await gate.wait()
        done.append(number)
        assert not socket.connected
        socket.emit("nobody hears")

    async def scene() -> None:
        async with io:
            raw = await Raw.connected(io)
            raw.say('42["x",1]', '42["x",2]')
            await settle()
            raw.transport.lose()
            gate.set()
            await settle()
            assert done == [1]

    run(scene)


# -- kinds of functions -------------------------------------------------------------------------------


def test_a_thread_handler_runs_beside_the_loop_and_may_emit() -> None:
    io = Server()
    threads: list[int] = []

    @io.on("report", thread=True)
    def report(socket: Socket, number: int) -> int:
        threads.append(threading.get_ident())
        for word in range(number):
            socket.emit("progress", word)
        io.emit("all", number)
        return number + 1

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("report", 3) == 4
            assert [await client.receive("progress") for _ in range(3)] == [(0,), (1,), (2,)]
            assert await client.receive("all") == (3,)
            assert threads[0] != threading.get_ident()

    run(scene)


def test_a_coroutine_hidden_by_a_decorator_is_awaited() -> None:
    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*args)

    io = Server()
    order: list[str] = []

    async def hidden(socket: Socket, value: int = 0) -> int:
        order.append("begin")
        await asyncio.sleep(0)
        order.append("end")
        return value + 1

    io.on("x", decorator(hidden))
    io.on("connection", decorator(hidden))
    io.on("disconnect", decorator(lambda socket, reason: hidden(socket)))

    async def scene() -> None:
        async with connect(io) as client:
            for _ in range(2):
                assert await client.emit_with_ack("x", 1) == 2
            client.disconnect()
            await settle()
        assert order == ["begin", "end"] * 4

    run(scene)


class Greeter:
    async def greet(self, socket: Socket, name: str) -> str:
        return f"hello {name}"

    def __call__(self, socket: Socket, name: str) -> str:
        return f"hi {name}"


def test_methods_objects_and_partials_are_handlers_too() -> None:
    io = Server()
    io.on("method", Greeter().greet)
    io.on("object", Greeter())
    io.on("partial", functools.partial(Greeter.greet, Greeter()))

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("method", "ada") == "hello ada"
            assert await client.emit_with_ack("object", "ada") == "hi ada"
            assert await client.emit_with_ack("partial", "ada") == "hello ada"

    run(scene)


@pytest.mark.parametrize(
    ("value", "answer"), [(None, None), (0, 0), (False, False), ("", ""), ((1, 2), (1, 2)), ((), None), ([1], [1])]
)
def test_the_returned_value_is_the_acknowledgement(value: Any, answer: Any) -> None:
    io = Server()
    io.on("x", lambda socket: value)

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x") == answer

    run(scene)


# -- errors -------------------------------------------------------------------------------------------


def test_an_error_ends_that_event_only_and_tells_the_client_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()

    @io.on("plain")
    def plain(socket: Socket) -> None:
        raise ZeroDivisionError("secret")

    @io.on("async")
    async def slow(socket: Socket) -> None:
        raise ZeroDivisionError("secret")

    @io.on("thread", thread=True)
    def thread(socket: Socket) -> None:
        raise ZeroDivisionError("secret")

    async def scene() -> None:
        async with connect(io) as client:
            for event in ("plain", "async", "thread"):
                assert await client.emit_with_ack(event) == {"error": {"message": "internal error"}}
            assert client.connected
            assert io.stats()["handler_errors"] == 3

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert caplog.text.count("ZeroDivisionError: secret") == 3


async def cancelled() -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


def test_something_cancelled_that_a_handler_waits_for_is_an_error_like_any(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()

    @io.on("async")
    async def slow(socket: Socket) -> None:
        await cancelled()

    @io.on("plain")
    def plain(socket: Socket) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        future.result()

    @io.on("guarded")
    def guarded(socket: Socket) -> None: ...

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.use
        async def guard(event: str, args: Any) -> None:
            if event == "guarded":
                await cancelled()

    @io.of("/middleware").use
    async def middleware(socket: Socket) -> None:
        await cancelled()

    @io.of("/connection").on("connection")
    async def enter(socket: Socket) -> None:
        await cancelled()

    async def scene() -> None:
        async with io:
            async with connect(io) as client:
                for event in ("async", "plain", "guarded"):
                    answer = await asyncio.wait_for(client.emit_with_ack(event), 5)
                    assert answer == {"error": {"message": "internal error"}}
                assert client.connected
            with pytest.raises(ConnectError, match="internal error"):
                async with connect(io, namespace="/middleware"):
                    pass
            async with connect(io, namespace="/connection") as client:
                await until(lambda: not client.connected)

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert io.stats()["handler_errors"] == 5
    assert caplog.text.count("RuntimeError: something was cancelled that it waited for") == 5


def test_your_own_words_and_a_wrong_argument_are_told() -> None:
    io = Server()

    @io.on("x")
    async def x(socket: Socket, room: int) -> None:
        raise EventError("no such room", data={"room": room})

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x", 5) == {"error": {"message": "no such room", "data": {"room": 5}}}
            answer = await client.emit_with_ack("x", "5")
            assert answer["error"]["message"].startswith("argument 1 (room): ")
            assert await client.emit_with_ack("x") == {"error": {"message": "argument 1 (room) is missing"}}
            assert io.stats()["bad_arguments"] == 2
            assert io.stats()["handler_errors"] == 0

    run(scene)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_on_error_sees_all_and_may_replace_the_answer(kind: str) -> None:
    io = Server()
    seen: list[tuple[str, str]] = []

    def look(socket: Socket, event: str, error: Exception) -> Any:
        seen.append((event, type(error).__name__))
        return {"oops": event} if event == "replaced" else None

    async def look_slowly(socket: Socket, event: str, error: Exception) -> Any:
        await asyncio.sleep(0)
        return look(socket, event, error)

    io.on_error(look if kind == "plain" else look_slowly)

    def fail(socket: Socket, *args: Any) -> None:
        raise ZeroDivisionError

    def refuse(socket: Socket, *args: Any) -> None:
        raise EventError("no")

    def count(socket: Socket, number: int) -> None: ...

    io.on("replaced", fail)
    io.on("kept", refuse)
    io.on("argument", count)
    io.on("disconnecting", fail)

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("replaced") == {"oops": "replaced"}
            assert await client.emit_with_ack("kept") == {"error": {"message": "no"}}
            assert "argument 1" in (await client.emit_with_ack("argument"))["error"]["message"]
            client.emit("replaced")
        assert seen == [
            ("replaced", "ZeroDivisionError"), ("kept", "EventError"), ("argument", "ArgumentError"),
            ("replaced", "ZeroDivisionError"), ("disconnecting", "ZeroDivisionError"),
        ]  # fmt: skip

    logging.getLogger("flocket").setLevel(logging.CRITICAL)
    try:
        run(scene)
    finally:
        logging.getLogger("flocket").setLevel(logging.NOTSET)


def test_on_error_that_fails_leaves_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()

    @io.on_error
    def broken(socket: Socket, event: str, error: Exception) -> None:
        raise KeyError("broken hook")

    @io.on("x")
    def x(socket: Socket) -> None:
        raise EventError("words")

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x") == {"error": {"message": "words"}}

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert "broken hook" in caplog.text


def test_an_answer_that_cannot_be_sent_is_the_handlers_error(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    io.on("set", lambda socket: {1, 2})

    @io.on("words")
    async def words(socket: Socket) -> None:
        raise EventError("no", data={1, 2})

    async def scene() -> None:
        async with connect(io) as client:
            for event in ("set", "words"):
                assert await client.emit_with_ack(event) == {"error": {"message": "internal error"}}

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert "EncodeError" in caplog.text


def test_if_connection_raises_that_socket_is_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    seen: list[str] = []

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        raise ZeroDivisionError("in connection")

    @io.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        seen.append(reason)

    io.on_error(lambda socket, event, error: seen.append(event))

    async def scene() -> None:
        async with io:
            raw = Raw(io)
            raw.say("40")
            await settle()
            assert raw.take()[-1] == "41"
            assert not raw.closed

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert sorted(seen) == ["connection", "server namespace disconnect"]
    assert "in connection" in caplog.text


# -- guards and watchers ------------------------------------------------------------------------------


def test_a_guard_may_refuse_change_and_wait_and_events_stay_in_order() -> None:
    io = Server()
    heard: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        def plain(event: str, args: list[Any]) -> None:
            if event == "forbidden":
                raise ConnectError("you may not", data=1)
            if args:
                args[0] = f"<{args[0]}>"

        async def slow(event: str, args: list[Any]) -> None:
            if event == "slow":
                await asyncio.sleep(0.01)

        socket.use(plain)
        socket.use(slow)

    @io.on("slow")
    async def on_slow(socket: Socket, word: str) -> str:
        heard.append(word)
        return word

    @io.on("quick")
    def quick(socket: Socket, word: str) -> str:
        heard.append(word)
        return word

    async def scene() -> None:
        async with connect(io) as client:
            client.emit("slow", "a")
            client.emit("quick", "b")
            client.emit("slow", "c")
            assert await client.emit_with_ack("quick", "d") == "<d>"
            assert heard == ["<a>", "<b>", "<c>", "<d>"]
            assert await client.emit_with_ack("forbidden") == {"error": {"message": "you may not", "data": 1}}
            assert io.stats()["handler_errors"] == 0

    run(scene)


def test_watchers_see_every_event_before_its_handler(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    seen: list[Any] = []

    @io.on_any
    def watch(socket: Socket, event: str, *args: Any) -> None:
        seen.append(("all", event, args))

    @io.on_any
    def broken(socket: Socket, event: str, *args: Any) -> None:
        raise ZeroDivisionError("a watcher")

    @io.on("connection")
    def connection(socket: Socket) -> None:
        async def own(event: str, *args: Any) -> None:
            seen.append(("own", event, args))

        socket.on_any(own)
        socket.on_any_outgoing(lambda event, *args: seen.append(("out", event, args)))

    @io.on("x")
    async def x(socket: Socket, *args: Any) -> None:
        seen.append(("handler", args))
        socket.emit("one", 1)
        io.emit("all", 2)

    async def scene() -> None:
        async with connect(io) as client:
            await client.emit("x", 1, "2")
            await client.receive("all")
            client.emit("nobody listens")
            await settle()

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert seen == [
        ("all", "x", (1, "2")), ("own", "x", (1, "2")), ("handler", (1, "2")), ("out", "one", (1,)),
        ("out", "all", (2,)), ("all", "nobody listens", ()), ("own", "nobody listens", ()),
    ]  # fmt: skip
    assert "a watcher" in caplog.text


# -- bounds -------------------------------------------------------------------------------------------


def waiting_server(**limits: Any) -> tuple[Server, list[str]]:
    io: Server = Server(limits=Limits(handlers=1, **limits))
    reasons: list[str] = []

    @io.on("wait")
    async def wait(socket: Socket, *args: Any) -> None:
        await asyncio.Event().wait()

    @io.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        reasons.append(reason)

    io._drain = 0
    return io, reasons


def test_events_that_wait_are_bounded_in_number() -> None:
    async def scene() -> None:
        io, reasons = waiting_server()
        async with io:
            raw = await Raw.connected(io)
            for _ in range(10_001):
                raw.say('42["wait"]')
            assert reasons == []
            raw.say('42["wait"]')
            assert reasons == ["parse error"]
            assert io.stats()["bad_packets"] == 1

    run(scene)


def test_and_in_bytes_attachments_included() -> None:
    async def scene() -> None:
        io, reasons = waiting_server(attachment_bytes=100_000)
        async with io:
            raw = await Raw.connected(io)
            raw.say('42["wait"]')
            for _ in range(4):
                raw.say('452-["wait",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', bytes(20_000), b"x")
            for _ in range(100):
                raw.say('42["wait"]')
            assert reasons == []
            raw.say('451-["wait",{"_placeholder":true,"num":0}]', bytes(20_000))
            assert reasons == ["parse error"]

    run(scene)
