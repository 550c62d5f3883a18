"""uvicorn's HTTP protocol with an engine in it: requests, upgrades, limits, and how connections end."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from tests.serving.echo import EchoServer, run
from tests.serving.peer import ACCEPT, Peer, head, masked, until, upgrade_head

from flocket.options import EngineOptions, Limits
from flocket.serving import ending
from flocket.serving.unheard import Unheard

uvloops = False


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def _loop(request: pytest.FixtureRequest) -> None:
    global uvloops
    uvloops = request.param == "uvloop"


@pytest.fixture(autouse=True)
def _nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    # Nothing that a peer does may show as a warning or a traceback; "flocket" tells of our own mistakes.
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING and r.name != "flocket"] == []


def served(
    scenario: Callable[[EchoServer], Coroutine[Any, Any, None]],
    options: EngineOptions | None = None,
    **config: object,
) -> None:
    async def main() -> None:
        async with EchoServer(options, **config) as server:
            await scenario(server)
            await until(lambda: not server.server.server_state.connections)

    run(main(), uvloops)


def limited(**limits: float) -> EngineOptions:
    return EngineOptions(limits=Limits(**limits))  # type: ignore[arg-type]  # ints are floats too


# -- requests ---------------------------------------------------------------------------------------------


def test_the_engine_answers_its_path_and_asgi_every_other() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        for _ in range(3):
            peer.send(head("/echo/%C3%A4?a=b&c"))
            answer = await peer.answer()
            assert (answer.status, answer.body.decode()) == (200, "/echo/ä?a=b&c")
            assert {"date", "content-length"} <= answer.headers.keys()
            peer.send(head("/other"))
            assert (await peer.answer()).body == b"asgi"
        peer.send(head("http://here/echo/absolute?x#fragment"))
        assert (await peer.answer()).body == b"/echo/absolute?x"
        assert server.server.server_state.total_requests == 7
        peer.close()

    served(scenario)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_every_method_is_the_engines_to_answer(method: str) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        for _ in range(2):
            peer.send(head("/echo/", method=method))
            answer = await peer.answer(method)
            assert answer.headers["x-method"] == method
            assert answer.headers["content-length"] == "6"
            assert answer.body == (b"" if method == "HEAD" else b"/echo/")
        peer.close()

    served(scenario)


def test_a_body_arrives_however_it_is_sent() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        big = bytes(range(256)) * 2_000
        peer.send(head("/echo/", "Content-Length: 5", method="POST"), b"hello")
        assert (await peer.answer()).body == b"hello"
        peer.send(head("/echo/", f"Content-Length: {len(big)}", method="POST"))
        for at in range(0, len(big), 50_000):
            peer.send(big[at : at + 50_000])
            await asyncio.sleep(0)
        assert (await peer.answer()).body == big
        peer.send(head("/echo/", "Transfer-Encoding: chunked", method="POST"), b"3\r\nabc\r\n", b"2\r\nde\r\n")
        await asyncio.sleep(0.01)
        peer.send(b"0\r\n\r\n")
        assert (await peer.answer()).body == b"abcde"
        peer.send(head("/other", "Content-Length: 3", method="POST"), b"abc")
        assert (await peer.answer()).body == b"asgi"
        peer.send(head("/echo/", "Content-Length: 0", method="POST"))
        assert (await peer.answer()).body == b""
        peer.close()

    served(scenario)


def test_a_body_may_be_asked_for_long_after_it_came() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        body = b"x" * 300_000
        peer.send(head("/echo/late", f"Content-Length: {len(body)}", method="POST"), body)
        await until(lambda: len(server.engine.exchanges) == 1)
        exchange = server.engine.exchanges[0]
        exchange.read(1_000_000, lambda body: exchange.respond(200, [], body or b""))
        assert (await peer.answer()).body == body
        peer.close()

    served(scenario)


def test_a_body_above_the_limit_is_refused_before_it_is_read() -> None:
    async def scenario(server: EchoServer) -> None:
        announced = await Peer.connect(server.port)
        announced.send(head("/echo/", "Content-Length: 101", "Expect: 100-continue", method="POST"))
        assert (await announced.answer()).status == 413
        assert await announced.at_end()
        chunked = await Peer.connect(server.port)
        chunked.send(head("/echo/", "Transfer-Encoding: chunked", method="POST"))
        for _ in range(200):
            chunked.send(b"800\r\n" + b"x" * 2_048 + b"\r\n")
        assert (await chunked.answer()).status == 413
        assert await chunked.at_end()
        announced.close()
        chunked.close()

    served(scenario, EngineOptions(max_payload=100))


def test_expect_100_continue_is_answered_when_the_body_is_wanted() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/", "Content-Length: 2", "Expect: 100-continue", method="POST"))
        assert (await peer.answer()).status == 100
        peer.send(b"ok")
        assert (await peer.answer()).body == b"ok"
        peer.close()

    served(scenario)


def test_pipelined_requests_are_answered_in_order_whoever_serves_them() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(
            head("/echo/late"), head("/echo/2"), head("/other"), head("/echo/4"),
            head("/echo/", "Content-Length: 1", method="POST"), b"5", head("/other"), head("/echo/late"),
            head("/echo/8"),
        )  # fmt: skip
        await until(lambda: len(server.engine.exchanges) == 1)
        server.engine.exchanges[0].respond(200, [], b"1")
        bodies = [(await peer.answer()).body for _ in range(6)]
        assert bodies == [b"1", b"/echo/2", b"asgi", b"/echo/4", b"5", b"asgi"]
        await until(lambda: len(server.engine.exchanges) == 2)
        server.engine.exchanges[1].respond(200, [], b"7")
        assert [(await peer.answer()).body for _ in range(2)] == [b"7", b"/echo/8"]
        peer.close()

    served(scenario)


def test_pipelining_has_a_bound() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/late"), head("/echo/") * 1_000)
        await until(lambda: server.engine.counters.http_errors == 1)
        server.engine.exchanges[0].respond(200, [], b"1")
        for _ in range(33):
            assert (await peer.answer()).status == 200
        assert (await peer.answer()).status == 400
        assert await peer.at_end()
        peer.close()

    served(scenario)


@pytest.mark.parametrize(
    ("version", "line"), [("1.0", "X: y"), ("1.0", "Connection: keep-alive"), ("1.1", "Connection: close")]
)
def test_a_connection_that_is_not_kept_alive_ends_behind_its_answer(version: str, line: str) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/", line, version=version), head("/echo/second"))
        answer = await peer.answer()
        assert (answer.body, answer.headers["connection"]) == (b"/echo/", "close")
        assert await peer.at_end()
        peer.close()

    served(scenario)


def test_an_idle_connection_ends_by_uvicorns_keep_alive_time() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/"))
        assert (await peer.answer()).status == 200
        assert await peer.at_end()
        peer.close()

    served(scenario, timeout_keep_alive=0.2)


def test_an_engines_own_mistake_is_a_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/broken"))
        assert (await peer.answer()).status == 500
        assert await peer.at_end()
        assert "could not be served" in caplog.text
        peer.close()

    served(scenario)


def test_a_header_value_cannot_add_headers(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/late"))
        await until(lambda: len(server.engine.exchanges) == 1)
        server.engine.exchanges[0].respond(200, [("A", "b\r\nEvil: yes"), ("C", "ä€"), ("D", "\nx")], b"")
        answer = await peer.answer()
        assert answer.headers.keys() >= {"c", "content-length"}
        assert not answer.headers.keys() & {"a", "d", "evil", "x"}
        assert "line break" in caplog.text
        peer.close()

    served(scenario)


# -- heads ------------------------------------------------------------------------------------------------

LARGE = "X-Large: " + "x" * 2_000


@pytest.mark.parametrize("path", ["/echo/", "/other"])
def test_a_head_of_too_many_bytes_or_lines_is_a_431_on_every_request(path: str) -> None:
    async def scenario(server: EchoServer) -> None:
        whole = await Peer.connect(server.port)
        whole.send(head(path), head(path, LARGE))
        assert (await whole.answer()).status == 200
        assert (await whole.answer()).status == 431
        assert await whole.at_end()
        endless = await Peer.connect(server.port)
        endless.send(head(path))
        assert (await endless.answer()).status == 200
        endless.send(head(path, LARGE)[:1_500])
        assert (await endless.answer()).status == 431
        lines = await Peer.connect(server.port)
        lines.send(head(path, *("A: b" for _ in range(10))))
        assert (await lines.answer()).status == 431
        upgrade = await Peer.connect(server.port)
        upgrade.send(upgrade_head(path, LARGE))
        assert (await upgrade.answer()).status == 431
        assert server.engine.counters.http_errors == 4
        for peer in (whole, endless, lines, upgrade):
            peer.close()

    served(scenario, limited(header_bytes=1_000, headers=10))


def test_a_large_body_does_not_count_as_a_head() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        post = head("/echo/", "Content-Length: 20000", method="POST") + b"x" * 20_000
        peer.send(post + head("/echo/")[:10])
        assert (await peer.answer()).status == 200
        peer.send(head("/echo/")[10:] + post)
        assert (await peer.answer()).status == 200
        assert (await peer.answer()).status == 200
        peer.close()

    served(scenario, limited(header_bytes=1_000))


@pytest.mark.parametrize("sent", [b"", b"GET /echo/", head("/other")[:-2], b"\r\n"])
def test_a_head_that_does_not_come_is_a_408(sent: bytes) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(sent)
        assert (await peer.answer()).status == 408
        assert await peer.at_end()
        second = await Peer.connect(server.port)
        second.send(head("/echo/"))
        assert (await second.answer()).status == 200
        if sent:
            second.send(sent)
            assert (await second.answer()).status == 408
        peer.close()
        second.close()

    served(scenario, limited(header_time=0.2))


def test_too_many_that_say_nothing_push_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    unheard = Unheard(most=3)
    monkeypatch.setattr(ending, "unheard_of", lambda server: unheard)

    async def scenario(server: EchoServer) -> None:
        heard = await Peer.connect(server.port)
        heard.send(head("/echo/"))
        assert (await heard.answer()).status == 200
        silent = [await Peer.connect(server.port) for _ in range(5)]
        for peer in silent[:2]:
            assert (await peer.answer()).status == 408
            assert await peer.at_end()
        (await Peer.connect(server.port)).close()
        assert (await silent[2].answer()).status == 408
        silent[3].send(head("/echo/"))  # its place is free again, as is that of the one who left
        assert (await silent[3].answer()).status == 200
        silent += [await Peer.connect(server.port) for _ in range(2)]
        for peer in (heard, *silent[3:]):
            peer.send(head("/echo/"))
            assert (await peer.answer()).status == 200
        for peer in (heard, *silent):
            peer.close()

    served(scenario, limited(header_time=60.0))


def test_a_head_that_comes_in_pieces_but_in_time_is_served() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        for _ in range(2):
            for byte in head("/echo/pieces"):
                peer.send(bytes((byte,)))
                await asyncio.sleep(0)
            assert (await peer.answer()).body == b"/echo/pieces"
        peer.close()

    served(scenario, limited(header_time=1))


def test_a_body_that_stops_coming_is_a_408_and_the_engine_hears() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/", "Content-Length: 10", method="POST"), b"five.")
        assert (await peer.answer()).status == 408
        assert await peer.at_end()
        assert server.engine.events == ["gone"]
        slow = await Peer.connect(server.port)
        slow.send(head("/echo/", "Content-Length: 4", method="POST"))
        for _ in range(4):
            await asyncio.sleep(0.12)  # each part in time, the whole not
            slow.send(b"x")
        assert (await slow.answer()).body == b"xxxx"
        peer.close()
        slow.close()

    served(scenario, limited(body_idle=0.3))


def test_a_body_that_came_in_parts_leaves_no_timer_behind() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/", "Content-Length: 4", method="POST"), b"ab")
        await asyncio.sleep(0.05)
        peer.send(b"cd")
        assert (await peer.answer()).body == b"abcd"
        await asyncio.sleep(0.3)  # longer than a body may pause
        peer.send(head("/echo/next"))
        assert (await peer.answer()).status == 200
        peer.close()

    served(scenario, limited(body_idle=0.2))


@pytest.mark.parametrize("path", ["/echo/", "/other"])
def test_trailers_have_a_bound_whoever_serves_the_request(path: str) -> None:
    async def scenario(server: EchoServer) -> None:
        chunked = head(path, "Transfer-Encoding: chunked", method="POST"), b"1\r\nx\r\n0\r\n"
        peer = await Peer.connect(server.port)
        peer.send(*chunked, b"X-Trailer: a\r\nCookie: b\r\n\r\n")
        assert (await peer.answer()).body == (b"x" if path == "/echo/" else b"asgi")
        peer.send(*chunked, b"X: ", b"y" * 500)
        await asyncio.sleep(0.05)
        assert not server.engine.counters.http_errors
        peer.send(b"y" * 1500)
        assert (await peer.answer()).status == 431
        assert await peer.at_end()
        # The same behind a request that is owed its answer: first that, then the refusal.
        second = await Peer.connect(server.port)
        second.send(head("/echo/late"), *chunked, b"X: ", b"y" * 500)
        await until(lambda: len(server.engine.exchanges) == 1)
        server.engine.exchanges[0].respond(200, [], b"late")
        assert (await second.answer()).body == b"late"
        second.send(b"y" * 1500)
        assert (await second.answer()).status == 431
        assert await second.at_end()
        peer.close()
        second.close()

    served(scenario, limited(header_bytes=1000))


def test_a_body_that_goes_wrong_ends_another_applications_request_too() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/other", "Transfer-Encoding: chunked", method="POST"), b"zz\r\n")
        assert (await peer.answer()).status == 400
        assert await peer.at_end()
        await until(lambda: not server.server.server_state.tasks)
        peer.close()

    served(scenario)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # TLS on a plain port
        b"GET\r\n\r\n",
        b"GET /echo/ HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /echo/ HTTP/9.9\r\n\r\n",
        b"GET /echo/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /echo/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /echo/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"GET //[/echo/ HTTP/1.1\x00\r\n\r\n",
    ],
)
def test_bad_http_is_a_400_and_counted(sent: bytes) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(sent)
        assert (await peer.answer()).status == 400
        assert await peer.at_end()
        assert server.engine.counters.http_errors == 1
        peer.close()

    served(scenario)


def test_bad_http_behind_a_request_waits_for_its_answer() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/late"), head("/echo/2"), b"rubbish\r\n\r\n", head("/echo/never"))
        await until(lambda: server.engine.counters.http_errors == 1)
        server.engine.exchanges[0].respond(200, [], b"1")
        assert [(await peer.answer()).status for _ in range(3)] == [200, 200, 400]
        assert await peer.at_end()
        peer.close()

    served(scenario)


# -- upgrades ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connection", ["Upgrade", "upgrade", "keep-alive, Upgrade"])
def test_an_upgrade_is_accepted_with_the_engines_headers(connection: str) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/first"), upgrade_head(connection=connection))
        assert (await peer.answer()).status == 200
        status, headers, _ = await peer.answer()
        assert (status, headers["sec-websocket-accept"], headers["x-echo"]) == (101, ACCEPT, "yes")
        peer.send(masked(0x81, b"hello"))
        assert (await peer.frame()).payload == b"hello"
        peer.close()

    served(scenario)


def test_an_upgrade_of_another_path_is_uvicorns() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(upgrade_head("/other"))
        assert (await peer.answer()).status == 101
        assert (await peer.frame()).payload == b"asgi"
        peer.send(masked(0x88, b"\x03\xe8"))
        peer.close()

    served(scenario, ws="websockets-sansio")


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (403, upgrade_head("/echo/refused")),
        (400, upgrade_head(key="short")),
        (400, upgrade_head(key="ä" * 24)),
        (426, upgrade_head().replace(b"Version: 13", b"Version: 8")),
        (400, upgrade_head("/echo/", "Content-Length: 5") + b"GET /"),
        (400, upgrade_head("/echo/", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
        (400, upgrade_head().replace(b"GET", b"POST")),
    ],
)
def test_an_upgrade_is_refused_in_http(status: int, sent: bytes) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(sent)
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert await peer.at_end()
        assert server.engine.received == []
        peer.close()

    served(scenario)


def test_an_upgrade_may_be_accepted_later_and_loses_nothing() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        big = b"x" * 200_000
        peer.send(upgrade_head("/echo/late"), masked(0x81, b"early"), masked(0x82, big))
        await until(lambda: len(server.engine.upgrades) == 1)
        await asyncio.sleep(0.05)
        assert server.engine.received == []
        server.engine.accept(server.engine.upgrades[0])
        assert (await peer.answer()).status == 101
        assert (await peer.frame()).payload == b"early"
        assert (await peer.frame()).payload == big
        peer.close()

    served(scenario)


def test_an_upgrade_whose_client_left_is_told_gone_and_may_still_be_accepted() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(upgrade_head("/echo/late"))
        await until(lambda: len(server.engine.upgrades) == 1)
        peer.reset()
        await until(lambda: server.engine.events == ["gone"])
        transport = server.engine.accept(server.engine.upgrades[0])
        transport.send([])
        transport.close()
        await until(lambda: server.engine.events == ["gone", "transport close"])
        server.engine.upgrades[0].refuse(403, [], b"")

    served(scenario)


def test_an_upgrade_behind_an_unanswered_request_is_refused_after_it() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/late"), upgrade_head())
        await until(lambda: server.engine.counters.http_errors == 1)
        server.engine.exchanges[0].respond(200, [], b"")
        assert [(await peer.answer()).status for _ in range(2)] == [200, 400]
        peer.close()

    served(scenario)


def test_an_upgrade_to_something_else_is_a_plain_request() -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/", "Connection: Upgrade", "Upgrade: h2c"))
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        peer.close()

    served(scenario)


# -- how connections end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [Peer.close, Peer.reset])
def test_a_waiting_request_hears_that_its_client_left(leave: Callable[[Peer], None]) -> None:
    async def scenario(server: EchoServer) -> None:
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/late"))
        await until(lambda: len(server.engine.exchanges) == 1)
        assert server.engine.events == []
        leave(peer)
        await until(lambda: server.engine.events == ["gone"])
        server.engine.exchanges[0].respond(200, [], b"to nobody")

    served(scenario)


def test_a_reset_at_any_stage_leaves_no_trace() -> None:
    stages = [
        b"", b"GET /ec", head("/echo/"), head("/echo/late"), head("/echo/", "Content-Length: 9", method="POST") + b"x",
        upgrade_head(), upgrade_head("/echo/late"), upgrade_head("/echo/refused"), upgrade_head(key="bad"),
        upgrade_head() + masked(0x81, b"x" * 500)[:100], upgrade_head() + b"\xff\xff\xff\xff\xff\xff",
        head("/other"), upgrade_head("/other"), b"rubbish\r\n\r\n",
    ]  # fmt: skip

    async def scenario(server: EchoServer) -> None:
        for stage in stages * 8:
            peer = await Peer.connect(server.port)
            peer.send(stage)
            await asyncio.sleep(0)
            peer.reset()
        await until(lambda: not server.server.server_state.connections)
        peer = await Peer.connect(server.port)
        peer.send(head("/echo/alive"))
        assert (await peer.answer()).body == b"/echo/alive"
        peer.close()

    served(scenario, ws="websockets-sansio")


@pytest.mark.parametrize("last", [b"", upgrade_head(), b"rubbish\r\n\r\n", upgrade_head("/echo/refused")])
def test_a_connection_that_has_ended_is_freed_without_the_garbage_collector(last: bytes) -> None:
    async def scenario(server: EchoServer) -> None:
        gc.disable()
        try:
            peer = await Peer.connect(server.port)
            peer.send(head("/echo/"))
            await peer.answer()
            connections = [weakref.ref(c) for c in server.server.server_state.connections]
            peer.send(last)
            if last:
                await peer.answer()
            if last == upgrade_head():
                await until(lambda: connections[0]() is None)  # a WebSocket has left its HTTP behind
            peer.close()
            await until(lambda: connections[0]() is None)
        finally:
            gc.enable()

    served(scenario)


def test_a_stopping_server_lets_go_of_what_waits() -> None:
    async def main() -> None:
        async with EchoServer() as server:
            poll = await Peer.connect(server.port)
            poll.send(head("/echo/late"))
            upgrade = await Peer.connect(server.port)
            upgrade.send(upgrade_head("/echo/late"))
            idle = await Peer.connect(server.port)
            answered = await Peer.connect(server.port)
            answered.send(head("/echo/late"))
            await until(lambda: len(server.engine.exchanges) == 2 and len(server.engine.upgrades) == 1)
            server.server.should_exit = True
            assert await idle.at_end()
            server.engine.exchanges[1].respond(200, [], b"in time")
            assert (await answered.answer()).headers["connection"] == "close"
            assert await answered.at_end()
            await until(lambda: server.engine.events == ["gone", "gone"])
            for peer in (poll, upgrade, idle, answered):
                peer.close()

    run(main(), uvloops)
