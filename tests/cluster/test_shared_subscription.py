"""Workers of which one hears Redis for all: it ends, dies, hangs or loses Redis, and each client hears all once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.cluster.tools import wait_until
from tests.support.machine import EVERY, Publisher, longest, machine, numbers
from tests.support.peer import Peer
from tests.support.raw import Closed, http
from tests.support.redis import RedisServer
from tests.support.websocket import Refused

from flocket import Emitter


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_one_of_four_hears_for_all_and_each_client_gets_each_event_once(redis: RedisServer) -> None:
    with machine(redis) as there:
        there.holder()
        assert there.patterns() == [0, 0, 0, 2]
        assert redis.command("PUBSUB", "NUMPAT") == "2"
        assert redis.command("PUBSUB", "NUMSUB", "socket.io-request#/#").split() == ["socket.io-request#/#", "4"]
        everybody = there.all()
        assert everybody[0].ask("count") == [4, len(everybody)]
        assert len(everybody[0].ask("ask")) == 3
        for worker, peers in there.clients.items():
            peers[0].emit("shout", worker)
            for peer in everybody:
                assert peer.receive() == f'42["heard",{worker}]'
        red = [peers[0] for peers in there.clients.values()]
        for peer in red:
            peer.ask("join", "red#*")
        emitter = Emitter(redis.url)
        emitter.to("red#*").emit("to the room")
        emitter.except_("red#*").emit("to the others")
        emitter.emit("bytes", b"\1")
        for peer in everybody:
            assert peer.receive() == ('42["to the room"]' if peer in red else '42["to the others"]')
            assert [peer.receive(), peer.receive()] == ['451-["bytes",{"_placeholder":true,"num":0}]', b"\1"]


def test_what_is_asked_of_nodes_and_what_is_emitted_keep_their_order(redis: RedisServer) -> None:
    with machine(redis) as there:
        there.holder()
        emitter = Emitter(redis.url)
        for number in range(50):
            emitter.sockets_join(f"room {number}")
            emitter.to(f"room {number}").emit("joined", number)
        emitter.emit("bye")
        emitter.disconnect_sockets()
        for peer in there.all():
            got = [peer.receive() for _ in range(52)]
            assert got == [*(f'42["joined",{number}]' for number in range(50)), '42["bye"]', "41"]


def test_whichever_namespace_a_worker_has_it_hears_its_events(redis: RedisServer) -> None:
    with machine(redis) as there, ExitStack() as stack:
        holder, _ = there.holder()
        # A child of a dynamic namespace, which one worker has, and the holder has not.
        tried = (stack.enter_context(Peer(there.program.port, "/child#1")) for _ in range(20))
        strangers = [next(peer for peer in tried if peer.ask("worker") != holder)]
        for name in ("/odd#name", "/odd"):
            strangers += [stack.enter_context(Peer(there.program.port, name)) for _ in range(4)]
        emitter = Emitter(redis.url)
        for name in ("/child#1", "/odd#name", "/odd", "/"):
            emitter.of(name).emit("hello", name)
        for peer in strangers:
            name = peer.prefix.rstrip(",")
            assert peer.receive() == f'42{name},["hello","{name}"]'
        for peer in there.all():
            assert peer.receive() == '42["hello","/"]'


def test_no_client_notices_that_those_who_hear_end_one_after_the_other(redis: RedisServer) -> None:
    with machine(redis) as there, Publisher(redis) as publisher:
        for change in range(3):
            worker, pid = there.holder()
            os.kill(pid, signal.SIGTERM)
            there.lose(worker)
            wait_until(lambda change=change: there.ready() == 5 + change)  # type: ignore[misc]  # bound early
            publisher.more(0.2)
        there.holder()
        assert len(there.clients) == 1, "it was not the oldest that took over"
        for peer in there.all():
            got = numbers(redis, peer, "end")
            assert got == list(range(got[0], got[-1] + 1))
            assert len(got) > 200


def test_a_reload_of_all_workers_loses_nothing_for_those_who_stay(redis: RedisServer) -> None:
    with machine(redis) as there, Publisher(redis) as publisher, ExitStack() as stack:
        old = {peers[0].ask("who")["pid"] for peers in there.clients.values()}
        os.kill(there.program.process.pid, signal.SIGHUP)
        new: dict[int, Peer] = {}  # by pid
        while len(new) < 4:  # whenever a new worker is there, it gets a client, which stays
            try:
                peer = Peer(there.program.port)
                stack.callback(peer.websocket.socket.close)
                pid = peer.ask("who")["pid"]
            except (Refused, Closed, ConnectionError):
                continue  # it was an old one's that ended
            if pid not in old:
                new.setdefault(pid, peer)
        for worker in list(there.clients):
            there.lose(worker)
        wait_until(lambda: sum(peer.ask("who")["holds"] for peer in new.values()) == 1)  # the last old one has gone
        publisher.more(0.2)
        for peer in new.values():
            got = numbers(redis, peer, "end")
            assert got == list(range(got[0], got[-1] + 1))


def test_when_the_one_that_hears_is_killed_another_does_within_a_second(redis: RedisServer) -> None:
    with machine(redis) as there, Publisher(redis) as publisher:
        for change in range(2):
            worker, pid = there.holder()
            os.kill(pid, signal.SIGKILL)
            there.lose(worker)
            wait_until(lambda change=change: there.ready() == 5 + change)  # type: ignore[misc]  # bound early
            there.holder()
            publisher.more(0.2)
        for peer in there.all():
            got = numbers(redis, peer, "end")
            assert got == sorted(set(got))
            assert longest(got) < 1.0


def test_one_that_hangs_tells_late_what_it_heard_and_nothing_twice(redis: RedisServer) -> None:
    with machine(redis) as there, Publisher(redis) as publisher:
        worker, pid = there.holder()
        hung = there.clients.pop(worker)
        os.kill(pid, signal.SIGSTOP)
        stopped = publisher.said
        try:
            others = there.all()
            others[0].unread.clear()
            there.holder()
            taken = publisher.said
            publisher.more(3.0)
        finally:
            os.kill(pid, signal.SIGCONT)
        publisher.more(1.0)
        assert (taken - stopped) * EVERY < 4.0
        there.clients[worker] = hung
        there.holder()
        wait_until(lambda: there.patterns() == [0, 0, 0, 2])
        for peer in there.all():
            got = numbers(redis, peer, "end")
            assert len(got) == len(set(got))
            assert sorted(got) == list(range(min(got), max(got) + 1))


def test_a_sibling_that_reads_nothing_loses_what_is_beyond_its_queue_and_that_is_counted(redis: RedisServer) -> None:
    with machine(redis, 2) as there:
        holder, _ = there.holder()
        other = next(worker for worker in there.clients if worker != holder)
        pid, mine = there.pid(other), there.clients[holder][0]
        emitter = Emitter(redis.url)
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(300):
                emitter.emit("n", number)
                emitter.to("a room of nobody").emit("much", "x" * 50_000)
            assert numbers(redis, mine, "all") == list(range(300))
            assert mine.ask("stats")["adapter_dropped"] > 0
        finally:
            os.kill(pid, signal.SIGCONT)
        there.holder()
        for peer in there.clients[other]:
            got = numbers(redis, peer, "end")
            assert got == sorted(set(got))
            assert 100 < len(got) < 300


def test_the_connection_that_hears_may_be_killed_again_and_again(redis: RedisServer) -> None:
    with machine(redis, 2) as there, Publisher(redis) as publisher:
        for _ in range(20):
            there.holder()
            lines = redis.command("CLIENT", "LIST", "TYPE", "pubsub").splitlines()
            hears = next(line for line in lines if " psub=2 " in line)
            redis.command("CLIENT", "KILL", "ID", hears.partition("id=")[2].split()[0])
            publisher.more(0.1)
        there.holder()
        for peer in there.all():
            got = numbers(redis, peer, "end")
            assert got == sorted(set(got))
            assert longest(got) < 1.0
        assert there.patterns() == [0, 2]


def test_when_redis_is_away_health_says_so_of_every_worker(redis: RedisServer) -> None:
    with machine(redis, 2) as there:
        there.holder()
        redis.stop(kill=True)
        wait_until(lambda: not any(peer.ask("who")["hears"] for peer in there.all()))
        redis.start()
        back = time.monotonic()
        wait_until(lambda: all(peer.ask("who")["hears"] for peer in there.all()))
        assert time.monotonic() - back < 3.0
        there.holder()
        Emitter(redis.url).emit("back")
        for peer in there.all():
            assert peer.receive() == '42["back"]'
        assert json.loads(http(there.program.port, "GET", "/readyz").text)["ready"]


def test_two_machines_on_one_redis_each_have_one_that_hears(redis: RedisServer) -> None:
    with machine(redis, 2) as one, machine(redis, 2) as two:
        one.holder()
        two.holder()
        assert one.patterns() == [0, 0, 2, 2]
        everybody = one.all() + two.all()
        assert everybody[0].ask("count") == [4, len(everybody)]
        for number, there in enumerate((one, two)):
            there.all()[0].emit("shout", number)
            for peer in everybody:
                assert peer.receive() == f'42["heard",{number}]'


def test_two_servers_of_one_process_each_have_one_that_hears(redis: RedisServer) -> None:
    with machine(redis, 2, TWO="yes") as there:
        there.holder()
        wait_until(lambda: redis.command("PUBSUB", "CHANNELS", "socket.io-holder#*").count("holder") == 2)
        assert sum(there.patterns()) == 4
        Emitter(redis.url).emit("both")
        for peer in there.all():
            assert peer.receive() == '42["both"]'
