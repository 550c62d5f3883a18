from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flocket.cluster.route import HEAD_LIMIT, Kind, Verdict, _values, peek
from flocket.engine.request import parse_query
from flocket.engine.sid import tag_of

SID = "tag4" + "0123456789abcdef"


def ours(path: str) -> bool:
    return path == "/socket.io" or path.startswith("/socket.io/")


def head(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("target", "kind", "tag"),
    [
        ("/socket.io/?EIO=4&transport=polling", Kind.NEW, None),
        (f"/socket.io/?EIO=4&transport=polling&sid={SID}", Kind.OWNED, "tag4"),
        (f"/socket.io/?sid={SID}&EIO=4", Kind.OWNED, "tag4"),
        (f"/socket.io?sid={SID}", Kind.OWNED, "tag4"),
        (f"/socket%2eio/?s%69d=%74ag4{SID[4:]}", Kind.OWNED, "tag4"),
        (f"http://example.com:80/socket.io/?sid={SID}", Kind.OWNED, "tag4"),
        (f"/socket.io/?x#?sid={SID}", Kind.NEW, None),
        (f"/socket.io/?xsid={SID}&sidx={SID}", Kind.NEW, None),
        (f"/socket.io/?a=&sid={SID}", Kind.OWNED, "tag4"),
        (f"/socket.io/?a=?sid={SID}", Kind.NEW, None),
        ("/socket.io/?sid=", Kind.UNKNOWN, None),
        ("/socket.io/?sid", Kind.UNKNOWN, None),
        ("/socket.io/?sid=__proto__", Kind.UNKNOWN, None),
        (f"/socket.io/?sid={SID}&sid={SID}", Kind.UNKNOWN, None),
        (f"/socket.io/?sid={SID}x", Kind.UNKNOWN, None),
        (f"/socket.io/?sid={SID[:-1]}%C3%A9", Kind.UNKNOWN, None),
        (f"/chat?sid={SID}", Kind.OTHER, None),
        (f"/socket.iox/?sid={SID}", Kind.OTHER, None),
        ("*", Kind.OTHER, None),
    ],
)
def test_the_owner_is_read_from_the_query_of_our_paths(target: str, kind: Kind, tag: str | None) -> None:
    assert peek(head(target), ours) == Verdict(kind, tag)


def test_a_sid_outside_of_the_query_does_not_count() -> None:
    rubbish = f"Cookie: io={SID}; sid={SID}", f"Referer: http://x/socket.io/?sid={SID}"
    assert peek(head("/socket.io/", *rubbish) + f"sid={SID}".encode(), ours).kind is Kind.NEW


def test_a_proxys_header_is_noticed() -> None:
    assert peek(head("/socket.io/", "X-Forwarded-For: 1.2.3.4")).proxied
    assert peek(b"GET / HTTP/1.1\r\nX-FORWARDED-FOR: a\r\n\r\n").proxied
    assert not peek(head("/socket.io/?x-forwarded-for:", "A: x-forwarded-for:")).proxied


@pytest.mark.parametrize(
    "text", [b"\x16\x03\x01\x02\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"GET /\r\n\r\n", b"x\n\n"]
)
def test_what_is_no_request_is_left_to_the_workers_parser(text: bytes) -> None:
    assert peek(text, ours).kind is Kind.OTHER


def test_cut_at_every_byte_it_is_incomplete_until_it_is_whole_and_what_follows_changes_nothing() -> None:
    whole = b"\r\n" + head(f"/socket.io/?sid={SID}", "Cookie: " + "x" * 500)
    for cut in range(len(whole)):
        assert peek(whole[:cut], ours).kind is Kind.INCOMPLETE
    for rubbish in (b"", b"\0" * 100, head("/other"), b"x" * 100_000):
        assert peek(whole + rubbish, ours) == Verdict(Kind.OWNED, "tag4")


def test_a_head_of_more_than_16_kb_is_too_large() -> None:
    frame = len(head("/socket.io/", "A: "))
    assert peek(head("/socket.io/", "A: " + "x" * (HEAD_LIMIT - frame))).kind is Kind.NEW
    assert peek(head("/socket.io/", "A: " + "x" * (HEAD_LIMIT - frame + 1))).kind is Kind.TOO_LARGE
    assert peek(b"x" * (HEAD_LIMIT - 1)).kind is Kind.INCOMPLETE
    assert peek(b"x" * HEAD_LIMIT).kind is Kind.TOO_LARGE


@pytest.mark.parametrize("piece", [b"a&", b"sid&", b"%", b"\r\n", b"? ", b"&", b"://", b"a:\r\n", b"\n\r"])
def test_hostile_heads_cost_linear_time(piece: bytes) -> None:
    text = b"GET /?" + (piece * HEAD_LIMIT)[: HEAD_LIMIT - 40] + b" HTTP/1.1\r\n\r\n"
    begun = time.process_time()
    for _ in range(5):
        peek(text)
    assert time.process_time() - begun < 0.25


@given(st.binary(max_size=400))
@example(b"\r\n")
def test_any_bytes_are_judged(data: bytes) -> None:
    verdict = peek(data, ours)
    assert (verdict.kind is Kind.OWNED) == (verdict.tag is not None)


PIECES = ["sid=", "sid", "&", "=", "%73", "+", "a", "é", "%", SID, "#", "?"]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_it_reads_a_query_as_the_engine_does(pieces: list[str]) -> None:
    query = "".join(pieces)
    values = _values(query, "sid")
    assert parse_query(query).get("sid") == (",".join(values) if values else None)
    if "#" not in query and "é" not in query:
        verdict = peek(head(f"/socket.io/?{query}"), ours)
        assert verdict.tag == tag_of(parse_query(query).get("sid", ""))
