"""The polling transport by its requests: a GET that waits, a POST that delivers, and what may not be asked."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from tests.support.fakes import World, text

from flocket.codec.frames import Frame
from flocket.engine.polling import A_TURN
from flocket.options import Limits

PLAIN = "text/plain; charset=UTF-8"


def test_a_poll_waits_for_a_message_and_takes_all_of_the_turn() -> None:
    world = World()
    ears = world.poller()
    poll = world.poll(ears.session.id)
    assert poll.waiting
    ears.session.send(text("a"))
    ears.session.send(text("b"))
    world.clock.turn()
    assert poll.result.body == b"4a\x1e4b"
    assert poll.result.headers["content-type"] == PLAIN
    assert poll.result.headers["cache-control"] == "no-store"


def test_what_is_sent_between_two_polls_comes_with_the_next_in_order() -> None:
    world = World()
    ears = world.poller()
    for word in ("a", "b"):
        ears.session.send(text(word))
        world.clock.turn()
    poll = world.poll(ears.session.id)
    assert poll.result.body == b"4a\x1e4b"
    assert world.poll(ears.session.id).waiting


def test_binary_travels_as_base64() -> None:
    world = World()
    ears = world.poller()
    ears.session.send(Frame.of(b"\x01\x02\x03", True))
    assert world.poll(ears.session.id).result.body == b"bAQID"
    assert world.post(ears.session.id, b"4x\x1ebAQID").result.body == b"ok"
    assert ears.heard == ["x", b"\x01\x02\x03"]


def test_a_post_delivers_in_order_and_is_answered_ok() -> None:
    world = World()
    ears = world.poller()
    answer = world.post(ears.session.id, b"4a\x1e4b\x1e4c").result
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers["content-type"] == "text/html"
    assert ears.heard == ["a", "b", "c"]


def test_a_second_poll_is_refused_and_ends_the_session() -> None:
    world = World()
    ears = world.poller()
    first = world.poll(ears.session.id)
    second = world.poll(ears.session.id)
    assert (second.result.status, second.result.body) == (400, b"")
    assert first.result.body == b"1"
    assert ears.closed == [("transport error", "overlap from client")]


def test_a_second_post_is_refused_and_ends_the_session() -> None:
    world = World()
    ears = world.poller()
    first = world.post(ears.session.id, None)
    second = world.post(ears.session.id, b"4x")
    assert second.result.status == 400
    assert first.result.status == 400
    assert ears.closed == [("transport error", "data request overlap from client")]
    first.send_body(b"4late")  # a face may have it on its way already
    assert ears.heard == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
def test_another_method_with_a_sid_is_answered_500_and_harms_nobody(method: str) -> None:
    world = World()
    ears = world.poller()
    assert world.poll(ears.session.id, method=method).result.status == 500
    assert ears.closed == []


def test_a_poll_whose_client_leaves_ends_the_session() -> None:
    world = World()
    ears = world.poller()
    world.poll(ears.session.id).vanish()
    assert ears.closed == [("transport error", "poll connection closed prematurely")]


def test_a_post_whose_client_leaves_ends_the_session() -> None:
    world = World()
    ears = world.poller()
    world.post(ears.session.id, None).vanish()
    assert ears.closed == [("transport error", "data request connection closed prematurely")]


def test_a_body_over_max_payload_is_413_and_the_session_lives() -> None:
    world = World(max_payload=10)
    ears = world.poller()
    answer = world.post(ears.session.id, b"4" + b"x" * 10).result
    assert (answer.status, answer.body, answer.close) == (413, b"", True)
    assert world.engine.counters.http_errors == 1
    assert ears.closed == []
    assert world.post(ears.session.id, b"4" + b"x" * 9).result.status == 200


@pytest.mark.parametrize("body", [b"", b"\x1e", b"9", b"bnot base64", b"4\xff", b"4a\x1e"])
def test_rubbish_is_400_and_a_parse_error(body: bytes) -> None:
    world = World()
    ears = world.poller()
    assert world.post(ears.session.id, body).result.status == 400
    assert ears.closed[0][0] == "parse error"
    assert world.engine.counters.bad_packets == 1


def test_a_megabyte_of_separators_stops_at_the_first() -> None:
    world = World()
    ears = world.poller()
    assert world.post(ears.session.id, b"\x1e" * 1_000_000).result.status == 400


def test_octet_stream_in_protocol_4_is_refused_whole() -> None:
    world = World()
    ears = world.poller()
    post = world.post(ears.session.id, b"", headers=[("Content-Type", "application/octet-stream")])
    assert (post.result.status, post.result.close) == (400, True)
    assert ears.closed[0][0] == "transport error"


def test_a_payload_holds_no_more_packets_than_its_limit() -> None:
    world = World(Limits(packets_per_payload=3))
    ears = world.poller()
    assert world.post(ears.session.id, b"\x1e".join([b"4"] * 3)).result.status == 200
    assert world.post(ears.session.id, b"\x1e".join([b"4"] * 4)).result.status == 400
    assert ears.closed[0][0] == "parse error"


def test_a_long_body_gives_others_a_turn_and_stays_in_order() -> None:
    world = World()
    ears = world.poller()
    words = [str(number) for number in range(2 * A_TURN + 10)]
    heard_in_turns: list[int] = []
    exchange = world.post(ears.session.id, None)
    exchange.send_body("\x1e".join("4" + word for word in words).encode())
    while exchange.answer is None:
        heard_in_turns.append(len(ears.heard))
        soon, world.clock.soon = world.clock.soon, []
        for callback in soon:
            callback()
    assert heard_in_turns == [A_TURN, 2 * A_TURN]
    assert ears.heard == words
    assert exchange.result.body == b"ok"


def test_a_body_on_its_way_is_an_overlap_for_the_next() -> None:
    world = World()
    ears = world.poller()
    exchange = world.post(ears.session.id, None)
    exchange.send_body(b"\x1e".join([b"4x"] * (A_TURN + 1)))
    assert exchange.waiting
    assert world.post(ears.session.id, b"4y").result.status == 400
    world.clock.turn()
    assert exchange.result.body == b"ok"
    assert len(ears.heard) == A_TURN


def test_a_close_packet_is_answered_and_ends_the_poll_too() -> None:
    world = World()
    ears = world.poller()
    poll = world.poll(ears.session.id)
    assert world.post(ears.session.id, b"4bye\x1e1\x1e4late").result.body == b"ok"
    assert poll.answer is not None
    assert ears.heard == ["bye"]
    assert ears.closed == [("transport close", "")]


def test_close_is_told_to_the_poll_that_waits() -> None:
    world = World()
    ears = world.poller()
    poll = world.poll(ears.session.id)
    ears.session.close()
    assert poll.result.body == b"1"
    assert ears.closed == [("forced close", "")]


@pytest.mark.parametrize("polls", [True, False])
def test_close_is_told_behind_the_last_words_in_a_poll_of_its_own(polls: bool) -> None:
    # Node's client hears a close packet before the messages that came in one body with it.
    world = World()
    ears = world.poller()
    poll = world.poll(ears.session.id) if polls else None
    ears.session.send(text("last words"))
    ears.session.close()
    if poll is None:
        poll = world.poll(ears.session.id)
    assert poll.result.body == b"4last words"
    assert ears.closed == []
    assert world.poll(ears.session.id).result.body == b"1"
    assert ears.closed == [("forced close", "")]


def test_whoever_waits_for_room_when_a_poller_is_closed_is_told() -> None:
    world = World()
    ears = world.poller()
    told: list[str] = []
    ears.session.when_drained(lambda: told.append("over"))
    ears.session.close()
    assert world.poll(ears.session.id).result.body == b"1"
    assert told == ["over"]


def test_a_client_that_closes_too_is_not_waited_for() -> None:
    world = World()
    ears = world.poller()
    poll = world.poll(ears.session.id)
    ears.session.send(text("last words"))
    ears.session.close()
    assert poll.result.body == b"4last words"
    assert world.post(ears.session.id, b"4too late\x1e1").result.body == b"ok"
    assert ears.heard == []
    assert ears.closed == [("forced close", "")]
    assert world.engine.sessions == {}


def test_close_waits_for_the_next_poll_but_not_for_ever() -> None:
    world = World(Limits(poll_time=30.0))
    ears = world.poller()
    ears.session.send(text("last words"))
    ears.session.close()
    assert ears.closed == []
    assert world.poll(ears.session.id).result.body == b"4last words"
    world.clock.advance(30.1)
    assert ears.closed == [("forced close", "")]
    ears = world.poller()
    ears.session.close()
    world.clock.advance(30.1)
    assert ears.closed == [("forced close", "")]
    assert world.poll(ears.session.id).result.status == 400


def test_a_ping_comes_with_a_poll_and_its_pong_by_a_post() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0)
    ears = world.poller()
    for _ in range(3):
        poll = world.poll(ears.session.id)
        world.clock.advance(25.1)
        assert poll.result.body == b"2"
        world.post(ears.session.id, b"3")
    assert ears.closed == []
    world.clock.advance(25.1)
    world.clock.advance(20.1)
    assert ears.closed == [("ping timeout", "")]


def test_an_answered_poll_is_drained_though_the_next_is_not_there() -> None:
    world = World()
    ears = world.poller()
    calls: list[str] = []
    ears.session.send(text("x" * 100_000))
    ears.session.when_drained(lambda: calls.append("drained"))
    world.clock.turn()
    assert calls == []
    world.poll(ears.session.id)
    assert calls == ["drained"]


# -- compression --------------------------------------------------------------------------------------


def compressed(accept: str, size: int = 2000, compress: bool = True, **options: Any) -> tuple[str | None, bytes]:
    world = World(**options)
    ears = world.poller()
    ears.session.send(Frame.of(b"4" + b"x" * size, compress=compress))
    answer = world.poll(ears.session.id, headers=[("Accept-Encoding", accept)]).result
    return answer.headers.get("content-encoding"), answer.body


def test_a_long_body_is_compressed_as_the_client_accepts() -> None:
    encoding, body = compressed("gzip, deflate")
    assert encoding == "gzip"
    assert gzip.decompress(body) == b"4" + b"x" * 2000
    encoding, body = compressed("deflate")
    assert encoding == "deflate"
    assert zlib.decompress(body) == b"4" + b"x" * 2000


def test_it_is_not_where_short_or_unwanted_or_switched_off() -> None:
    assert compressed("gzip", size=1000)[0] is None
    assert compressed("br")[0] is None
    assert compressed("gzip", compress=False)[0] is None
    assert compressed("gzip", http_compression=False)[0] is None


# -- JSONP and protocol 3 -----------------------------------------------------------------------------


def test_jsonp_is_the_same_body_in_a_script() -> None:
    world = World()
    answer = world.get("EIO=4&transport=polling&j=7").result
    assert answer.headers["content-type"] == "text/javascript; charset=UTF-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.body.startswith(b'___eio[7]("0{')
    sid = world.engine.sessions.copy().popitem()[0]
    world.ears[sid].session.send(text("</script>\u2028"))
    body = world.poll(sid, "EIO=4&transport=polling&j=8").result.body
    assert body == b'___eio[8]("4\\u003c/script>\\u2028");'
    query = "EIO=4&transport=polling&j=9"
    assert world.post(sid, b"d=4a%1e4b", query).result.body == b"ok"
    assert world.ears[sid].heard == ["a", "b"]


def test_jsonp_may_be_switched_off() -> None:
    world = World(jsonp=False)
    answer = world.get("EIO=4&transport=polling&j=7").result
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == 3
    assert world.get().result.status == 200


def test_protocol_3_has_payloads_of_its_own() -> None:
    world = World(allow_eio3=True)
    query = "EIO=3&transport=polling"
    answer = world.get(query).result
    assert answer.body.split(b":", 1)[1].startswith(b'0{"sid"')
    sid = world.engine.sessions.copy().popitem()[0]
    ears = world.ears[sid]
    assert world.post(sid, "2:4é3:4ab".encode(), query).result.body == b"ok"
    assert ears.heard == ["é", "ab"]
    ears.session.send_message(b"\x01\x02")
    answer = world.poll(sid, query).result
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.body == b"\x01\x03\xff\x04\x01\x02"
    ears.session.send_message(b"\x01\x02")
    answer = world.poll(sid, query + "&b64=1").result
    assert answer.headers["content-type"] == PLAIN
    assert answer.body == b"6:b4AQI="
    octets = [("Content-Type", "application/octet-stream")]
    assert world.post(sid, b"\x01\x03\xff\x04\x07\x08", query, headers=octets).result.status == 200
    assert ears.heard[-1] == b"\x07\x08"
