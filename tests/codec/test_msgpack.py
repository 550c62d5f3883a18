"""The vectors are what notepack.io 3 writes (or reads, where a comment says so); a packet's dates are notepack 2's."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
import uuid
from collections import namedtuple
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from flocket.codec.errors import DecodeError
from flocket.codec.msgpack import decode, encode, pack, unpack
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import EncodeError

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType

NOON = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
VECTORS: list[tuple[Any, str]] = [
    # A broadcast as the classic Redis adapter publishes it.
    (
        [
            "abc123",
            {"type": 2, "data": ["hello", 1, {"a": None}, b"\x01\x02\x03"], "nsp": "/"},
            {"rooms": ["r1"], "except": [], "flags": {}},
        ],
        "93a661626331323383a47479706502a46461746194a568656c6c6f0181a161c0c403010203a36e7370a12f"
        "83a5726f6f6d7391a27231a665786365707490a5666c61677380",
    ),
    ([{"b": 1}, [None, None]], "9281a1620192c0c0"),
    (NOON, "d6ff6553f100"),
    (NOON + timedelta(milliseconds=123), "d7ff1d5353006553f100"),
    (datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), "c70cff3b8b87c0ffffffffffffffff"),
    (datetime(1970, 1, 1, tzinfo=UTC), "d6ff00000000"),
    (datetime(2514, 5, 30, 1, 53, 4, tzinfo=UTC), "c70cff000000000000000400000000"),
    (
        [1.5, 2**32, -1, -33, -32769, 2**31],
        "96cb3ff8000000000000cf0000000100000000ffd0dfd2ffff7fffce80000000",
    ),
    ([2**53 - 1, -(2**53) + 1, -(2**31) - 1], "93cf001fffffffffffffd3ffe0000000000001d3ffffffff7fffffff"),
    (0.1, "cb3fb999999999999a"),
    ("é" * 20, "d928" + "c3a9" * 20),
    ("x" * 300, "da012c" + "78" * 300),
    (
        {"type": 9, "requestId": "req1", "packet": ["ok"]},
        "83a47479706509a9726571756573744964a472657131a67061636b657491a26f6b",
    ),
]


@pytest.mark.parametrize(("value", "packed"), VECTORS)
def test_values_are_written_and_read_as_notepack_does(value: Any, packed: str) -> None:
    assert pack(value).hex() == packed
    assert unpack(bytes.fromhex(packed)) == value
    assert unpack(memoryview(bytes.fromhex(packed))) == value


PACKETS: list[tuple[Packet, str]] = [
    (Packet(CONNECT, "/", {"sid": "x"}), "83a47479706500a46461746181a3736964a178a36e7370a12f"),
    (Packet(DISCONNECT, "/"), "82a47479706501a36e7370a12f"),
    (
        Packet(EVENT, "/a", ["e", datetime(2024, 1, 2, 3, 4, 5, 678_000, UTC)], 3),
        "84a47479706502a46461746192a165d7000000018cc820db2ea2696403a36e7370a22f61",
    ),
]


@pytest.mark.parametrize(("packet", "packed"), PACKETS)
def test_packets_are_written_and_read_as_the_reference_does(packet: Packet, packed: str) -> None:
    assert encode(packet) == (b"", [bytes.fromhex(packed)])
    assert decode(bytes.fromhex(packed)) == packet


def test_bytes_stay_within_their_packet() -> None:
    packet = Packet(ACK, "/", [b"x", {"y": b""}], 0)
    _, [message] = encode(packet)
    assert decode(message) == packet


def test_keys_that_nobody_knows_are_passed_over() -> None:
    # The JavaScript client adds `options`.
    data = pack({"type": 2, "data": ["e"], "options": {"compress": True}, "nsp": "/"})
    assert decode(data) == Packet(EVENT, "/", ["e"])


@dataclasses.dataclass
class Point:
    x: int
    _secret: int = 7


class Renamed(msgspec.Struct, rename="camel"):
    first_name: str


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Point(1), {"x": 1}),
        (Renamed("ada"), {"firstName": "ada"}),
        (Pair(1, (2,)), [1, [2]]),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({1: {2: 3}}, {"1": {"2": 3}}),
        (2**60, 2**60),
        (2**63, 2**63),
        (2**70, 2.0**70),
        (-(2**70), -(2.0**70)),
        ("\ud800x", "�x"),
        ({"\udc00": "😀"}, {"�": "😀"}),
        ([bytearray(b"a"), memoryview(b"b")], [b"a", b"b"]),
        ([None, 1.5, "\xcb\x7f\xf8"], [None, 1.5, "\xcb\x7f\xf8"]),
        (b"\xcb\x7f\xf8\x00", b"\xcb\x7f\xf8\x00"),
        (NOON.astimezone(timezone(timedelta(hours=3))), NOON),
    ],
)
def test_values_arrive_as_the_same_that_json_would_bring(value: Any, read: Any) -> None:
    assert unpack(pack(value)) == read
    assert unpack(pack(["x", value])) == ["x", read]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a", {"when": math.nan}], "$[1].when: NaN"),
        ([math.inf], "$[0]: infinity"),
        ([2**53 + 1], "$[0]: the integer"),
        ([datetime(2024, 1, 1)], "$[0]: a datetime without a timezone"),
        ([NOON.date()], "$[0]: an object of type date"),
        ({"x": {1}}, "$.x: an object of type set"),
        ([Decimal(1)], "$[0]: an object of type Decimal"),
        ([{None: 1}], "$[0][None]: a key of type NoneType"),
        ([object()], "$[0]: an object of type object"),
        ([timedelta(1)], "$[0]: an object of type timedelta"),
    ],
)
def test_what_cannot_be_sent_is_named_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        pack(value)
    assert str(caught.value).startswith(message)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(EncodeError):
        pack(loop)


def test_what_older_encoders_wrote_is_read() -> None:
    assert unpack(bytes.fromhex("d40000")) is None  # notepack 2: undefined
    assert unpack(bytes.fromhex("d700000001")[:2] + (1704164645678).to_bytes(8, "big")) == datetime(
        2024, 1, 2, 3, 4, 5, 678_000, UTC
    )  # notepack 2: a date
    assert unpack(bytes.fromhex("c70300070707")) == b"\7\7\7"  # notepack 2: an ArrayBuffer
    assert unpack(bytes.fromhex("d505aabb")) == [5, b"\xaa\xbb"]  # as notepack reads what it does not know
    assert unpack(bytes.fromhex("ca3fc00000")) == 1.5


@pytest.mark.parametrize(
    "data",
    [
        *["", "c1", "a1", "a1ff", "c0c0", "d4", "d400", "92c0", "818001", "81"],
        *["ddffffffff", "dfffffffff", "c6ffffffff", "c9ffffffff00"],
        *["d7ffffffffffffffffff", "c70cff00000000" + "7f" * 8, "d700" + "7f" * 8, "d700" + "80" * 8],
        *["91" * 129 + "c0", "91" * 5000, "81a161" * 129 + "c0", "81a161" * 5000],
    ],
)  # fmt: skip
def test_rubbish_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        unpack(bytes.fromhex(data))


def test_depth_counts_containers_and_not_bytes() -> None:
    values: list[Any] = [[b"\x91" * 1000], [[[]]] * 500, "é" * 500, [*range(-500, 500)], {"a": [{}] * 200}]
    for value in values:
        assert unpack(pack(value), 3) == value
    assert unpack(bytes.fromhex("91" * 128 + "c0"))
    assert unpack(bytes.fromhex("9191c0"), 2) == [[None]]
    with pytest.raises(DecodeError, match="deep"):
        unpack(bytes.fromhex("919191c0"), 2)


def event(**fields: Any) -> dict[str, Any]:
    return {"type": 2, "nsp": "/", "data": ["e"], **fields}


TYPES: list[Any] = [-1, 5, 6, 7, 1.0, 2.5, "2", None, True, []]
NAMESPACES: list[Any] = [None, 1, b"/", "/" * 257, "é" * 129]
EVENTS: list[Any] = [None, [], {}, "e", ["connect"], [None], [True], [["e"]]]
IDS: list[Any] = [-1, 1.5, "1", True, 2**53 + 2, []]
BROKEN: list[Any] = [
    *[[], None, 1, "x", {}],
    *[event(type=kind) for kind in TYPES],
    *[event(nsp=nsp) for nsp in NAMESPACES],
    *[event(data=data) for data in EVENTS],
    *[event(id=id) for id in IDS],
    *[event(type=3, id=1, data=data) for data in EVENTS[:1] + EVENTS[2:4]],
    event(type=3, data=[]),
    *[event(type=0, data=data) for data in EVENTS[1:2] + EVENTS[3:]],
    *[event(type=1, data=data) for data in EVENTS[1:]],
    *[event(type=4, data=data) for data in EVENTS[:2] + EVENTS[4:]],
]


@pytest.mark.parametrize("packet", BROKEN)
def test_a_packet_that_breaks_a_rule_is_refused(packet: Any) -> None:
    with pytest.raises(DecodeError):
        decode(pack(packet))


@pytest.mark.parametrize("name", [float("inf"), -float("inf"), float("nan")])
def test_what_is_no_number_names_no_event(name: float) -> None:
    with pytest.raises(DecodeError, match="event name"):
        decode(msgspec.msgpack.encode({"type": 2, "nsp": "/", "data": [name]}))


@pytest.mark.parametrize(
    ("date", "milliseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "0000000000000000"),
        (datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC), "0000018bcfe5687b"),
        (datetime(1969, 12, 31, 23, 59, 59, 995_000, tzinfo=UTC), "fffffffffffffffb"),
        (datetime(2023, 11, 14, 23, 13, 20, 123_000, tzinfo=timezone(timedelta(hours=1))), "0000018bcfe5687b"),
    ],
)
def test_a_date_in_a_packet_is_written_as_the_clients_parser_reads_it(date: datetime, milliseconds: str) -> None:
    """socket.io-msgpack-parser 3 depends on notepack.io 2.2, which takes a timestamp for `[-1, bytes]`."""
    for data in (["e", date, b"x"], ["e", {"a": [date]}]):
        _, (message,) = encode(Packet(EVENT, "/", data))
        assert bytes.fromhex("d700" + milliseconds) in message
        assert decode(message).data[0] == "e"
    with pytest.raises(EncodeError, match="without a timezone"):
        encode(Packet(EVENT, "/", ["e", datetime(2024, 1, 1)]))


def test_text_is_no_packet() -> None:
    with pytest.raises(DecodeError, match="text"):
        decode('2["e"]')


@pytest.mark.parametrize(
    "data",
    [
        b"\x90" * 1_000_000,
        b"\xdd\x00\x0f\x00\x00" + b"\x90" * 0xF0000,
        b"\xdd\x00\x0f\x00\x00" + b"\xc0" * 0xF0000,
        b"\x91" * 1_000_000,
        b"\xc6\x00\x0f\x00\x00" + b"\x91" * 0xF0000,
    ],
    ids=range(5),
)
def test_a_megabyte_of_anything_is_read_in_linear_time(data: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(DecodeError):
        unpack(data)
    assert time.process_time() - started < 3.0  # measured: 0.4 at most; a quadratic way would take minutes
