"""The sharded dialect, against bytes that Node's encoders made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import encode as pack
from tests.adapters.wire import golden
from tests.adapters.wire.odd import FIELDS

from flocket.adapters import messages as m
from flocket.adapters.wire.sharded import Sharded
from flocket.adapters.wire.values import to_json
from flocket.codec.errors import DecodeError

UID = "0011223344556677"
WIRE = Sharded("/", UID)
BASE = "socket.io#/#"
OPTS = m.Options(("r1", "r2"), ("x",), {"volatile": True})
MESSAGES: list[m.Message] = [
    m.InitialHeartbeat(uid=UID, nsp="/"),
    m.Heartbeat(uid=UID, nsp="/"),
    m.Close(uid=UID, nsp="/"),
    m.Broadcast(uid=UID, nsp="/", data=["e", {"a": [1.5]}], opts=OPTS),
    m.Broadcast(uid=UID, nsp="/", data=["e", b"\x00"], opts=OPTS, request_id="q"),
    m.Join(uid=UID, nsp="/", opts=OPTS, rooms=("a",)),
    m.Leave(uid=UID, nsp="/", opts=OPTS, rooms=("a",)),
    m.DisconnectSockets(uid=UID, nsp="/", opts=OPTS, close=True),
    m.FetchSockets(uid=UID, nsp="/", request_id="q", opts=OPTS),
    m.ServerSideEmit(uid=UID, nsp="/", data=["e", 1]),
    m.ServerSideEmit(uid=UID, nsp="/", data=["e", b"1"], request_id="q"),
    m.FetchSocketsResponse(
        uid=UID,
        nsp="/",
        request_id="q",
        sockets=[{"id": "s", "handshake": {"auth": {}}, "rooms": ("s",), "data": {"n": None}}],
    ),
    m.ServerSideEmitResponse(uid=UID, nsp="/", request_id="q", value={"a": 1}),
    m.BroadcastClientCount(uid=UID, nsp="/", request_id="q", count=3),
    m.BroadcastAck(uid=UID, nsp="/", request_id="q", value="ok"),
    m.BroadcastAck(uid=UID, nsp="/", request_id="q"),
]


def test_a_broadcast_has_javascripts_text_and_with_bytes_notepacks() -> None:
    text = m.Broadcast(uid=UID, nsp="/", data=["hi"], opts=m.Options(("r1",)))
    binary = m.Broadcast(uid=UID, nsp="/", data=["hi", b"\xff"], opts=m.Options(("r1",)))
    assert WIRE.encode(text) == ("socket.io#/#r1#", golden.SHARDED_TEXT)
    assert WIRE.encode(binary) == ("socket.io#/#r1#", bytes.fromhex(golden.SHARDED_BINARY))
    assert WIRE.decode(BASE, golden.SHARDED_TEXT) == text
    assert WIRE.decode(BASE, bytes.fromhex(golden.SHARDED_BINARY)) == binary


@pytest.mark.parametrize("message", MESSAGES)
def test_every_word_is_read_back_as_it_was_said(message: m.Message) -> None:
    assert WIRE.decode(*WIRE.encode(message)) == message


def test_answers_go_to_the_askers_channel() -> None:
    message = m.BroadcastClientCount(uid=UID, nsp="/", request_id="q", count=3)
    assert WIRE.encode(message, "asker")[0] == "socket.io#/#asker#"


@pytest.mark.parametrize(
    ("mode", "room", "channel"),
    [
        ("static", "r1", BASE),
        ("dynamic", "r1", "socket.io#/#r1#"),
        ("dynamic", "x" * 20, BASE),
        ("dynamic", "\U0001f600" * 10, BASE),
        ("dynamic-private", "x" * 20, f"socket.io#/#{'x' * 20}#"),
    ],
)
def test_the_mode_and_the_rooms_name_choose_the_channel(mode: Any, room: str, channel: str) -> None:
    wire = Sharded("/", UID, mode=mode)
    assert wire.encode(m.Broadcast(uid=UID, nsp="/", data=["e"], opts=m.Options((room,))))[0] == channel


def test_a_broadcast_to_many_rooms_or_with_acknowledgements_goes_to_the_base_channel() -> None:
    many = m.Broadcast(uid=UID, nsp="/", data=["e"], opts=m.Options(("a", "b")))
    asked = m.Broadcast(uid=UID, nsp="/", data=["e"], opts=m.Options(("a",)), request_id="q")
    assert WIRE.encode(many)[0] == WIRE.encode(asked)[0] == BASE


def test_private_rooms_have_a_channel_in_private_mode_only() -> None:
    assert not Sharded("/", UID, mode="static").subscribes("r", own=False)
    assert Sharded("/", UID, mode="dynamic").subscribes("r", own=False)
    assert not Sharded("/", UID, mode="dynamic").subscribes("r", own=True)
    assert Sharded("/", UID, mode="dynamic-private").subscribes("r", own=True)


def test_a_packet_without_namespace_is_taken_and_one_of_another_refused() -> None:
    packet = {"type": 2, "data": ["e"]}
    said = {
        "type": 3,
        "uid": "u",
        "nsp": "/",
        "data": {"packet": packet, "opts": {"rooms": [], "except": []}},
    }
    assert WIRE.decode(BASE, to_json(said)) == m.Broadcast(uid="u", nsp="/", data=["e"], opts=m.Options())
    with pytest.raises(DecodeError):
        WIRE.decode(BASE, to_json({**said, "nsp": "/other"}))


@given(FIELDS, st.booleans())
def test_the_right_keys_with_wrong_values_raise_only_decode_error(fields: dict[str, Any], deep: bool) -> None:
    try:
        WIRE.decode(BASE, pack({"uid": "u", "data": fields, **fields} if deep else fields))
    except DecodeError:
        return


@given(st.binary(max_size=60))
def test_rubbish_raises_only_decode_error(payload: bytes) -> None:
    for start in (b"", b"{"):
        with pytest.raises(DecodeError):
            WIRE.decode(BASE, start + payload)
