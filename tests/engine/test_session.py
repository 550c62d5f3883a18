"""One session over a WebSocket: heartbeat, buffer, close, and what a peer may not say."""

from __future__ import annotations

import pytest
from tests.support.fakes import World, text

from flocket.options import Limits


def test_what_is_sent_within_one_turn_leaves_as_one_write_in_order() -> None:
    world = World()
    transport, ears = world.socket()
    for word in ("a", "b", "c"):
        ears.session.send(text(word))
    assert transport.sent == []
    world.clock.turn()
    assert transport.sent == [b"4a", b"4b", b"4c"]
    assert transport.writes == 1


def test_text_and_binary_messages_arrive_without_their_type() -> None:
    world = World()
    transport, ears = world.socket()
    transport.receive("4hello")
    transport.receive("4")
    transport.receive(b"\x00\x01")
    assert ears.heard == ["hello", "", b"\x00\x01"]


def test_messages_are_sent_as_each_protocol_writes_them() -> None:
    world = World(allow_eio3=True)
    for query, expected in (("EIO=4", [b"4x", b"\x01\x02"]), ("EIO=3", [b"4x", b"\x04\x01\x02"])):
        transport, ears = world.socket(f"{query}&transport=websocket")
        ears.session.send_message("x")
        ears.session.send_message(bytearray(b"\x01\x02"))
        world.clock.turn()
        assert transport.sent == expected


def test_protocol_3_hears_binary_with_and_without_base64() -> None:
    world = World(allow_eio3=True)
    transport, ears = world.socket("EIO=3&transport=websocket")
    transport.receive(b"\x04abc")
    transport.receive("b4YWJj")
    assert ears.heard == [b"abc", b"abc"]


# -- heartbeat ----------------------------------------------------------------------------------------


def test_a_ping_goes_out_after_the_interval_and_silence_ends_the_session() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0)
    transport, ears = world.socket()
    world.clock.advance(24.9)
    assert transport.sent == []
    world.clock.advance(0.2)
    assert transport.sent == [b"2"]
    world.clock.advance(19.8)
    assert ears.closed == []
    world.clock.advance(0.3)
    assert ears.closed == [("ping timeout", "")]
    assert transport.closed is not None
    assert world.engine.counters.ping_timeouts == 1
    assert world.engine.sessions == {}


def test_a_pong_lets_the_session_live_until_the_next_ping() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0)
    transport, ears = world.socket()
    for _ in range(5):
        world.clock.advance(25.1)
        assert transport.sent[-1] == b"2"
        transport.receive("3")
    assert ears.closed == []
    assert transport.sent == [b"2"] * 5


def test_any_other_packet_refreshes_the_timeout_once_per_ping() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0)
    transport, ears = world.socket()
    world.clock.advance(25.1)
    world.clock.advance(15.0)
    transport.receive("4still here")
    world.clock.advance(15.0)
    transport.receive("4and here")  # the second is no longer taken for an answer
    assert ears.closed == []
    world.clock.advance(5.1)
    assert ears.closed == [("ping timeout", "")]


def test_pongs_that_nobody_asked_for_change_nothing_and_cost_nothing() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0)
    transport, ears = world.socket()
    for _ in range(20_000):
        transport.receive("3")
    assert transport.sent == []
    assert world.clock.soon == []
    world.clock.advance(25.1)
    world.clock.advance(20.1)
    assert ears.closed == [("ping timeout", "")]


def test_a_client_of_protocol_3_pings_and_is_answered_with_its_words() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0, allow_eio3=True)
    transport, ears = world.socket("EIO=3&transport=websocket")
    world.clock.advance(40.0)
    transport.receive("2probe")
    transport.receive("2")
    world.clock.turn()
    assert transport.sent == [b"3probe", b"3"]
    world.clock.advance(44.9)
    assert ears.closed == []
    world.clock.advance(0.2)
    assert ears.closed == [("ping timeout", "")]


@pytest.mark.parametrize(("query", "frame"), [("EIO=4", "2"), ("EIO=3", "3")])
def test_a_heartbeat_in_the_wrong_direction_is_a_transport_error(query: str, frame: str) -> None:
    world = World(allow_eio3=True)
    transport, ears = world.socket(f"{query}&transport=websocket")
    transport.receive(frame)
    assert ears.closed == [("transport error", "invalid heartbeat direction")]


def test_a_process_that_slept_does_not_hold_its_peers_to_be_silent() -> None:
    world = World(ping_interval=25.0, ping_timeout=20.0)
    transport, ears = world.socket()
    world.clock.advance(20.0)
    world.clock.sleep(3600.0)
    world.clock.advance(5.0)
    assert transport.sent == [b"2"]
    assert ears.closed == []
    transport.receive("3")
    world.clock.advance(24.0)
    assert ears.closed == []


# -- what a peer may not say --------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["", "7", "x", "0{}", "é", "b4YWJj"])
def test_an_unknown_packet_ends_the_session_as_a_parse_error(frame: str) -> None:
    world = World()
    transport, ears = world.socket()
    transport.receive(frame)
    assert ears.closed[0][0] == "parse error"
    assert world.engine.counters.bad_packets == 1


@pytest.mark.parametrize("frame", [b"", b"\x00", b"\x05abc", "b4not base64!"])
def test_protocol_3_refuses_binary_that_is_no_message(frame: bytes | str) -> None:
    world = World(allow_eio3=True)
    transport, ears = world.socket("EIO=3&transport=websocket")
    transport.receive(frame)
    assert ears.closed[0][0] == "parse error"


def test_a_noop_and_a_late_upgrade_say_nothing() -> None:
    world = World()
    transport, ears = world.socket()
    transport.receive("6")
    transport.receive("5")
    assert ears.closed == []
    assert ears.heard == []


def test_a_close_packet_ends_the_session_and_nothing_behind_it_is_heard() -> None:
    world = World()
    transport, ears = world.socket()
    transport.receive("1")
    ears.session.receive("4late")
    assert ears.closed == [("transport close", "")]
    assert ears.heard == []


# -- closing ------------------------------------------------------------------------------------------


def test_close_sends_what_waits_and_is_told_once() -> None:
    world = World()
    transport, ears = world.socket()
    ears.session.send(text("last words"))
    ears.session.close()
    ears.session.close("again")
    ears.session.send(text("too late"))
    world.clock.turn()
    assert transport.sent == [b"4last words"]
    assert transport.closed == (1000, "")
    assert ears.closed == [("forced close", "")]
    transport.lose()
    assert len(ears.closed) == 1


def test_close_waits_for_a_client_that_is_slow_to_read() -> None:
    world = World()
    transport, ears = world.socket()
    transport.stall()
    ears.session.send(text("last words"))
    ears.session.close()
    world.clock.turn()
    assert ears.closed == []
    transport.drain()
    assert transport.sent == [b"4last words"]
    assert ears.closed == [("forced close", "")]
    assert transport.closed is not None


def test_close_does_not_wait_for_ever() -> None:
    world = World(Limits(poll_time=30.0))
    transport, ears = world.socket()
    transport.stall()
    ears.session.send(text("never read"))
    ears.session.close()
    world.clock.advance(30.1)
    assert ears.closed == [("forced close", "")]


def test_a_lost_connection_says_how() -> None:
    world = World()
    for reason in ("transport close", "transport error"):
        transport, ears = world.socket()
        transport.lose(reason)
        assert ears.closed == [(reason, "")]
    assert world.engine.sessions == {}


def test_a_handler_may_close_the_session_that_calls_it() -> None:
    world = World()
    transport, ears = world.socket()
    ears.on_message_do = lambda data: ears.session.close()
    transport.receive("4x")
    transport.receive("4y")
    assert ears.heard == ["x"]
    assert ears.closed == [("forced close", "")]


def test_an_ended_session_leaves_no_appointment_and_no_trace() -> None:
    world = World()
    for end in ("close", "lose"):
        transport, ears = world.socket()
        ears.session.close() if end == "close" else transport.lose()
        world.clock.turn()
    assert world.engine.sessions == {}
    assert all(not bucket for bucket in world.engine.deadlines._buckets.values())


# -- a client that does not read ----------------------------------------------------------------------


def bounded() -> World:
    return World(Limits(send_bytes=1000, send_packets=50, send_time=5.0), ping_interval=1000.0)


def test_much_in_one_turn_is_no_slowness() -> None:
    world = bounded()
    transport, ears = world.socket()
    for _ in range(500):
        ears.session.send(text("x" * 100))
    world.clock.turn()
    assert len(transport.sent) == 500
    assert ears.closed == []


def test_more_than_half_the_bound_may_wait_for_a_time_then_the_slow_client_is_closed() -> None:
    world = bounded()
    transport, ears = world.socket()
    transport.stall()
    for _ in range(7):
        ears.session.send(text("x" * 100))
    world.clock.advance(4.9)
    assert ears.closed == []
    world.clock.advance(0.3)
    assert ears.closed == [("slow consumer", "")]
    assert transport.closed == (1013, "slow consumer")
    assert world.engine.counters.slow_consumers == 1
    assert world.engine.counters.bytes_buffered_dropped > 500


def test_a_client_that_catches_up_in_time_stays_and_gets_all_in_order() -> None:
    world = bounded()
    transport, ears = world.socket()
    transport.stall()
    words = [f"{number:0100}" for number in range(7)]
    for word in words:
        ears.session.send(text(word))
    world.clock.advance(4.0)
    transport.drain()
    transport.stall()
    for word in words:  # over half the bound once more: a new time runs
        ears.session.send(text(word))
    world.clock.advance(4.0)
    assert ears.closed == []
    transport.drain()
    world.clock.advance(10.0)
    assert ears.closed == []
    assert transport.sent == [b"4" + word.encode() for word in words * 2]


def test_above_the_bound_it_is_closed_at_once_and_its_memory_freed() -> None:
    world = bounded()
    transport, ears = world.socket()
    transport.stall()
    for _ in range(200):
        ears.session.send(text("x" * 100))
    assert ears.session.buffered < 1200 + transport.unread
    assert ears.closed == [], "not within the call that sends: it may be amid the members of a room"
    world.clock.turn()
    assert ears.closed == [("slow consumer", "")]


def test_many_small_packets_are_bounded_too() -> None:
    world = bounded()
    transport, ears = world.socket()
    transport.stall()
    for _ in range(51):
        ears.session.send(text(""))
    world.clock.turn()
    assert ears.closed == [("slow consumer", "")]


def test_writable_and_buffered_tell_of_the_wait() -> None:
    world = World()
    transport, ears = world.socket()
    assert ears.session.writable
    assert ears.session.buffered == 0
    transport.stall()
    ears.session.send(text("abc"))
    assert not ears.session.writable
    assert ears.session.buffered == transport.unread + 6
    ears.session.drop("forced close")
    assert not ears.session.writable


def test_when_drained_is_called_once_all_has_left_or_the_session_has_ended() -> None:
    world = World()
    transport, ears = world.socket()
    calls: list[str] = []
    ears.session.when_drained(lambda: calls.append("free"))
    world.clock.turn()
    assert calls == ["free"]
    transport.stall()
    ears.session.send(text("x"))
    ears.session.when_drained(lambda: calls.append("drained"))
    ears.session.when_drained(lambda: calls.append("both"))
    world.clock.turn()
    assert calls == ["free"]
    transport.drain()
    assert calls == ["free", "drained", "both"]
    transport.stall()
    ears.session.send(text("x"))
    ears.session.when_drained(lambda: calls.append("ended"))
    transport.lose()
    assert calls[-1] == "ended"
    ears.session.when_drained(lambda: calls.append("after"))
    world.clock.turn()
    assert calls[-1] == "after"


@pytest.mark.parametrize(("query", "expected"), [("EIO=4", b"bAQI="), ("EIO=3", b"b4AQI=")])
def test_a_client_that_takes_no_binary_frames_gets_base64(query: str, expected: bytes) -> None:
    world = World(allow_eio3=True)
    transport, ears = world.socket(f"{query}&transport=websocket&b64=1")
    ears.session.send_message("x")
    ears.session.send_message(b"\x01\x02")
    world.clock.turn()
    assert transport.sent == [b"4x", expected]
    transport.receive(expected.decode())
    assert ears.heard == [b"\x01\x02"]
    transport.receive("b4!" if query == "EIO=3" else "b!")
    assert [reason for reason, _ in ears.closed] == ["parse error"]


def test_after_its_upgrade_too() -> None:
    world = World()
    ears = world.poller()
    transport = world.probe(f"{ears.session.id}&b64=1")
    transport.receive("2probe")
    transport.receive("5")
    ears.session.send_message(b"\x01\x02")
    world.clock.turn()
    assert transport.sent[-1] == b"bAQI="


def test_a_lone_surrogate_is_sent_as_javascript_would() -> None:
    world = World()
    transport, ears = world.socket()
    ears.session.send_message("a\ud800b")
    world.clock.turn()
    assert transport.sent == ["4a\ufffdb".encode()]
