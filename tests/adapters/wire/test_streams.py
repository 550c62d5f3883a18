"""The streams dialect, against bytes that Node's encoders made."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import encode as pack
from tests.adapters.wire import golden
from tests.adapters.wire.odd import FIELDS
from tests.adapters.wire.test_sharded import MESSAGES

from flocket.adapters import messages as m
from flocket.adapters.wire.streams import (
    Streams,
    decode_session,
    encode_session,
    hash_code,
    is_durable,
    is_offset,
    read_data,
    stream_name,
    stream_names,
)
from flocket.codec.errors import DecodeError

WIRE = Streams("/", "0011223344556677")


@pytest.mark.parametrize("message", MESSAGES)
def test_every_word_is_read_back_from_an_entry_and_from_pub_sub(message: m.Message) -> None:
    assert WIRE.decode_entry(WIRE.encode_entry(message)) == message
    assert WIRE.decode(*WIRE.encode(message)) == message


def test_an_entry_holds_javascripts_text_and_with_bytes_base64_of_msgpack() -> None:
    text = m.Broadcast(uid="u", nsp="/", data=["hi"], opts=m.Options(("r1",)))
    binary = m.Broadcast(uid="u", nsp="/", data=["hi", b"\xff"], opts=m.Options(("r1",)))
    data = '{"packet":{"type":2,"data":["hi"],"nsp":"/"},"opts":{"rooms":["r1"],"except":[],"flags":{}}}'
    assert WIRE.encode_entry(text) == {"uid": "u", "nsp": "/", "type": "3", "data": data}
    assert WIRE.encode_entry(binary)["data"] == golden.STREAMS_DATA
    assert WIRE.decode_entry(WIRE.encode_entry(binary)) == binary


def test_what_goes_over_pub_sub_has_msgpacks_bytes() -> None:
    message = m.ServerSideEmit(uid="0011", nsp="/", data=["ping"], request_id="aabb")
    ours = WIRE.encode(message)
    assert ours[0] == "socket.io#/#"
    assert WIRE.decode(ours[0], bytes.fromhex(golden.STREAMS_PUBSUB)) == message
    assert ours[1].hex() == golden.STREAMS_PUBSUB


def test_only_what_reaches_or_changes_clients_and_wants_no_answer_is_durable() -> None:
    durable = {type(message).__name__ for message in MESSAGES if is_durable(message)}
    assert durable == {"Broadcast", "Join", "Leave", "DisconnectSockets"}
    assert not is_durable(m.Broadcast(uid="u", nsp="/", data=["e"], opts=m.Options(), request_id="q"))


@pytest.mark.parametrize(("nsp", "hashed"), golden.HASHES.items())
def test_a_namespace_is_hashed_with_javascripts_sign(nsp: str, hashed: tuple[int, int]) -> None:
    assert hash_code(nsp) == hashed[0]
    assert stream_name(nsp, "socket.io", 4) == f"socket.io-{hashed[1]}"
    assert stream_name(nsp, "socket.io", 4) in stream_names("socket.io", 4)


def test_one_stream_has_the_plain_name_and_several_are_read_with_their_negatives() -> None:
    assert stream_names("s") == ["s"] == [stream_name("/notifications", "s", 1)]
    assert stream_names("s", 2) == ["s--1", "s-0", "s-1"]


def test_a_session_has_nodes_bytes() -> None:
    session = ("S" * 20, "P" * 20, ("S" * 20, "r1"), {"u": 1})
    assert encode_session(*session) == golden.STREAMS_SESSION
    assert decode_session(golden.STREAMS_SESSION)[:4] == session


def test_plaintext_only_never_packs() -> None:
    wire = Streams("/", "u", only_plaintext=True)
    message = m.Broadcast(uid="u", nsp="/", data=["hi", "there"], opts=m.Options())
    assert wire.encode_entry(message)["data"].startswith("{")


@pytest.mark.parametrize("text", ["", "$", "-", "1", "1-", "-1", "1-1 ", "٣-١", "1-1\n", "9" * 21 + "-1"])
def test_what_is_no_entrys_id_is_no_offset(text: str) -> None:
    assert not is_offset(text)
    assert is_offset("1700000000000-0")


@pytest.mark.parametrize("data", ["", "!", "ew==" + "é", "gqZ", "{", "[1]", "wA"])
def test_data_that_is_neither_json_nor_base64_raises_only_decode_error(data: str) -> None:
    with pytest.raises(DecodeError):
        read_data(data)
    with pytest.raises(DecodeError):
        decode_session(data)


@given(st.sampled_from(["", "3", "03", "³", "-1", "99", "1e1"]), FIELDS)
def test_entries_with_wrong_values_raise_only_decode_error(kind: str, fields: dict[str, Any]) -> None:
    for data in ["x", "{}", base64.b64encode(pack(fields)).decode()]:
        try:
            WIRE.decode_entry({"uid": "u", "nsp": "/", "type": kind, "data": data})
        except DecodeError:
            continue
