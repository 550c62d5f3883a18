"""Packets through both parsers: what goes out comes back; cut or foreign ones raise only DecodeError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import msgpack_values, packets, plain_scalars, quick, quicker, values, whole

from flocket.codec import msgpack, socketio
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Assembly, Packet

text_packets = packets(values(plain_scalars | whole, whole))
binary_packets = packets(values(plain_scalars | whole | st.binary(max_size=9), whole)).filter(
    lambda packet: packet.type in (socketio.PacketType.EVENT, socketio.PacketType.ACK)
)


def read(text: bytes, buffers: list[bytes]) -> Packet | None:
    assert text[:1] == b"4"
    packet = socketio.decode(text[1:].decode(), max_attachments=100)
    if not packet.attachments:
        assert buffers == []
        return packet
    assembly = Assembly(packet)
    *before, last = [assembly.add(buffer) for buffer in buffers]
    assert not any(before)
    return last


@quick
@given(text_packets | binary_packets)
def test_a_packet_comes_back_as_itself(packet: Packet) -> None:
    text, buffers = socketio.encode(packet)
    assert repr(read(text, buffers)) == repr(packet)


@quicker
@given(packets(msgpack_values))
def test_a_packet_comes_back_as_itself_through_msgpack(packet: Packet) -> None:
    text, [message] = msgpack.encode(packet)
    assert text == b""
    assert repr(msgpack.decode(message)) == repr(packet)
    for end in range(len(message)):
        with pytest.raises(DecodeError):
            msgpack.decode(message[:end])


@quicker
@given(text_packets | binary_packets, st.text(max_size=3))
def test_a_packet_cut_anywhere_raises_only_decode_error(packet: Packet, rubbish: str) -> None:
    text = socketio.encode(packet)[0][1:].decode()
    for end in range(len(text)):
        with contextlib.suppress(DecodeError):
            socketio.decode(text[:end])
    with contextlib.suppress(DecodeError):
        socketio.decode(text + rubbish)


@quick
@given(st.text(max_size=40) | st.text('0123456-/a,"[]{}:connet\\ud8é٣', max_size=40))
def test_rubbish_raises_only_decode_error(text: str) -> None:
    with contextlib.suppress(DecodeError):
        packet = socketio.decode(text)
        assert socketio.decode(socketio.encode(packet)[0][1:].decode()).data == packet.data


@quick
@given(st.binary(max_size=60))
def test_binary_rubbish_raises_only_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        msgpack.decode(data)
