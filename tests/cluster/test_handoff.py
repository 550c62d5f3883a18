from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cluster.tools import identity, runtime_folder, until

from flocket.adapters.buses.links import QUEUE_MARK
from flocket.adapters.buses.mesh import Mesh, Peer
from flocket.cluster.handoff import MARGIN, Answer, Handoff, refuse_offers


class Worker:
    def __init__(self, folder: Path) -> None:
        self.mesh = Mesh(folder, identity())
        self.taken: list[tuple[socket.socket, bytes]] = []
        self.willing = True
        self.clock = 0.0
        self.handoff = Handoff(self.mesh, self.take, now=lambda: self.clock)

    def take(self, sock: socket.socket, read: bytes) -> bool:
        if self.willing:
            self.taken.append((sock, read))
        return self.willing


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Worker, Worker, Peer]]:
    with runtime_folder() as folder:
        a, b = Worker(folder), Worker(folder)
        await a.mesh.start()
        await b.mesh.start()
        await until(lambda: all([peer.up for peer in w.mesh.peers.values()] == [True] for w in (a, b)))
        try:
            yield a, b, a.mesh.peers[b.mesh.node.tag]
        finally:
            for sock, _ in b.taken:
                sock.close()
            await a.mesh.aclose()
            await b.mesh.aclose()


def test_a_connection_moves_with_what_was_read_of_it_and_what_was_not() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            client, server = socket.socketpair()
            client.sendall(b"read not read")
            read = server.recv(5)
            answers: list[Answer] = []
            assert a.handoff.offer(peer, server, answers.append, seconds=1, read=read)
            assert a.handoff.pending == 1
            assert answers == []
            await until(lambda: answers)
            assert answers == [Answer.YES]
            assert a.handoff.pending == 0
            assert server.fileno() == -1
            sock, before = b.taken[0]
            assert before + sock.recv(100) == b"read not read"
            sock.sendall(b"answer")
            assert client.recv(100) == b"answer"
            client.close()

    asyncio.run(main())


def test_a_hundred_connections_of_one_turn_all_arrive() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            clients = []
            answers: list[Answer] = []
            for n in range(100):
                client, server = socket.socketpair()
                client.sendall(b"%d" % n)
                clients.append(client)
                assert a.handoff.offer(peer, server, answers.append, seconds=1)
            await until(lambda: len(answers) == 100)
            assert set(answers) == {Answer.YES}
            assert [sock.recv(10) for sock, _ in b.taken] == [b"%d" % n for n in range(100)]
            for client in clients:
                client.close()

    asyncio.run(main())


def test_who_cannot_take_it_says_no_and_the_sender_still_has_it() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            b.willing = False
            client, server = socket.socketpair()
            answers: list[Answer] = []
            a.handoff.offer(peer, server, answers.append, seconds=1)
            await until(lambda: answers)
            assert answers == [Answer.NO]
            server.sendall(b"mine")
            assert client.recv(10) == b"mine"
            client.close()
            server.close()

    asyncio.run(main())


def test_an_offer_that_is_found_too_late_is_thrown_away_and_the_sender_has_it_back() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            b.clock = 100.0  # it slept through the offer
            client, server = socket.socketpair()
            answers: list[Answer] = []
            loop = asyncio.get_running_loop()
            begun = loop.time()
            a.handoff.offer(peer, server, answers.append, seconds=0.05)
            await until(lambda: answers)
            assert answers == [Answer.LATE]
            assert loop.time() - begun >= 0.05 + MARGIN - 0.01
            assert b.taken == []
            client.sendall(b"still there")
            assert server.recv(100) == b"still there"
            client.close()
            server.close()

    asyncio.run(main())


def test_we_who_hung_ourselves_hear_the_yes_before_we_take_it_back() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            client, server = socket.socketpair()
            answers: list[Answer] = []
            a.handoff.offer(peer, server, answers.append, seconds=0.05)
            assert peer.out is not None
            peer.out.flush()
            assert b.mesh.peers[a.mesh.node.tag].incoming is not None
            incoming = b.mesh.peers[a.mesh.node.tag].incoming
            assert incoming is not None
            incoming.read_all()  # the other takes it and answers, while we do not turn
            assert len(b.taken) == 1
            a.handoff._late(1)  # as a loop does that runs its timers before it reads
            assert answers == [Answer.YES]
            client.close()

    asyncio.run(main())


def test_the_death_of_the_other_is_told_at_once() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            client, server = socket.socketpair()
            answers: list[Answer] = []
            a.handoff.offer(peer, server, answers.append, seconds=60)
            await b.mesh.aclose()
            await until(lambda: answers, 1)
            assert answers == [Answer.GONE]
            assert not a.handoff.offer(peer, server, answers.append, seconds=60)
            client.close()
            server.close()

    asyncio.run(main())


def test_nothing_is_offered_to_one_whose_queue_is_long() -> None:
    async def main() -> None:
        async with two() as (a, _, peer):
            a.mesh.send(peer, 99, bytes(QUEUE_MARK + 1))
            client, server = socket.socketpair()
            assert not a.handoff.offer(peer, server, lambda answer: None, seconds=1)
            assert a.handoff.pending == 0
            await a.mesh.drained()
            answers: list[Answer] = []
            assert a.handoff.offer(peer, server, answers.append, seconds=1)
            await until(lambda: answers == [Answer.YES])
            client.close()

    asyncio.run(main())


def test_a_receiver_without_descriptors_says_no() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            client, server = socket.socketpair()
            answers: list[Answer] = []
            a.handoff.offer(peer, server, answers.append, seconds=1)
            assert peer.out is not None
            peer.out.flush()
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            highest = max(int(name) for name in os.listdir("/dev/fd"))
            fillers = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
            try:
                try:
                    while True:
                        fillers.append(os.dup(0))
                except OSError:
                    pass
                incoming = b.mesh.peers[a.mesh.node.tag].incoming
                assert incoming is not None
                incoming.read_all()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for filler in fillers:
                    os.close(filler)
            await until(lambda: answers)
            assert answers == [Answer.NO]
            assert b.taken == []
            client.close()
            server.close()

    asyncio.run(main())


def test_garbage_is_counted() -> None:
    async def main() -> None:
        async with two() as (a, b, peer):
            for kind in (32, 33, 34):
                a.mesh.send(peer, kind, b"?")
            a.mesh.send(peer, 33, (12345).to_bytes(8, "big"))  # a yes to nothing
            await until(lambda: b.mesh.garbage == 3)

    asyncio.run(main())


def test_who_does_not_accept_connections_says_no_at_once() -> None:
    async def main() -> None:
        with runtime_folder() as folder:
            a, starting = Worker(folder), Mesh(folder, identity())
            refuse_offers(starting)
            await a.mesh.start()
            await starting.start()
            await until(lambda: [peer.up for peer in a.mesh.peers.values()] == [True])
            client, server = socket.socketpair()
            before = len(os.listdir("/proc/self/fd"))
            answers: list[Answer] = []
            assert a.handoff.offer(a.mesh.peers[starting.node.tag], server, answers.append, seconds=3600)
            await until(lambda: answers)
            assert answers == [Answer.NO]
            assert len(os.listdir("/proc/self/fd")) == before
            server.sendall(b"still here")
            assert client.recv(100) == b"still here"
            for end in (client, server):
                end.close()
            await a.mesh.aclose()
            await starting.aclose()

    asyncio.run(main())
