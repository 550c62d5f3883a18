"""Rules of the Socket.IO protocol 5 ("Packet encoding"); the vectors are what socket.io-parser writes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flocket.codec.errors import DecodeError
from flocket.codec.socketio import MAX_ID, RESERVED_EVENTS, Assembly, Packet, PacketType, decode, encode
from flocket.errors import EncodeError

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType

VECTORS: list[tuple[Packet, str]] = [
    (Packet(CONNECT), "0"),
    (Packet(CONNECT, "/admin", {"token": "1"}), '0/admin,{"token":"1"}'),
    (Packet(DISCONNECT, "/admin"), "1/admin,"),
    (Packet(DISCONNECT), "1"),
    (Packet(EVENT, data=["e", 1]), '2["e",1]'),
    (Packet(EVENT, data=[7]), "2[7]"),
    (Packet(EVENT, data=["e", 1], id=12), '212["e",1]'),
    (Packet(EVENT, data=["e"], id=MAX_ID), '29007199254740992["e"]'),
    (Packet(EVENT, "/a/b", ["é€😀", {"a": [None]}]), '2/a/b,["é€😀",{"a":[null]}]'),
    (Packet(ACK, "/a", [], id=0), "3/a,0[]"),
    (Packet(CONNECT_ERROR, data={"message": "no"}), '4{"message":"no"}'),
    (Packet(CONNECT_ERROR, "/x", "no"), '4/x,"no"'),
]


@pytest.mark.parametrize(("packet", "text"), VECTORS)
def test_packets_are_written_and_read_as_the_reference_does(packet: Packet, text: str) -> None:
    assert encode(packet) == (b"4" + text.encode(), [])
    assert decode(text) == packet
    assert type(decode(text).type) is PacketType


def hole(number: int) -> dict[str, Any]:
    return {"_placeholder": True, "num": number}


def test_bytes_make_an_event_a_binary_event() -> None:
    text, buffers = encode(Packet(EVENT, "/a", ["e", b"\x01", {"x": b"\x02"}], 5))
    assert text == b'452-/a,5["e",{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}]'
    assert buffers == [b"\x01", b"\x02"]
    packet = decode(text[1:].decode())
    assert packet == Packet(BINARY_EVENT, "/a", ["e", hole(0), {"x": hole(1)}], 5, attachments=2)
    assembly = Assembly(packet)
    assert assembly.add(b"\x01") is None
    assert assembly.add(b"\x02") == Packet(EVENT, "/a", ["e", b"\x01", {"x": b"\x02"}], 5)


def test_bytes_make_an_acknowledgement_a_binary_one() -> None:
    text, buffers = encode(Packet(ACK, "/", [b"\x01"], 7))
    assert text == b'461-7[{"_placeholder":true,"num":0}]'
    packet = decode(text[1:].decode())
    assert packet == Packet(BINARY_ACK, "/", [hole(0)], 7, attachments=1)
    assert Assembly(packet).add(buffers[0]) == Packet(ACK, "/", [b"\x01"], 7)


def test_bytes_belong_to_events_and_acknowledgements_only() -> None:
    for kind in (CONNECT, CONNECT_ERROR):
        with pytest.raises(EncodeError, match=r"^\$\.x: bytes"):
            encode(Packet(kind, data={"x": b""}))


def test_a_namespace_may_go_without_its_comma_at_the_end() -> None:
    assert decode("1/admin") == Packet(DISCONNECT, "/admin")
    assert decode("0/") == Packet(CONNECT, "/")
    assert decode('2/,["e"]') == Packet(EVENT, "/", ["e"])


def test_protocol_4_puts_a_query_behind_the_namespace() -> None:
    name = "/admin?token=1&x=" + "y" * 1000
    assert decode(f"0{name},") == Packet(CONNECT, name)


def test_an_acknowledgement_may_begin_with_anything() -> None:
    values: list[list[Any]] = [[], [None], ["connect"], [{}], [True]]
    for data in values:
        text, _ = encode(Packet(ACK, data=data, id=1))
        assert decode(text[1:].decode()).data == data


@pytest.mark.parametrize(
    "text",
    [
        *["", "7", "-1", "٢", "²", "x", " 2[]", '"2"', "\x00"],  # no type
        *["2", "2[]", "2{}", '2"e"', "2null", "22", "2[null]", "2[true]", "2[{}]", "2[[]]", "2/a"],
        *[f'2["{name}"]' for name in sorted(RESERVED_EVENTS)],
        *[f'2/a,1["{name}"]' for name in sorted(RESERVED_EVENTS)],
        *['2["e"]x', '2["e",]', '2["e",NaN]', '2["e",1e999]', '2/a,["e"', '2x["e"]', '2-1["e"]', '21-["e"]'],
        *["0[]", "0null", '0"x"', "01", "01{}", "0{", "0x", "0false"],
        *["1{}", "1null", "1[]", "11", '1/a,"x"'],
        *["3", "3[]", "31", "31{}", "31null", '31"x"', "3/a,[]"],
        *["4", "4null", "4[]", "41{}", "41", "4true"],
        *['5["e"]', '50-["e"]', '5-["e"]', '511-["e"]', '5-1-["e"]', '51.5-["e"]', '5٢-["e"]', '5²-["e"]'],
        *['51["e"]', "51-", "51-[]", '51-["connect"]', "51-[null]", '599999999999-["e"]'],
        *["60-1[]", "61-[]", "61-1{}"],
        *['2٣["e"]', '2²["e"]'],
        *['29007199254740993["e"]', '299999999999999999["e"]', '21e3["e"]', '21.5["e"]'],
        *["2/" + "a" * 256 + ',["e"]', "2/" + "é" * 128 + ',["e"]', "0/" + "a" * 256, "0/" + "€" * 90 + "?x"],
        "2" + "[" * 129 + "]" * 129,
        '2["e",' + "[" * 128 + "]" * 129,
    ],
)
def test_a_packet_that_breaks_a_rule_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(text)


def test_the_limits_are_the_callers_to_choose() -> None:
    assert decode("2/" + "a" * 255 + ',["e"]').nsp == "/" + "a" * 255
    assert decode("2/" + "é" * 127 + ',["e"]').nsp == "/" + "é" * 127
    assert decode("1/abc", namespace_bytes=4).nsp == "/abc"
    with pytest.raises(DecodeError, match="namespace"):
        decode("1/abcd", namespace_bytes=4)
    assert decode('510-["e"]').attachments == 10
    assert decode('511-["e"]', max_attachments=11).attachments == 11
    with pytest.raises(DecodeError, match="too many attachments"):
        decode('52-["e"]', max_attachments=1)
    assert decode('2["e",[1]]', depth=2).data == ["e", [1]]
    with pytest.raises(DecodeError, match="deep"):
        decode('2["e",[1]]', depth=1)


@pytest.mark.parametrize(
    "text",
    [
        "2" + "1" * 1_000_000,
        "5" + "1" * 1_000_000,
        "5" + "1" * 1_000_000 + '-["e"]',
        "2/a," + "1" * 1_000_000 + '["e"]',
        "2/" + "a" * 1_000_000,
        "0" + "0" * 1_000_000 + "{}",
        "51-" + "/" * 1_000_000 + ",",
        "٣" * 500_000,
    ],
    ids=range(8),
)
def test_a_megabyte_of_digits_or_names_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(DecodeError):
        decode(text)
    assert time.process_time() - started < 0.05  # the bound that reference advisories ask for


def test_attachments_are_bounded_together() -> None:
    packet = decode('52-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    assembly = Assembly(packet, max_bytes=10)
    assert assembly.add(b"12345") is None
    with pytest.raises(DecodeError, match="too large"):
        assembly.add(b"123456")
    packet = decode('52-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    assembly = Assembly(packet, max_bytes=10)
    assembly.add(b"12345")
    assert assembly.add(b"12345") is not None


@pytest.mark.parametrize("number", ["-1", "1", "0.5", '"0"', "true", "null", "1e9", "{}"])
def test_a_foreign_placeholder_number_is_refused(number: str) -> None:
    packet = decode('51-["e",{"_placeholder":true,"num":' + number + "}]")
    with pytest.raises(DecodeError, match="illegal attachments"):
        Assembly(packet).add(b"x")


def test_an_event_may_not_be_named_by_an_attachment() -> None:
    # The name's place holds an object before the attachments are put in, which no event's name may be.
    with pytest.raises(DecodeError):
        decode('51-[{"_placeholder":true,"num":0}]')


def test_a_placeholder_without_attachments_is_a_plain_object() -> None:
    assert decode('2["e",{"_placeholder":true,"num":0}]').data == ["e", hole(0)]


def test_an_id_is_an_integer_also_when_it_begins_with_zeros() -> None:
    assert decode('2007["e"]').id == 7
