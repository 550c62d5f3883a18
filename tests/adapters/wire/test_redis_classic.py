"""The classic Redis dialect, against bytes that Node's encoders made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import encode as pack
from tests.adapters.wire import golden
from tests.adapters.wire.odd import FIELDS

from flocket.adapters import messages as m
from flocket.adapters.wire.redis_classic import RedisClassic
from flocket.codec.errors import DecodeError

WIRE = RedisClassic("/", "abc123")
CHAT = RedisClassic("/chat", "abc123")
BROADCASTS, REQUESTS, RESPONSES = "socket.io#/#", "socket.io-request#/#", "socket.io-response#/#"
HELLO = m.Broadcast(
    uid="abc123", nsp="/", data=["hello", 1, {"a": None}, b"\x01\x02\x03"], opts=m.Options(("r1",))
)


def test_a_broadcast_has_notepacks_bytes_and_its_rooms_channel() -> None:
    assert WIRE.encode(HELLO) == ("socket.io#/#r1#", bytes.fromhex(golden.CLASSIC_BROADCAST))
    flags = {"volatile": True, "compress": False}
    message = m.Broadcast(uid="abc123", nsp="/chat", data=["e"], opts=m.Options((), ("x",), flags))
    assert CHAT.encode(message) == ("socket.io#/chat#", bytes.fromhex(golden.CLASSIC_BROADCAST_FLAGS))


def test_notepacks_broadcast_is_read_back_as_it_was_said() -> None:
    assert WIRE.decode("socket.io#/#r1#", bytes.fromhex(golden.CLASSIC_BROADCAST)) == HELLO


def test_a_broadcast_to_two_rooms_goes_to_the_namespaces_channel() -> None:
    message = m.Broadcast(uid="u", nsp="/", data=["e"], opts=m.Options(("a", "b")))
    assert WIRE.encode(message)[0] == BROADCASTS


def test_flags_that_are_undefined_are_not_written() -> None:
    flags = {"volatile": True, "compress": None}
    message = m.Broadcast(uid="u", nsp="/", data=["e"], opts=m.Options(flags=flags))
    read = WIRE.decode(*WIRE.encode(message))
    assert isinstance(read, m.Broadcast)
    assert read.opts.flags == {"volatile": True}


def test_a_broadcast_that_wants_acknowledgements_has_notepacks_bytes() -> None:
    opts = m.Options(flags={"timeout": 1000})
    message = m.Broadcast(uid="abc123", nsp="/", data=["q"], opts=opts, request_id="req001")
    assert WIRE.encode(message) == (REQUESTS, bytes.fromhex(golden.CLASSIC_BROADCAST_REQUEST))
    assert WIRE.decode(*WIRE.encode(message)) == message


def test_acknowledgements_have_notepacks_bytes_and_an_undefined_one_no_key() -> None:
    some = m.BroadcastAck(uid="", nsp="/", request_id="req001", value=["ok"])
    none = m.BroadcastAck(uid="", nsp="/", request_id="req001")
    assert WIRE.encode(some, "xyz789") == (RESPONSES, bytes.fromhex(golden.CLASSIC_ACK))
    assert WIRE.encode(none, "xyz789") == (RESPONSES, bytes.fromhex(golden.CLASSIC_ACK_UNDEFINED))
    assert WIRE.decode(RESPONSES, bytes.fromhex(golden.CLASSIC_ACK)) == some
    assert WIRE.decode(WIRE.own_responses, bytes.fromhex(golden.CLASSIC_ACK_UNDEFINED)) == none


OPTS = m.Options(("r",), ("x",))
REQUEST_TEXTS: list[tuple[m.Message, dict[str, Any]]] = [
    (
        m.SocketIds(uid="u", nsp="/", request_id="q", rooms=("r",)),
        {"requestId": "q", "type": 0, "rooms": ["r"]},
    ),
    (m.AllRooms(uid="u", nsp="/", request_id="q"), {"requestId": "q", "type": 1}),
    (m.Join(uid="u", nsp="/", opts=OPTS, rooms=("a",)), {"type": 2, "rooms": ["a"]}),
    (m.Leave(uid="u", nsp="/", opts=OPTS, rooms=("a",)), {"type": 3, "rooms": ["a"]}),
    (m.DisconnectSockets(uid="u", nsp="/", opts=OPTS, close=True), {"type": 4, "close": True}),
    (m.FetchSockets(uid="u", nsp="/", request_id="q", opts=OPTS), {"requestId": "q", "type": 5}),
    (m.ServerSideEmit(uid="u", nsp="/", data=["e", 1]), {"type": 6, "data": ["e", 1]}),
    (
        m.ServerSideEmit(uid="u", nsp="/", data=["e"], request_id="q"),
        {"requestId": "q", "type": 6, "data": ["e"]},
    ),
    (
        m.MoveOne(uid="u", nsp="/", request_id="q", sid="s", verb="join", room="a"),
        {"requestId": "q", "type": 2, "sid": "s", "room": "a"},
    ),
    (
        m.MoveOne(uid="u", nsp="/", request_id="q", sid="s", verb="disconnect", close=True),
        {"requestId": "q", "type": 4, "sid": "s", "close": True},
    ),
]


@pytest.mark.parametrize(("message", "fields"), REQUEST_TEXTS)
def test_every_request_is_nodes_json_and_is_read_back(message: m.Message, fields: dict[str, Any]) -> None:
    channel, payload = WIRE.encode(message)
    expected = {"uid": "u", **fields}
    if hasattr(message, "opts"):
        expected["opts"] = {"rooms": ["r"], "except": ["x"]}
    assert channel == REQUESTS
    assert json.loads(payload) == expected
    assert WIRE.decode(channel, payload) == message


HANDSHAKE = {"headers": {}, "time": "t", "address": "::1"}
REMOTE = {"id": "s", "handshake": HANDSHAKE, "rooms": ("s", "r"), "data": {"n": 1}}
RESPONSE_TEXTS: list[tuple[m.Response, dict[str, Any]]] = [
    (m.SocketIdsResponse(uid="", nsp="/", request_id="q", sockets=("s",)), {"sockets": ["s"]}),
    (m.AllRoomsResponse(uid="", nsp="/", request_id="q", rooms=("a", "b")), {"rooms": ["a", "b"]}),
    (m.Done(uid="", nsp="/", request_id="q"), {}),
    (m.FetchSocketsResponse(uid="", nsp="/", request_id="q", sockets=[]), {"sockets": []}),
    (
        m.FetchSocketsResponse(uid="", nsp="/", request_id="q", sockets=[REMOTE]),
        {"sockets": [{**REMOTE, "rooms": ["s", "r"]}]},
    ),
    (m.ServerSideEmitResponse(uid="", nsp="/", request_id="q", value=[1]), {"type": 6, "data": [1]}),
    (m.BroadcastClientCount(uid="", nsp="/", request_id="q", count=2), {"type": 8, "clientCount": 2}),
]


@pytest.mark.parametrize(("message", "fields"), RESPONSE_TEXTS)
def test_every_response_is_nodes_json_and_is_read_back(message: m.Response, fields: dict[str, Any]) -> None:
    channel, payload = WIRE.encode(message, "asker")
    assert channel == RESPONSES
    assert json.loads(payload) == {"requestId": "q", **fields}
    assert WIRE.decode(channel, payload) == message


def test_responses_go_to_the_askers_channel_if_so_wished_but_those_of_nodes_never_do() -> None:
    wire = RedisClassic("/", "abc123", specific_responses=True)
    count = m.BroadcastClientCount(uid="", nsp="/", request_id="q", count=2)
    value = m.ServerSideEmitResponse(uid="", nsp="/", request_id="q", value=1)
    assert wire.encode(count, "xyz789")[0] == "socket.io-response#/#xyz789#"
    assert wire.encode(value, "xyz789")[0] == RESPONSES


def test_bytes_in_a_request_travel_as_msgpack_which_nodes_read_by_the_first_byte() -> None:
    message = m.ServerSideEmit(uid="u", nsp="/", data=["e", b"\xff"])
    channel, payload = WIRE.encode(message)
    assert payload[:1] != b"{"
    assert WIRE.decode(channel, payload) == message


def test_an_emitters_requests_carry_no_uid_as_nodes_emitter_sends_them() -> None:
    message = m.Join(uid=m.EMITTER, nsp="/", opts=OPTS, rooms=("a",))
    channel, payload = WIRE.encode(message)
    assert "uid" not in json.loads(payload)
    assert WIRE.decode(channel, payload) == message


def test_numeric_rooms_of_javascript_are_read_as_strings() -> None:
    payload = b'{"uid":"u","type":2,"opts":{"rooms":[12],"except":[1.5]},"rooms":[7]}'
    read = WIRE.decode(REQUESTS, payload)
    assert read == m.Join(uid="u", nsp="/", opts=m.Options(("12",), ("1.5",)), rooms=("7",))


@pytest.mark.parametrize("room", ["a#b", "*", "[x]?", "\x00", "ä" * 1000, "", "#"])
def test_any_room_name_is_found_again_in_its_channel(room: str) -> None:
    message = m.Broadcast(uid="u", nsp="/", data=["e"], opts=m.Options((room,)))
    assert WIRE.room(WIRE.encode(message)[0]) == room


def test_a_date_travels_as_one() -> None:
    when = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    message = m.Broadcast(uid="u", nsp="/", data=["e", when], opts=m.Options())
    assert golden.DATE in WIRE.encode(message)[1].hex()
    assert WIRE.decode(*WIRE.encode(message)) == message


def test_another_parser_may_be_used_for_what_is_packed() -> None:
    wire = RedisClassic("/", "u", pack=lambda value: json.dumps(value).encode(), unpack=json.loads)
    message = m.Broadcast(uid="u", nsp="/", data=["e"], opts=m.Options())
    assert wire.encode(message)[1][:1] == b"["
    assert wire.decode(*wire.encode(message)) == message


CHANNELS = [BROADCASTS, "socket.io#/#r1#", REQUESTS, RESPONSES, WIRE.own_responses, "other"]


@given(st.sampled_from(CHANNELS), st.binary(max_size=60))
def test_rubbish_raises_only_decode_error(channel: str, payload: bytes) -> None:
    try:
        WIRE.decode(channel, payload)
    except DecodeError:
        return


@given(st.sampled_from(CHANNELS), FIELDS, st.booleans())
def test_the_right_keys_with_wrong_values_raise_only_decode_error(
    channel: str, fields: dict[str, Any], as_list: bool
) -> None:
    try:
        WIRE.decode(channel, pack(["u", fields, fields] if as_list else fields))
    except DecodeError:
        return


@pytest.mark.parametrize("payload", ["CLASSIC_BROADCAST", "CLASSIC_BROADCAST_REQUEST", "CLASSIC_ACK"])
def test_bytes_cut_anywhere_raise_only_decode_error(payload: str) -> None:
    whole = bytes.fromhex(getattr(golden, payload))
    for end in range(len(whole)):
        for channel in CHANNELS:
            with pytest.raises(DecodeError):
                WIRE.decode(channel, whole[:end])


def test_a_pickle_and_deep_nesting_are_refused() -> None:
    for payload in [
        b"\x80\x04\x95cos\nsystem\n.",
        b"\x91" * 100_000,
        b"{" + b'"a":{' * 100_000,
        b"[" * 100_000,
    ]:
        for channel in CHANNELS:
            with pytest.raises(DecodeError):
                WIRE.decode(channel, payload)
