"""WebSocket frames against RFC 6455 or against reason: the right close code, and nobody else notices."""

from __future__ import annotations

import os
import zlib

import pytest
from tests.conformance.test_attacks import unharmed
from tests.support.peer import Peer, open_websocket, target
from tests.support.servers import Pool
from tests.support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, masked

LIMIT = 1_000_000  # max_payload


@pytest.mark.parametrize("reserved", [1, 2, 4, 7])
def test_reserved_bits_are_a_protocol_error(servers: Pool, reserved: int) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.frame(TEXT, b"42", reserved=reserved)
        assert peer.websocket.close_code() == 1002


@pytest.mark.parametrize("opcode", [3, 7, 11, 15])
def test_unknown_opcodes_are_a_protocol_error(servers: Pool, opcode: int) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.frame(opcode, b"x")
        assert peer.websocket.close_code() == 1002


def test_an_unmasked_frame_is_a_protocol_error(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.send(b"\x81\x0242")
        assert peer.websocket.close_code() == 1002


@pytest.mark.parametrize(
    "frames",
    [
        masked(PING, b"x" * 126),
        masked(PING, b"x", fin=False),
        masked(CONTINUATION, b"x"),
        masked(TEXT, b"4", fin=False) + masked(TEXT, b"2"),
        masked(CLOSE, b"\x03"),
        masked(CLOSE, b"\x03\xec"),  # 1004
    ],
    ids=["long ping", "split ping", "no beginning", "no end", "half a code", "a reserved code"],
)
def test_frames_out_of_order_are_a_protocol_error(servers: Pool, frames: bytes) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.send(frames)
        assert peer.websocket.close_code() == 1002


@pytest.mark.parametrize("text", [b"42\xff", b"4\xc0\xaf", b"4\xed\xa0\x80", b"4\xf5\x80\x80\x80", b"4\xe2\x98"])
def test_text_that_is_no_utf8_is_refused(servers: Pool, text: bytes) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.frame(TEXT, text)
        assert peer.websocket.close_code() == 1007


def test_a_message_over_the_limit_is_too_big(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.frame(BINARY, b"x" * (LIMIT + 1))
        assert peer.websocket.close_code() in (1009, 1006)


@pytest.mark.fast_face
def test_a_frame_that_is_announced_too_large_is_refused_before_it_comes(servers: Pool) -> None:
    server = servers.start()
    for size in (LIMIT + 1, 2**31, 2**40, 2**62):
        with unharmed(server), Peer(server.port) as peer:
            peer.websocket.send(b"\x82\xff" + size.to_bytes(8, "big") + b"\x00\x00\x00\x00")
            assert peer.websocket.close_code() == 1009


def test_a_length_that_no_frame_may_have_is_refused(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.send(b"\x82\xff" + (2**63).to_bytes(8, "big") + b"\x00\x00\x00\x00")
        assert peer.websocket.close_code() in (1002, 1009)


def test_fragments_count_together(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        part = os.urandom(100_000)
        peer.websocket.frame(BINARY, part, fin=False)
        try:
            for _ in range(13):
                peer.websocket.frame(CONTINUATION, part, fin=False)
            peer.websocket.frame(CONTINUATION, part)
        except ConnectionError:
            pass  # refused meanwhile
        assert peer.websocket.close_code() in (1009, 1006)


def test_a_message_in_fragments_is_one_message(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.ask("ack")
        packet = '421["ack","☃ in two"]'.encode()
        for cut in range(1, len(packet)):  # within the snowman too
            peer.websocket.frame(TEXT, packet[:cut], fin=False)
            peer.websocket.frame(PING, b"between")
            peer.websocket.frame(CONTINUATION, packet[cut:])
            opcode, payload = peer.websocket.receive_frame()
            assert (opcode, payload) == (PONG, b"between")
            assert peer.wait_for("43") == '431["☃ in two"]'


@pytest.mark.fast_face
def test_a_flood_of_tiny_fragments_ends_early(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        before = server.resident()
        fragment = masked(CONTINUATION, b"x", fin=False)
        peer.websocket.frame(BINARY, b"x", fin=False)
        try:
            for _ in range(131):
                peer.websocket.send(fragment * 1000)
        except ConnectionError:
            pass  # refused meanwhile
        assert peer.websocket.close_code() in (1008, 1009, 1002, 1006)
        assert server.resident() - before < 8_000_000


def test_a_bomb_of_zeros_does_not_unfold(servers: Pool) -> None:
    server = servers.start(per_message_deflate=True)
    packer = zlib.compressobj(wbits=-12)
    bomb = packer.compress(b"\x00" * 50_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    before = server.resident()
    with (
        unharmed(server),
        WebSocket(server.port, target("websocket"), {"Sec-WebSocket-Extensions": "permessage-deflate"}) as websocket,
    ):
        websocket.receive_frame()
        websocket.frame(BINARY, bomb[:-4], reserved=4)
        assert websocket.close_code() == 1009
    assert server.resident() - before < 30_000_000


def test_a_close_frame_is_answered_with_its_code(servers: Pool) -> None:
    server = servers.start()
    for sent, code in ((b"", 1005), (b"\x03\xe8bye", 1000), (b"\x0b\xb8", 3000)):
        websocket, _ = open_websocket(server.port)
        with websocket:
            websocket.frame(CLOSE, sent)
            assert websocket.close_code() == code
            assert websocket.ends() == b""


def test_pings_are_answered(servers: Pool) -> None:
    websocket, _ = open_websocket(servers.start().port)
    with websocket:
        for payload in (b"", b"x", b"y" * 125):
            websocket.frame(PING, payload)
            assert websocket.receive_frame() == (PONG, payload)
        websocket.frame(PONG, b"nobody asked")
        websocket.frame(PING, b"alive")
        assert websocket.receive_frame() == (PONG, b"alive")
