"""Compression of polling bodies, and permessage-deflate where it was asked for."""

from __future__ import annotations

import gzip
import zlib

import pytest
from tests.support.peer import Poller, target
from tests.support.raw import Response
from tests.support.servers import Pool, Running
from tests.support.websocket import WebSocket
from websockets.sync.client import connect

LONG = '42["echo","' + "long " * 400 + '"]'
SHORT = '42["echo","short"]'
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


def answered(server: Running, packet: str, encodings: str | None) -> Response:
    """The answer to a poll that brings `packet` back."""
    poller = Poller(server.port)
    poller.connect()
    poller.say(packet)
    return poller.request("GET", headers={"Accept-Encoding": encodings} if encodings is not None else None)


@pytest.mark.parametrize("encodings", ["gzip", "gzip, deflate, br", "br, gzip;q=0.5", "*"])
def test_a_long_body_is_gzipped(servers: Pool, encodings: str) -> None:
    answer = answered(servers.start(), LONG, encodings)
    assert answer.header("content-encoding") == "gzip"
    assert gzip.decompress(answer.body).decode() == LONG
    assert len(answer.body) < len(LONG) / 10


def test_a_long_body_is_deflated_for_whoever_asks_that(servers: Pool) -> None:
    answer = answered(servers.start(), LONG, "deflate")
    assert answer.header("content-encoding") == "deflate"
    assert zlib.decompress(answer.body).decode() == LONG


@pytest.mark.parametrize(
    ("packet", "encodings"), [(SHORT, "gzip"), (LONG, None), (LONG, "br"), (LONG, "gzip;q=0"), (LONG, "identity")]
)
def test_other_bodies_stay_plain(servers: Pool, packet: str, encodings: str | None) -> None:
    answer = answered(servers.start(), packet, encodings)
    assert answer.header("content-encoding") is None
    assert answer.text == packet


def test_compression_may_be_switched_off(servers: Pool) -> None:
    answer = answered(servers.start(http_compression=False), LONG, "gzip")
    assert (answer.header("content-encoding"), answer.text) == (None, LONG)


def test_an_event_may_ask_not_to_be_compressed(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    poller.say('42["say",{"from":"socket","compress":false},"echo","' + "long " * 400 + '"]')
    answer = poller.request("GET", headers={"Accept-Encoding": "gzip"})
    assert (answer.header("content-encoding"), answer.text) == (None, LONG)


@pytest.mark.fast_face  # elsewhere the ASGI server decides
def test_deflate_is_off_unless_asked_for(servers: Pool) -> None:
    with WebSocket(servers.start().port, target("websocket"), OFFER) as websocket:
        assert websocket.response101.header("sec-websocket-extensions") is None


def test_deflate_is_agreed_on_when_asked_for(servers: Pool) -> None:
    server = servers.start(per_message_deflate=True)
    with WebSocket(server.port, target("websocket"), OFFER) as websocket:
        assert "permessage-deflate" in (websocket.response101.header("sec-websocket-extensions") or "")
    with WebSocket(server.port, target("websocket")) as websocket:
        assert websocket.response101.header("sec-websocket-extensions") is None


def test_deflated_messages_come_back_whole(servers: Pool) -> None:
    server = servers.start(per_message_deflate=True)
    with connect(f"ws://127.0.0.1:{server.port}{target('websocket')}", compression="deflate") as websocket:
        websocket.recv()
        websocket.send("40")
        websocket.recv()
        websocket.recv()
        for packet in (LONG, SHORT, '42["echo","' + "☃x" * 50_000 + '"]', LONG):
            websocket.send(packet)
            assert websocket.recv() == packet
