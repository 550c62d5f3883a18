"""All sessions of a process: opening, admission, headers, events of the engine, and the end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from tests.support.fakes import FakeExchange, FakeUpgrade, World, request, text

from flocket.engine.engine import AT_ONCE
from flocket.engine.request import Request
from flocket.errors import ConnectError
from flocket.options import Cookie, Limits


def greeting(body: bytes) -> dict[str, Any]:
    assert body[:1] == b"0"
    words: dict[str, Any] = json.loads(body[1:])
    return words


def test_the_greeting_says_what_the_options_say() -> None:
    world = World(ping_interval=3.0, ping_timeout=0.5, max_payload=77)
    words = greeting(world.get().result.body)
    assert words == {
        "sid": "sid00000000000000001", "upgrades": ["websocket"], "pingInterval": 3000, "pingTimeout": 500,
        "maxPayload": 77,
    }  # fmt: skip
    transport = world.upgrade().accepted
    assert greeting(transport.sent[0])["upgrades"] == []
    assert world.engine.clients_count == 2
    assert world.engine.counters.handshakes == 2


def test_no_upgrade_is_offered_where_websocket_is_not() -> None:
    world = World(transports=("polling",))
    assert greeting(world.get().result.body)["upgrades"] == []
    assert world.upgrade().refusal is not None


def test_a_message_sent_while_the_handler_is_made_comes_behind_the_greeting() -> None:
    world = World()
    plain = world._on_session

    def on_session(session: Any) -> Any:
        session.send(text("welcome"))
        return plain(session)

    world.engine._on_session = on_session
    transport = world.upgrade().accepted
    assert transport.sent[1:] == [b"4welcome"]
    ears = world.poller()
    assert world.poll(ears.session.id).result.body == b"4welcome"


# -- cookies and headers ------------------------------------------------------------------------------


def test_the_cookie_comes_with_the_handshake_only() -> None:
    world = World(cookie=Cookie())
    answer = world.get().result
    assert answer.headers["set-cookie"] == "io=sid00000000000000001; Path=/; HttpOnly; SameSite=Lax"
    sid = "sid00000000000000001"
    assert "set-cookie" not in world.post(sid, b"4x").result.headers
    world.ears[sid].session.send(text("x"))
    assert "set-cookie" not in world.poll(sid).result.headers
    assert "Set-Cookie" in dict(world.upgrade().headers)
    assert "Set-Cookie" not in dict(world.upgrade(f"EIO=4&transport=websocket&sid={sid}").headers)


def test_listeners_may_add_headers_to_the_first_answer_and_to_all() -> None:
    world = World()
    world.engine.on("initial_headers", lambda headers, request: headers.append(("X-First", request.path)))
    world.engine.on("headers", lambda headers, request: headers.append(("X-All", "yes")))
    answer = world.get().result
    assert (answer.headers["x-first"], answer.headers["x-all"]) == ("/engine.io/", "yes")
    answer = world.post("sid00000000000000001", b"4x").result
    assert "x-first" not in answer.headers
    assert answer.headers["x-all"] == "yes"
    assert dict(world.upgrade().headers) == {"X-First": "/engine.io/", "X-All": "yes"}


def test_a_listener_that_fails_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.engine.on("headers", lambda headers, request: 1 / 0)
    ears = world.poller()
    transport, other = world.socket()
    poll = world.poll(ears.session.id)
    with caplog.at_level(logging.CRITICAL, "flocket"):
        ears.session.send(text("a"))
        other.session.send(text("b"))
        world.clock.turn()
    assert poll.result.body == b"4a"
    assert transport.sent == [b"4b"]
    assert world.engine.counters.handler_errors > 0


def test_a_transport_that_fails_ends_its_session_only(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    broken, ears = world.socket()
    transport, other = world.socket()
    broken.send = lambda frames: 1 / 0  # type: ignore[assignment, method-assign]  # the face is broken
    ears.session.send(text("a"))
    other.session.send(text("b"))
    with caplog.at_level(logging.CRITICAL, "flocket"):
        world.clock.turn()
    assert ears.closed == [("transport error", "")]
    assert transport.sent == [b"4b"]


# -- refusals -----------------------------------------------------------------------------------------


def test_connection_error_tells_of_each_refusal() -> None:
    world = World()
    told: list[tuple[int, str, dict[str, Any]]] = []
    world.engine.on("connection_error", lambda request, code, message, context: told.append((code, message, context)))
    world.get("EIO=4&transport=polling&sid=unknown")
    world.upgrade("EIO=4&transport=pigeon")
    assert told == [
        (1, "Session ID unknown", {"sid": "unknown"}), (0, "Transport unknown", {"transport": "pigeon"}),
    ]  # fmt: skip
    assert world.engine.counters.refused == 2


def test_a_refusal_carries_the_headers_that_let_the_page_read_it() -> None:
    world = World(cors_origins=["https://a.example"])
    headers = [("Origin", "https://a.example")]
    answer = world.get("EIO=4&transport=polling&sid=unknown", headers=headers).result
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'{"code":1,"message":"Session ID unknown"}'


def test_a_preflight_is_answered_without_a_session() -> None:
    world = World(cors_origins=["https://a.example"], cors_credentials=True)
    asked = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-token")]
    answer = world.get(method="OPTIONS", headers=[("Origin", "https://a.example"), *asked]).result
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "x-token"
    assert "POST" in answer.headers["access-control-allow-methods"]
    answer = world.get(method="OPTIONS", headers=[("Origin", "https://evil.example"), *asked]).result
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers
    assert world.engine.clients_count == 0


# -- admission ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_allow_request_may_refuse_with_words(kind: str) -> None:
    def plain(request: Request) -> None:
        if "token" not in request.query:
            raise ConnectError("who are you?", data={"retry": False})

    async def slow(request: Request) -> None:
        await asyncio.sleep(0)
        plain(request)

    world = World(allow_request=plain if kind == "plain" else slow)
    answer = world.get().result
    assert answer.status == 403
    assert json.loads(answer.body) == {"code": 4, "message": "who are you?", "data": {"retry": False}}
    refused = world.upgrade().refusal
    assert refused is not None
    assert (refused.status, refused.body) == (400, b"who are you?")
    assert world.get("EIO=4&transport=polling&token=1").result.status == 200
    assert world.upgrade("EIO=4&transport=websocket&token=1").accepted.sent


def test_an_error_in_allow_request_refuses_and_tells_the_client_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Request) -> None:
        raise ZeroDivisionError("secret")

    world = World(allow_request=fail)
    with caplog.at_level(logging.ERROR, "flocket"):
        answer = world.get().result
    assert answer.status == 403
    assert b"secret" not in answer.body
    assert "secret" in caplog.text
    assert world.clock.failures == []


def test_data_that_cannot_be_sent_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(request: Request) -> None:
        raise ConnectError("no", data={1, 2})

    world = World(allow_request=refuse)
    with caplog.at_level(logging.ERROR, "flocket"):
        assert json.loads(world.get().result.body) == {"code": 4, "message": "no"}
    assert "set" in caplog.text


class Asked:
    """An allow_request that waits; each request's fate is decided by hand."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.world = World(limits, allow_request=self.allow)
        self.waiting: list[Any] = []
        self.world.clock.spawn = self.spawn  # type: ignore[method-assign]
        self.coroutines: list[Any] = []

    def spawn(self, coroutine: Any) -> None:
        coroutine.send(None)
        self.coroutines.append(coroutine)

    async def allow(self, request: Request) -> None:
        await _Gate()

    def let_in(self) -> None:
        for coroutine in self.coroutines:
            with pytest.raises(StopIteration):
                coroutine.send(None)
        self.coroutines = []
        self.world.clock.turn()


class _Gate:
    def __await__(self) -> Any:
        yield


def test_a_client_that_goes_while_allow_request_thinks_gets_no_session() -> None:
    asked = Asked()
    exchange = FakeExchange(request())
    upgrade = FakeUpgrade(request("EIO=4&transport=websocket"))
    asked.world.engine.handle(exchange)
    asked.world.engine.upgrade(upgrade)
    exchange.vanish()
    upgrade.vanish()
    asked.let_in()
    assert asked.world.engine.sessions == {}


def test_an_allow_request_that_is_cancelled_leaves_nobody_waiting() -> None:
    asked = Asked(Limits(unconnected=1))
    exchange = asked.world.get()
    with pytest.raises(asyncio.CancelledError):
        asked.coroutines.pop().throw(asyncio.CancelledError)
    assert exchange.result.status == 403
    assert asked.world.get().waiting, "its place is free again"
    asked.let_in()


def test_those_who_wait_for_allow_request_count_as_unconnected() -> None:
    asked = Asked(Limits(unconnected=2))
    exchanges = [asked.world.get() for _ in range(3)]
    assert [exchange.waiting for exchange in exchanges] == [True, True, False]
    assert exchanges[2].result.status == 503
    asked.let_in()
    assert [exchange.result.status for exchange in exchanges] == [200, 200, 503]


def test_who_was_asked_for_before_the_end_is_not_let_in_after_it() -> None:
    asked = Asked()
    exchange = asked.world.get()
    asked.world.engine.close()
    asked.let_in()
    assert exchange.result.status == 503
    assert asked.world.engine.sessions == {}


def test_a_full_process_says_so_and_when_to_come_back() -> None:
    world = World(Limits(unconnected=1))
    world.engine.unconnected = 1
    answer = world.get().result
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    refused = world.upgrade().refusal
    assert refused is not None
    assert refused.status == 503


# -- the end ------------------------------------------------------------------------------------------


def test_closing_ends_every_session_whatever_it_waits_for() -> None:
    world = World()
    waiting = world.poller()
    poll = world.poll(waiting.session.id)
    idle = world.poller()
    reader, reading = world.socket()
    slow, sleeping = world.socket()
    upgrading = world.poller()
    probe = world.probe(upgrading.session.id)
    reading.session.send(text("last words"))
    slow.stall()
    sleeping.session.send(text("never read"))
    world.engine.close()
    assert poll.result.body == b"1"
    assert reader.sent == [b"4last words"]
    assert reader.closed == (1001, "server shutting down")
    assert slow.closed == (1001, "server shutting down")
    assert probe.closed is not None
    for ears in (waiting, idle, reading, sleeping, upgrading):
        assert ears.closed == [("server shutting down", "")]
    assert world.engine.sessions == {}
    assert world.get().result.status == 503
    assert world.upgrade().refusal is not None


def test_nothing_reaches_a_session_while_allow_request_thinks() -> None:
    asked = Asked()
    world = asked.world
    opening = world.get()
    sid = f"sid{1:017}"  # what it will be called
    for early in (world.post(sid, b"4early"), world.poll(sid)):
        assert early.result.status == 400
        assert b'"code":1' in early.result.body
    asked.let_in()
    assert opening.result.status == 200
    assert world.ears[sid].heard == []
    assert world.post(sid, b"4now").result.status == 200
    assert world.ears[sid].heard == ["now"]


def test_many_are_written_to_in_rounds_and_those_who_wait_get_what_came_meanwhile_in_one_write() -> None:
    world = World()
    clients = [world.socket() for _ in range(2 * AT_ONCE + 1)]
    for _, ears in clients:
        ears.session.send(text("a"))
    (first_round,) = world.clock.soon
    world.clock.soon.clear()
    first_round()
    assert [transport.sent for transport, _ in clients[:AT_ONCE]] == [[b"4a"]] * AT_ONCE
    assert all(transport.sent == [] for transport, _ in clients[AT_ONCE:])
    for _, ears in clients:
        ears.session.send(text("b"))
    world.clock.turn()
    assert [transport.sent for transport, _ in clients] == [[b"4a", b"4b"]] * len(clients)
    assert [transport.writes for transport, _ in clients] == [2] * AT_ONCE + [1] * (AT_ONCE + 1)
    assert world.clock.soon == []


def test_at_the_end_those_who_still_wait_for_their_round_get_everything() -> None:
    world = World()
    clients = [world.socket() for _ in range(AT_ONCE + 1)]
    for _, ears in clients:
        ears.session.send(text("last words"))
    world.engine.close()
    assert all(transport.sent == [b"4last words"] for transport, _ in clients)


def test_a_new_session_is_sent_the_initial_packet_first() -> None:
    for query, expected in (("EIO=4", b"4hello"), ("EIO=3", b"4hello")):
        world = World(initial_packet="hello", allow_eio3=True)
        over = world.upgrade(f"{query}&transport=websocket").accepted
        assert [frame.payload[:1] for frame in over.frames[:1]] == [b"0"]
        assert over.sent[1:] == [expected]
        ears = world.poller(f"{query}&transport=polling")
        ears.session.send(text("then"))
        polled = world.poll(ears.session.id, f"{query}&transport=polling").result.body
        assert polled == {"EIO=4": b"4hello\x1e4then", "EIO=3": b"6:4hello5:4then"}[query]
