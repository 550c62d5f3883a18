"""The upgrade from polling to a WebSocket: when the session moves, and all that may happen before."""

from __future__ import annotations

import pytest
from tests.support.fakes import World, text


def test_the_session_moves_with_the_upgrade_packet_and_not_before() -> None:
    world = World()
    ears = world.poller()
    sid = ears.session.id
    transport = world.probe(sid)
    assert transport.sent == [b"3probe"]
    poll = world.poll(sid)
    ears.session.send(text("by polling"))
    world.clock.turn()
    assert poll.result.body == b"4by polling"
    ears.session.send(text("waits"))
    transport.receive("5")
    ears.session.send(text("by websocket"))
    world.clock.turn()
    assert transport.sent == [b"3probe", b"4waits", b"4by websocket"]
    transport.receive("4hello")
    assert ears.heard == ["hello"]
    assert ears.session.transport_name == "websocket"
    assert world.engine.counters.upgrades == 1
    assert ears.closed == []


def test_a_poll_that_waits_is_ended_every_tenth_of_a_second_until_the_client_stops_polling() -> None:
    world = World()
    ears = world.poller()
    poll = world.poll(ears.session.id)
    transport = world.probe(ears.session.id)
    assert poll.waiting
    for _ in range(3):
        world.clock.advance(0.13)
        assert poll.result.body == b"6"
        poll = world.poll(ears.session.id)
    transport.receive("5")
    assert poll.result.body == b"6", "released, or the client would poll for ever"
    world.clock.advance(1)
    assert world.poll(ears.session.id).result.status == 400


def test_what_the_client_posts_before_it_moves_comes_before_what_it_says_after() -> None:
    world = World()
    ears = world.poller()
    transport = world.probe(ears.session.id)
    world.post(ears.session.id, b"4first")
    transport.receive("5")
    transport.receive("4second")
    assert ears.heard == ["first", "second"]


def test_a_post_under_way_when_the_session_moves_is_answered_and_not_heard() -> None:
    world = World()
    ears = world.poller()
    transport = world.probe(ears.session.id)
    post = world.post(ears.session.id, None)
    transport.receive("5")
    assert post.result.status == 400
    post.send_body(b"4late")
    assert ears.heard == []
    assert ears.closed == []


def test_a_request_after_the_upgrade_is_a_mismatch_and_the_session_lives() -> None:
    world = World()
    ears = world.poller()
    world.probe(ears.session.id).receive("5")
    for exchange in (world.poll(ears.session.id), world.post(ears.session.id, b"4x")):
        assert exchange.result.status == 400
    assert ears.heard == []
    assert ears.closed == []


@pytest.mark.parametrize("frame", ["4hello", "2", "3probe", "", b"\x00", "2probe "])
def test_anything_else_than_the_probe_closes_the_websocket_and_polling_goes_on(frame: str | bytes) -> None:
    world = World()
    ears = world.poller()
    transport = world.upgrade(f"EIO=4&transport=websocket&sid={ears.session.id}").accepted
    transport.receive(frame)
    assert transport.closed is not None
    assert ears.session.upgrading is None
    assert world.post(ears.session.id, b"4x").result.body == b"ok"
    assert ears.heard == ["x"]


def test_a_probe_that_leads_nowhere_is_closed_after_upgrade_timeout() -> None:
    world = World(upgrade_timeout=10.0)
    ears = world.poller()
    transport = world.probe(ears.session.id)
    world.clock.advance(9.9)
    assert transport.closed is None
    world.clock.advance(0.2)
    assert transport.closed is not None
    assert world.engine.counters.upgrade_timeouts == 1
    assert ears.closed == []
    poll = world.poll(ears.session.id)
    world.clock.advance(1.0)
    assert poll.waiting, "nobody hurries it any more"


def test_a_second_websocket_meanwhile_is_accepted_and_closed() -> None:
    world = World()
    ears = world.poller()
    first = world.probe(ears.session.id)
    second = world.upgrade(f"EIO=4&transport=websocket&sid={ears.session.id}").accepted
    assert second.closed is not None
    first.receive("5")
    assert ears.session.transport_name == "websocket"
    third = world.upgrade(f"EIO=4&transport=websocket&sid={ears.session.id}").accepted
    assert third.closed is not None


def test_the_end_of_an_old_probe_does_not_touch_the_new_one() -> None:
    world = World(upgrade_timeout=10.0)
    ears = world.poller()
    old = world.probe(ears.session.id)
    world.clock.advance(10.1)
    new = world.probe(ears.session.id)
    old.lose()
    assert ears.session.upgrading is not None
    ears.session.close()
    world.poll(ears.session.id)
    assert new.closed is not None


def test_a_probe_whose_connection_is_lost_makes_room_for_another() -> None:
    world = World()
    ears = world.poller()
    world.probe(ears.session.id).lose()
    assert ears.session.upgrading is None
    world.probe(ears.session.id).receive("5")
    assert ears.session.transport_name == "websocket"


def test_a_session_that_ends_takes_its_probe_along() -> None:
    world = World()
    ears = world.poller()
    transport = world.probe(ears.session.id)
    ears.session.drop("forced close")
    assert transport.closed is not None
    transport.receiver.receive("5")  # from a face that had it already
    assert world.engine.counters.upgrades == 0


def test_a_closing_session_says_its_last_words_to_whoever_comes_first() -> None:
    world = World()
    ears = world.poller()
    transport = world.probe(ears.session.id)
    ears.session.send(text("last words"))
    ears.session.close()
    transport.receive("5")
    assert transport.sent == [b"3probe", b"4last words"]
    assert ears.closed == [("forced close", "")]
    assert transport.closed is not None


def test_upgrades_may_be_switched_off() -> None:
    world = World(allow_upgrades=False)
    assert b'"upgrades":[]' in world.get().result.body
    ears = world.poller()
    transport = world.upgrade(f"EIO=4&transport=websocket&sid={ears.session.id}").accepted
    assert transport.closed is not None


def test_an_upgrade_with_another_protocol_is_refused_and_the_session_lives() -> None:
    world = World(allow_eio3=True)
    ears = world.poller()
    for query in ("EIO=3&transport=websocket", "transport=websocket"):
        upgrade = world.upgrade(f"{query}&sid={ears.session.id}")
        assert upgrade.refusal is not None
        assert (upgrade.refusal.status, upgrade.refusal.body) == (400, b"Bad request")
    assert world.post(ears.session.id, b"4x").result.body == b"ok"
