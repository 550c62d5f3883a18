"""The WebSocket layer, rule by rule, over real connections."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.serving.echo import EchoServer, run
from tests.serving.peer import Peer, masked, until, upgrade_head

from flocket.codec.frames import Frame
from flocket.options import EngineOptions, Limits

FIN = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


uvloops = False


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def _loop(request: pytest.FixtureRequest) -> None:
    global uvloops
    uvloops = request.param == "uvloop"


def served(
    scenario: Callable[[EchoServer], Coroutine[Any, Any, None]], options: EngineOptions | None = None
) -> None:
    async def main() -> None:
        async with EchoServer(options) as server:
            await scenario(server)

    run(main(), uvloops)


def closes_with(code: int, *sent: bytes, options: EngineOptions | None = None) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(*sent)
        assert await peer.close_code() == code
        await until(lambda: server.engine.events == ["transport error"])
        assert server.engine.counters.bad_packets == 1

    served(scenario, options)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 2_047, 2_048, 65_535, 65_536, 300_000])
def test_messages_of_every_size_come_whole(size: int) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        text, data = "é" * (size // 2) + "x" * (size % 2), bytes(random.randbytes(size))
        peer.send(masked(FIN | TEXT, text.encode()), masked(FIN | BINARY, data))
        assert await peer.frame() == (FIN | TEXT, text.encode())
        assert await peer.frame() == (FIN | BINARY, data)
        assert server.engine.received == [text, data]
        peer.close()

    served(scenario)


def test_frames_cut_at_every_byte_are_the_same_messages() -> None:
    wire = masked(FIN | TEXT, b"one") + masked(TEXT, b"t\xc3") + masked(FIN | PING, b"?")
    wire += masked(FIN | CONTINUATION, b"\xa4") + masked(FIN | BINARY, b"b" * 200)

    async def scenario(server: EchoServer) -> None:
        for cut in range(1, len(wire)):
            server.engine.received = []
            peer = await Peer.websocket(server.port)
            peer.send(wire[:cut])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            peer.send(wire[cut:])
            assert [(await peer.frame()).payload for _ in range(4)] == [b"one", b"?", "tä".encode(), b"b" * 200]
            assert server.engine.received == ["one", "tä", b"b" * 200]
            peer.close()

    served(scenario)


def test_a_message_sent_byte_by_byte_arrives() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        for byte in masked(FIN | TEXT, b"x" * 300):
            peer.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await peer.frame()).payload == b"x" * 300
        peer.close()

    served(scenario)


def test_frames_behind_the_request_are_not_lost() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(upgrade_head(), masked(FIN | TEXT, b"early"), masked(FIN | TEXT, b"cut")[:4])
        assert (await peer.answer()).status == 101
        assert (await peer.frame()).payload == b"early"
        peer.send(masked(FIN | TEXT, b"cut")[4:])
        assert (await peer.frame()).payload == b"cut"
        peer.close()

    served(scenario)


def test_several_frames_leave_as_one_write() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        server.engine.transports[0].send([Frame.of(b"a"), Frame.of(b"b", True), Frame.of(b"c" * 200)])
        assert await peer._within(peer.reader.read(1000)) == b"\x81\x01a\x82\x01b\x81\x7e\x00\xc8" + b"c" * 200
        peer.close()

    served(scenario)


# -- what fails the connection ----------------------------------------------------------------------------


def test_an_unmasked_frame_fails_with_1002() -> None:
    closes_with(1002, b"\x81\x05hello")


def test_the_shortest_unmasked_frame_fails_at_once() -> None:
    closes_with(1002, b"\x89\x00")


@pytest.mark.parametrize("first", [0xC1, 0xA1, 0x91, 0xF2, 0xC9, 0x83, 0x87, 0x8B, 0x8F, 0x80, 0x00, 0x09, 0x08])
def test_reserved_bits_and_opcodes_and_stray_continuations_fail_with_1002(first: int) -> None:
    closes_with(1002, masked(first, b"x"))


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_control_frame_of_126_bytes_fails_with_1002(opcode: int) -> None:
    closes_with(1002, masked(FIN | opcode, b"\x03\xe8" + b"x" * 124))


def test_a_new_message_within_another_fails_with_1002() -> None:
    closes_with(1002, masked(TEXT, b"half"), masked(FIN | TEXT, b"another"))


@pytest.mark.parametrize("text", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"])
def test_text_that_is_not_utf8_fails_with_1007(text: bytes) -> None:
    closes_with(1007, masked(FIN | TEXT, text))
    closes_with(1007, masked(TEXT, text[:1]), masked(FIN | CONTINUATION, text[1:]))


def test_bad_utf8_in_a_fragment_fails_before_the_message_ends() -> None:
    closes_with(1007, masked(TEXT, b"good"), masked(CONTINUATION, b"\xff"))


def test_a_frame_above_max_payload_fails_when_only_its_header_is_there() -> None:
    closes_with(1009, masked(FIN | BINARY, b"x" * 1_001)[:8], options=EngineOptions(max_payload=1_000))
    closes_with(1009, b"\x82\xff" + b"\xff" * 8 + b"mask")


def test_max_payload_holds_for_the_whole_message() -> None:
    options = EngineOptions(max_payload=1_000)
    closes_with(1009, masked(BINARY, b"x" * 600), masked(FIN | CONTINUATION, b"x" * 401)[:8], options=options)


def test_a_message_of_exactly_max_payload_arrives() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(masked(FIN | TEXT, b"x" * 1_000), masked(TEXT, b"x" * 600), masked(FIN | CONTINUATION, b"x" * 400))
        for _ in range(2):
            assert (await peer.frame()).payload == b"x" * 1_000
        peer.close()

    served(scenario, EngineOptions(max_payload=1_000))


def test_too_many_fragments_fail_with_1008() -> None:
    fragments = [masked(TEXT, b"x" * 50)] + [masked(CONTINUATION, b"x" * 50)] * 40
    closes_with(1008, *fragments, options=EngineOptions(limits=Limits(fragments=40)))


def test_many_tiny_fragments_fail_with_1008_and_some_do_not() -> None:
    closes_with(1008, masked(TEXT, b"x"), masked(CONTINUATION, b"x") * 256)

    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(masked(TEXT, b""), masked(CONTINUATION, b"x") * 254, masked(FIN | CONTINUATION, b"x"))
        assert (await peer.frame()).payload == b"x" * 255
        peer.send(masked(BINARY, b"x" * 16), masked(CONTINUATION, b"x" * 16) * 1_022, masked(FIN, b"x" * 16))
        assert (await peer.frame()).payload == b"x" * 16_384
        peer.close()

    served(scenario)


def test_a_failed_peer_that_goes_on_sending_still_reads_why() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(b"\x82\xff" + (2**40).to_bytes(8, "big") + b"mask")
        for _ in range(50):
            peer.send(b"x" * 100_000)
            await asyncio.sleep(0)
        assert await peer.close_code() == 1009

    served(scenario)


def test_a_failed_peer_that_does_not_leave_is_dropped_in_time() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(b"\xff" * 100)
        assert (await peer.frame()).first == FIN | CLOSE
        assert server.server.server_state.connections
        await until(lambda: not server.server.server_state.connections, 2)
        peer.close()

    served(scenario, EngineOptions(limits=Limits(close_time=0.2)))


# -- pings ------------------------------------------------------------------------------------------------


def test_pings_are_answered_with_their_payload_in_order() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(*(masked(FIN | PING, bytes((n,)) * n) for n in range(20)), masked(FIN | PONG, b"unasked"))
        for n in range(20):
            assert await peer.frame() == (FIN | PONG, bytes((n,)) * n)
        peer.close()

    served(scenario)


# -- closing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [b"", b"\x03\xe8", b"\x03\xe9bye", b"\x03\xf6", b"\x0b\xb8", b"\x13\x87" + b"r" * 123]
)
def test_a_close_is_answered_with_its_code_and_an_empty_one_empty(payload: bytes) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.send(masked(FIN | CLOSE, payload), masked(FIN | TEXT, b"too late"))
        assert await peer.frame() == (FIN | CLOSE, payload[:2])
        assert await peer.at_end()
        assert server.engine.events == ["transport close"]
        assert server.engine.received == []
        peer.close()

    served(scenario)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_close_code_that_may_not_be_sent_fails_with_1002(code: int) -> None:
    closes_with(1002, masked(FIN | CLOSE, code.to_bytes(2, "big")))


def test_a_close_of_one_byte_fails_with_1002_and_a_reason_that_is_not_utf8_with_1007() -> None:
    closes_with(1002, masked(FIN | CLOSE, b"\x03"))
    closes_with(1007, masked(FIN | CLOSE, b"\x03\xe8\xff"))


def test_our_close_waits_for_the_answer_and_hears_nothing_else() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        transport = server.engine.transports[0]
        transport.close(1013, "slow consumer")
        transport.send([Frame.of(b"behind the close")])
        transport.close(1000)
        assert await peer.frame() == (FIN | CLOSE, b"\x03\xf5slow consumer")
        peer.send(masked(FIN | TEXT, b"on its way"), masked(FIN | PING, b"?"), masked(FIN | CLOSE, b"\x03\xf5"))
        assert await peer.at_end()
        assert server.engine.received == []
        await until(lambda: server.engine.events == ["transport close"])
        peer.close()

    served(scenario)


def test_a_close_that_nobody_answers_ends_in_time() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        loop = asyncio.get_running_loop()
        server.engine.transports[0].close()
        began = loop.time()
        assert (await peer.frame()).first == FIN | CLOSE
        await until(lambda: server.engine.events == ["transport close"])
        assert 0.15 < loop.time() - began < 1.5
        peer.close()

    served(scenario, EngineOptions(limits=Limits(close_time=0.2)))


def test_a_long_close_reason_is_cut_at_a_character() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        server.engine.transports[0].close(1000, "ä" + "€" * 100)
        _, payload = await peer.frame()
        assert len(payload) <= 125
        assert payload[2:].decode().strip("€") == "ä"
        peer.close()

    served(scenario)


def test_the_end_is_told_once_and_names_what_happened() -> None:
    async def scenario(server: EchoServer) -> None:
        (await Peer.websocket(server.port)).close()
        await until(lambda: server.engine.events == ["transport close"])
        (await Peer.websocket(server.port)).reset()
        await until(lambda: server.engine.events == ["transport close", "transport error"])
        peer = await Peer.websocket(server.port)
        server.engine.transports[-1].abort()
        await until(lambda: server.engine.events == ["transport close", "transport error", "transport close"])
        assert server.server.server_state.connections == set()
        peer.close()

    served(scenario)


def test_a_stopping_server_closes_with_1001() -> None:
    async def main() -> None:
        async with EchoServer() as server:
            peer = await Peer.websocket(server.port)
            silent = await Peer.websocket(server.port)
            server.server.should_exit = True
            assert await peer.frame() == (FIN | CLOSE, b"\x03\xe9")
            peer.send(masked(FIN | CLOSE, b"\x03\xe9"))
            assert await peer.at_end()
            await until(lambda: server.engine.events == ["transport close"] * 2)  # also who never answers
            peer.close()
            silent.close()

    run(main(), uvloops)


def test_a_receiver_may_close_in_the_middle_of_a_read() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        transport = server.engine.transports[0]

        class Closer:
            heard: list[str | bytes] = []

            def receive(self, frame: str | bytes) -> None:
                self.heard.append(frame)
                transport.close(1008)

            def on_writable(self) -> None: ...

            def on_lost(self, reason: str) -> None:
                self.heard.append(reason)

        transport.receiver = Closer()
        peer.send(masked(FIN | TEXT, b"one"), masked(FIN | TEXT, b"two"), masked(FIN | CLOSE, b"\x03\xf0"))
        assert await peer.close_code() == 1008
        assert Closer.heard == ["one", "transport close"]

    served(scenario)


# -- a peer that does not read ----------------------------------------------------------------------------


def test_writable_follows_the_transport_and_pending_counts() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads too
        transport = server.engine.transports[0]
        sent = 0
        while transport.writable:
            transport.send([Frame.of(b"x" * 100_000)])
            sent += 100_010
            await asyncio.sleep(0)
        assert transport.pending() > 65_536
        for n in range(10):
            peer.send(masked(FIN | PING, str(n).encode()))
        await asyncio.sleep(0.1)
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        rest = await peer._within(peer.reader.readexactly(sent))
        assert len(rest) == sent
        assert await peer.frame() == (FIN | PONG, b"9")  # of the pongs that could not leave, the newest
        assert transport.writable
        assert transport.pending() == 0
        assert server.engine.events == ["writable"]
        peer.close()

    served(scenario)


# -- permessage-deflate -----------------------------------------------------------------------------------

DEFLATE = EngineOptions(per_message_deflate=True, max_payload=100_000)
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def inflated(data: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(data + b"\x00\x00\xff\xff")


def test_compressed_messages_go_both_ways_and_small_ones_leave_plain() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port, OFFER)
        big = b"flocket " * 1_000
        for opcode in (TEXT, BINARY):
            peer.send(masked(FIN | 0x40 | opcode, deflated(big)))
            first, payload = await peer.frame()
            assert first == FIN | 0x40 | opcode
            assert len(payload) < 200
            assert inflated(payload) == big
        half = deflated(big)[:20]
        peer.send(masked(0x40 | TEXT, half), masked(FIN | CONTINUATION, deflated(big)[20:]))
        assert inflated((await peer.frame()).payload) == big
        peer.send(masked(FIN | 0x40 | TEXT, deflated(b"small")), masked(FIN | TEXT, b"plain"))
        assert await peer.frame() == (FIN | TEXT, b"small")
        assert await peer.frame() == (FIN | TEXT, b"plain")
        server.engine.transports[0].send([Frame.of(big, compress=False)])
        assert await peer.frame() == (FIN | TEXT, big)
        peer.close()

    served(scenario, DEFLATE)


@pytest.mark.parametrize(
    ("code", "frame"),
    [
        (1009, masked(FIN | 0x40 | BINARY, deflated(b"\0" * 50_000_000))),  # a bomb: 49 KB of it
        (1007, masked(FIN | 0x40 | BINARY, b"\xff\xff\xff")),
        (1007, masked(FIN | 0x40 | TEXT, deflated(b"\xff"))),
        (1002, masked(0x40 | TEXT, b"") + masked(FIN | 0x40 | CONTINUATION, b"")),
        (1002, masked(FIN | 0x40 | PING, b"")),
    ],
)
def test_a_bad_compressed_message_fails(code: int, frame: bytes) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.websocket(server.port, OFFER)
        peer.send(frame)
        assert await peer.close_code() == code

    served(scenario, DEFLATE)


def test_compression_is_off_unless_asked_for() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(upgrade_head("/echo/", OFFER))
        assert "sec-websocket-extensions" not in (await peer.answer()).headers
        peer.close()

    served(scenario)
