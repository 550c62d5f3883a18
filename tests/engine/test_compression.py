from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flocket.engine.compression import accepted_encoding, compress


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("deflate, gzip", "deflate"),
        ("br, gzip;q=0.8, deflate;q=0.9", "deflate"),
        ("br", None),
        ("*", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("gzip;q=0, deflate;q=0, *", None),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=many", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("gzip, deflate, identity", "gzip"),
        ("gzip;q=1.0, deflate;q=0.6, identity;q=0.3", "gzip"),
        ("gzip; q=0.5", "gzip"),
    ],
)
def test_the_clients_preference_decides(accept: str | None, encoding: str | None) -> None:
    assert accepted_encoding(accept) == encoding


@given(st.text())
def test_any_header_may_be_read(accept: str) -> None:
    assert accepted_encoding(accept) in (None, "gzip", "deflate")


@given(st.binary())
def test_a_body_comes_back_whole(body: bytes) -> None:
    assert gzip.decompress(compress(body, "gzip")) == body
    assert zlib.decompress(compress(body, "deflate")) == body
