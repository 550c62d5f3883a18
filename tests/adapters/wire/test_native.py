"""Our own dialect: what it says is read as it was said, and nothing else is believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import encode as pack
from tests.adapters.wire.odd import FIELDS
from tests.adapters.wire.test_sharded import MESSAGES

from flocket.adapters import messages as m
from flocket.adapters.wire.native import Native
from flocket.codec.errors import DecodeError
from flocket.errors import EncodeError

UID = "0011223344556677"
OPTS = m.Options(("r",), ("x",), {"volatile": True, "timeout": 1})
OURS: list[m.Message] = [
    *MESSAGES,
    m.BroadcastFrames(uid=UID, nsp="/", frames=((False, b"42"), (True, b"\x00\xff")), opts=OPTS),
    m.CountSockets(uid=UID, nsp="/", request_id="q", opts=OPTS),
    m.CountSocketsResponse(uid=UID, nsp="/", request_id="q", count=3),
    m.ClientGone(uid=UID, nsp="/", request_id="q"),
    m.Absent(uid=UID, nsp="/", request_id="q"),
]


@pytest.mark.parametrize("key", [None, b"secret"])
@pytest.mark.parametrize("message", OURS, ids=lambda message: type(message).__name__)
def test_every_word_is_read_back_with_its_envelope(message: m.Message, key: bytes | None) -> None:
    said, read = Native(UID, 7, key=key), Native("other", 1, key=key)
    said.encode("c", message)
    envelope = read.decode("c", said.encode("c", message))
    assert (envelope.uid, envelope.epoch, envelope.seq) == (UID, 7, 2)
    found: Any = envelope.message
    if isinstance(found, m.FetchSocketsResponse):
        assert found.sockets[0]["rooms"] == ["s"]
    else:
        assert found == message


def test_each_channel_counts_for_itself() -> None:
    wire = Native(UID, 7)
    message = m.Heartbeat(uid=UID, nsp="")
    numbers = [wire.decode(channel, wire.encode(channel, message)).seq for channel in "aabab"]
    assert numbers == [1, 2, 1, 3, 2]


@pytest.mark.parametrize("cut", range(60))
def test_bytes_cut_or_changed_anywhere_raise_only_decode_error(cut: int) -> None:
    signed = Native(UID, 7, key=b"secret")
    whole = signed.encode("c", m.FetchSockets(uid=UID, nsp="/", request_id="q", opts=OPTS))
    with pytest.raises(DecodeError):
        signed.decode("c", whole[:cut])
    with pytest.raises(DecodeError):
        signed.decode("c", whole[:cut] + bytes((whole[cut] ^ 1,)) + whole[cut + 1 :])
    with pytest.raises(DecodeError):
        Native(UID, 7).decode("c", whole[:cut])


def test_without_the_key_or_on_another_channel_nothing_signed_is_believed() -> None:
    message = m.Heartbeat(uid=UID, nsp="")
    signed, plain, other = Native(UID, 7, key=b"a"), Native(UID, 7), Native(UID, 7, key=b"b")
    for reader, channel, data in [
        (signed, "c", plain.encode("c", message)),
        (plain, "c", signed.encode("c", message)),
        (other, "c", signed.encode("c", message)),
        (signed, "d", signed.encode("c", message)),
    ]:
        with pytest.raises(DecodeError):
            reader.decode(channel, data)


def test_a_message_may_not_speak_for_another_node_than_its_envelope() -> None:
    wire = Native(UID, 7)
    with pytest.raises(DecodeError, match="in the envelope of"):
        wire.decode("c", wire.encode("c", m.Heartbeat(uid="other", nsp="")))


def test_what_is_too_large_is_neither_said_nor_read() -> None:
    wire = Native(UID, 7, max_message=1_000)
    with pytest.raises(EncodeError, match="too many"):
        wire.encode("c", m.BroadcastFrames(uid=UID, nsp="/", frames=((True, b"x" * 900),), opts=OPTS))
    with pytest.raises(DecodeError, match="too many"):
        wire.decode("c", b"\x01\x00" + b"x" * 1_000)


@given(st.binary(max_size=80))
def test_rubbish_raises_only_decode_error(data: bytes) -> None:
    for start in (b"", b"\x01\x00", b"\x02\x00"):
        with pytest.raises(DecodeError):
            Native(UID, 7).decode("c", start + data)


@given(st.integers(-1, 30), FIELDS)
def test_right_envelopes_with_wrong_words_raise_only_decode_error(number: int, fields: dict[str, Any]) -> None:
    for said in (fields, [UID, *fields.values()], [UID, "/", *fields.values()]):
        try:
            Native(UID, 7).decode("c", b"\x01\x00" + pack((UID, 7, 1, number, said)))
        except DecodeError:
            continue
