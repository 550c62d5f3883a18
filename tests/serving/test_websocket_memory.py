"""What clients cost in memory, by the operating system's account of a server process of its own."""

from __future__ import annotations

import asyncio
import subprocess

from tests.serving.echo import echo_process
from tests.serving.peer import Peer, farewell, masked, until

FIN, CONTINUATION, TEXT, CLOSE, PING, PONG = 0x80, 0, 1, 8, 9, 10


def resident(pid: int) -> int:
    """KiB of memory that the process holds now."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)]))


async def open_many(port: int, number: int) -> list[Peer]:
    return [await Peer.websocket(port) for _ in range(number)]


def test_an_idle_client_costs_little() -> None:
    async def scenario(port: int, pid: int) -> None:
        warm = await open_many(port, 100)
        before = resident(pid)
        peers = await open_many(port, 800)
        cost = (resident(pid) - before) / len(peers)
        assert cost <= 8, f"{cost} KiB a client"
        await farewell(*warm, *peers)

    with echo_process() as (port, pid):
        asyncio.run(scenario(port, pid))


def test_a_client_that_once_sent_much_and_fell_silent_costs_at_most_64_kib() -> None:
    async def scenario(port: int, pid: int) -> None:
        peers = await open_many(port, 200)
        before = resident(pid)
        message = masked(FIN | TEXT, b"x" * 900_000)
        for peer in peers:
            peer.send(message)
            assert len((await peer.frame()).payload) == 900_000
        cost = (resident(pid) - before) / len(peers)
        assert cost <= 64, f"{cost} KiB a client"
        await farewell(*peers)

    with echo_process() as (port, pid):
        asyncio.run(scenario(port, pid))


def test_a_hundred_megabytes_of_pings_whose_answers_nobody_reads_stay_within_a_bound() -> None:
    async def scenario(port: int, pid: int) -> None:
        peer = await Peer.websocket(port)
        before = resident(pid)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads too
        pings = masked(FIN | PING, b"p" * 125) * 8_000
        for _ in range(100):
            peer.send(pings)
            await peer.writer.drain()
        peer.send(masked(FIN | PING, b"last"))
        await until(lambda: not peer.writer.transport.get_write_buffer_size(), 30)
        assert resident(pid) - before < 4_096
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        while (frame := await peer.frame()).payload != b"last":
            assert frame == (FIN | PONG, b"p" * 125)
        await farewell(peer)

    with echo_process() as (port, pid):
        asyncio.run(scenario(port, pid))


def test_a_message_in_tiny_fragments_is_cut_off_before_it_costs_much() -> None:
    async def scenario(port: int, pid: int) -> None:
        peer = await Peer.websocket(port)
        before = resident(pid)
        peer.send(masked(TEXT, b"x"), masked(CONTINUATION, b"x") * 131_072)
        first, payload = await peer.frame()
        assert (first, payload) == (FIN | CLOSE, (1008).to_bytes(2, "big"))
        assert resident(pid) - before < 8_192
        await farewell(peer)

    with echo_process() as (port, pid):
        asyncio.run(scenario(port, pid))
