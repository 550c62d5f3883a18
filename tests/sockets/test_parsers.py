"""Parsers joined to frames: JSON, msgpack, the user's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.typed import Raw, settle

from flocket import ConfigError, Limits, Server
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet, PacketType
from flocket.sockets.parsers import JsonParser, MsgpackParser, choose_parser

EVENT = Packet(PacketType.EVENT, "/", ["x", b"\x01"])


def test_json_is_text_and_attachments() -> None:
    encoded = JsonParser(Limits()).encode(EVENT, compress=False)
    assert [(frame.payload, frame.binary) for frame in encoded.frames] == [
        (b'451-["x",{"_placeholder":true,"num":0}]', False), (b"\x01", True),
    ]  # fmt: skip
    assert not any(frame.compress for frame in encoded.frames)
    older = encoded.for_protocol(3)
    assert [frame.payload for frame in older] == [encoded.frames[0].payload, b"\x04\x01"]
    assert encoded.for_protocol(3) is older
    assert encoded.for_protocol(4) is encoded.frames


def test_msgpack_is_one_binary_message() -> None:
    parser = MsgpackParser(Limits())
    (frame,) = parser.encode(EVENT).frames
    assert frame.binary
    packet = parser.decoder().add(frame.payload)
    assert packet is not None
    assert (packet.type, packet.nsp, packet.data) == (PacketType.EVENT, "/", ["x", b"\x01"])
    with pytest.raises(DecodeError):
        parser.decoder().add("text")


class Lines:
    """A parser of a user: JSON with the type in front, and a strict one."""

    def encode(self, packet: Packet) -> Sequence[str | bytes]:
        return [json.dumps([int(packet.type), packet.nsp, packet.data, packet.id])]

    def decoder(self) -> Lines:
        return self

    def add(self, message: str | bytes) -> Packet | None:
        kind, nsp, data, number = json.loads(message)
        return Packet(kind, nsp, data, number)


def test_a_parser_of_ones_own_is_spoken_both_ways() -> None:
    io = Server(parser=Lines())
    io.on("echo", lambda socket, *args: args)

    async def scene() -> None:
        async with io:
            raw = Raw(io)
            (_, answer) = await raw.ask('4[0,"/",null,null]')
            assert json.loads(str(answer)[1:])[0] == 0
            assert await raw.ask('4[2,"/",["echo",1,"a"],7]') == ['4[3, "/", [1, "a"], 7]']
            io.emit("x")
            await settle()
            assert raw.take() == ['4[2, "/", ["x"], null]']

    asyncio.run(scene())


@pytest.mark.parametrize(
    "message", ["rubbish", "[9,null]", '[2,"/",{},null]', '[2,"/",[[]],null]', '[2,5,["x"],null]', '[3,"/",["x"],null]',
                '[2,"/",["x"],"1"]', '["a","/",null,null]'],
)  # fmt: skip
def test_what_it_takes_for_a_packet_is_checked_and_its_failure_is_the_peers(message: str) -> None:
    async def scene() -> None:
        async with Server(parser=Lines()) as io:
            raw = Raw(io)
            await raw.ask('4[0,"/",null,null]')
            raw.say("4" + message)
            assert raw.closed
            assert io.stats()["bad_packets"] == 1

    asyncio.run(scene())


@pytest.mark.parametrize("wrong", ["xml", 5, object()])
def test_what_is_no_parser_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="parser="):
        choose_parser(wrong, Limits())
