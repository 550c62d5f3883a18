"""Frames through the payloads of both Engine.IO protocols, and through JSONP."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import quick, quicker, whole

from flocket.codec import engineio, engineio3, jsonp, payload
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame

Packets = list[tuple[str, str | bytes]]

lines = whole.filter(lambda text: "\x1e" not in text)  # which is the separator of protocol 4
contents = st.lists(
    st.tuples(st.sampled_from("0123456"), lines) | st.tuples(st.just("4"), st.binary(max_size=20)),
    min_size=1,
    max_size=8,
)


def frames(packets: Packets, make: Callable[[bytes], Frame]) -> list[Frame]:
    return [make(data) if isinstance(data, bytes) else engineio.packet(kind, data) for kind, data in packets]


@quicker
@given(contents)
def test_a_payload_comes_back_as_itself(packets: Packets) -> None:
    body = payload.encode_payload(frames(packets, engineio.message))
    assert list(payload.decode_payload(body, len(packets))) == packets
    for end in range(len(body)):
        with contextlib.suppress(DecodeError):
            list(payload.decode_payload(body[:end], 100))


@quicker
@given(contents, st.booleans())
def test_a_payload_of_protocol_3_comes_back_as_itself(packets: Packets, takes: bool) -> None:
    body, binary = engineio3.encode_payload(frames(packets, engineio3.message), takes)
    assert binary == (takes and any(isinstance(data, bytes) for _, data in packets))
    assert engineio3.decode_payload(body, binary, len(packets)) == packets
    for end in range(len(body)):
        with contextlib.suppress(DecodeError):
            engineio3.decode_payload(body[:end], binary, 100)


@quick
@given(st.binary(max_size=60) | st.text("012345:b\x1e/é=", max_size=40).map(str.encode), st.booleans())
def test_rubbish_raises_only_decode_error(body: bytes, binary: bool) -> None:
    for read in (
        lambda: list(payload.decode_payload(body, 10)),
        lambda: engineio3.decode_payload(body, binary, 10),
        lambda: engineio3.decode(body),
        lambda: jsonp.unwrap(body),
        lambda: jsonp.unwrap(b"d=" + body),
    ):
        with contextlib.suppress(DecodeError):
            read()


@quick
@given(st.text("4\\n\nx+&=%é", max_size=20).filter(lambda text: "\\\n" not in text))
def test_a_body_comes_back_out_of_a_form(body: str) -> None:
    posted = body.replace("\\n", "\\\n").replace("\n", "\\n")
    assert jsonp.unwrap(urlencode({"d": posted}).encode()) == body.encode()
