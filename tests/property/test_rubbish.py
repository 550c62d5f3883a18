"""Whatever a client says, in whatever order: no exception leaves the server, and no traceback is logged for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.fakes import FakeExchange, FakeUpgrade, request
from tests.support.typed import settle

from flocket import Limits, Server, Socket

WORDS = [
    "40", "40/a,", '40/a,{"x":1}', "40/room-1,", "40{}", "41", "41/a,", '42["echo",1]', '42["count",1]',
    '42["count","1"]', '421["echo",{"a":[1,2]}]', '42/a,7["echo"]',
    '451-["echo",{"_placeholder":true,"num":0}]', '461-1[{"_placeholder":true,"num":0}]', "430[]", '431["x"]',
    "430", "44{}", '452-["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', '44"x"', "2",
    "3", "2probe", "3probe", "5", "6", "1", "0{}", "4", "b4AQI=", '42["disconnect"]', "42[5]", "42[null,1]",
    '42["fail"]', '423["fail"]', '42["leave"]', '42["slow"]', '425["slow"]', '42["\\ud800"]',
    '421["echo","\\ud800"]',
]  # fmt: skip

MUTATED = st.tuples(st.sampled_from(WORDS), st.integers(0, 20), st.text(max_size=3))
FRAMES = (
    st.sampled_from(WORDS)
    | st.binary(max_size=20)
    | st.text(max_size=20)
    | MUTATED.map(lambda found: found[0][: found[1]] + found[2] + found[0][found[1] :])
)

VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.binary(max_size=5)
DATA = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
EVENTS = st.lists(DATA, max_size=3).map(lambda args: ["echo", *args])
MSGPACK = st.fixed_dictionaries(
    {"type": st.integers(0, 4) | DATA, "nsp": st.sampled_from(["/", "/a", "/room-1", ""]) | DATA},
    optional={"data": EVENTS | DATA, "id": st.integers(0, 5) | DATA},
).map(msgspec.msgpack.encode)


MSGPACK_CONNECT = msgspec.msgpack.encode({"type": 0, "nsp": "/"})


class Tracebacks(logging.Handler):
    """Remembers what was logged with a traceback, but for what the test's own handler does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, Ours):
            self.found.append(f"{record.getMessage()}: {error!r}")


class Ours(Exception):
    pass


def server(parser: str) -> Server[Any]:
    io: Server[Any] = Server(allow_eio3=True, parser=parser, limits=Limits(namespaces=3, handlers=2))
    io._drain = 0

    def fail(socket: Socket) -> None:
        raise Ours

    async def slow(socket: Socket) -> str:
        await asyncio.sleep(0)
        return "slow"

    def count(socket: Socket, number: int) -> int:
        return number + 1

    for nsp in (io, io.of("/a"), io.of(lambda name, auth: name.startswith("/room-"))):
        nsp.on("echo", lambda socket, *args: args)
        nsp.on("count", count)
        nsp.on("fail", fail)
        nsp.on("slow", slow)
        nsp.on("leave", lambda socket: socket.disconnect())
        nsp.on("connection", slow)
    return io


def run(scene: Any, parser: str) -> None:
    async def whole() -> None:
        async with (io := server(parser)):
            await scene(io)
            await settle()
            io.emit("still here")
        assert io.sockets == {}
        assert io.rooms == {}
        assert io._engine.sessions == {}
        assert io._engine.unconnected == 0

    tracebacks = Tracebacks()
    log = logging.getLogger("flocket")
    log.addHandler(tracebacks)
    propagate, log.propagate = log.propagate, False
    try:
        asyncio.run(whole())
    finally:
        log.removeHandler(tracebacks)
        log.propagate = propagate
    assert tracebacks.found == []


SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(
    st.lists(FRAMES, max_size=12).map(lambda frames: ("json", ["40", *frames]))
    | st.lists(FRAMES | MSGPACK, max_size=12).map(lambda frames: ("msgpack", [MSGPACK_CONNECT, *frames])),
    st.sampled_from(["EIO=4", "EIO=3"]),
    st.booleans(),
)
def test_over_a_websocket(said: tuple[str, list[str | bytes]], query: str, slowly: bool) -> None:
    parser, frames = said

    async def scene(io: Server[Any]) -> None:
        upgrade = FakeUpgrade(request(f"{query}&transport=websocket"))
        io._engine.upgrade(upgrade)
        for frame in frames:
            upgrade.accepted.receive(b"\x04" + frame if query == "EIO=3" and isinstance(frame, bytes) else frame)
            if slowly:
                await settle(2)

    run(scene, parser)


@SETTINGS
@given(
    st.lists(st.lists(FRAMES, max_size=4) | st.binary(max_size=30), max_size=5),
    st.sampled_from(["EIO=4", "EIO=3", "EIO=4&j=1", "EIO=3&j=1"]),
)
def test_over_polling(bodies: list[Any], query: str) -> None:
    async def scene(io: Server[Any]) -> None:
        first = FakeExchange(request(f"{query}&transport=polling"))
        io._engine.handle(first)
        (sid,) = io._engine.sessions
        for body in [["40"], *bodies]:
            if isinstance(body, list):
                words = [word if isinstance(word, str) else "b" + word.hex() for word in body]
                join = "".join(f"{len(word)}:{word}" for word in words) if "EIO=3" in query else "\x1e".join(words)
                body = join.encode("utf-8", "surrogatepass")
            if "j=1" in query:
                body = b"d=" + body
            for method, given_body in (("GET", b""), ("POST", body)):
                exchange = FakeExchange(request(f"{query}&transport=polling&sid={sid}", method), given_body)
                io._engine.handle(exchange)
                await settle(2)
                assert method == "GET" or exchange.answer is not None, "a POST is always answered"

    run(scene, "json")
