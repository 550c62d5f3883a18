"""The brain and our own dialect, on the memory bus: three nodes and their clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.tools import runtime_folder
from tests.support.fleet import LocalClient, fleet
from tests.support.polling import until

from flocket import AckTimeout, ConfigError, EncodeError, Server
from flocket.adapters.bus import OnMessage
from flocket.adapters.buses.memory import MemoryBroker, MemoryBus
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus
from flocket.adapters.cluster import ClusterAdapter
from flocket.cluster.runtime import make_identity
from flocket.codec import socketio
from flocket.codec.socketio import Packet, PacketType
from flocket.options import Limits
from flocket.sockets.contracts import Decoder
from flocket.sockets.parsers import JsonParser
from flocket.sockets.target import EVERYONE


class Cluster:
    """Three nodes on one broker, with two clients each; `buses` and `adapters` in the order of `nodes`."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.buses: list[MemoryBus] = []
        self.adapters: list[ClusterAdapter] = []
        self.nodes: list[Server[Any]] = []
        self.clients: list[LocalClient] = []

    def make_adapter(self) -> ClusterAdapter:
        self.buses.append(MemoryBus(self.broker))
        self.adapters.append(ClusterAdapter(self.buses[-1], heartbeat_interval=0.1, heartbeat_timeout=0.5))
        return self.adapters[-1]

    async def known(self) -> None:
        """Return once each node knows the others."""
        await until(lambda: all(len(adapter.peers) == len(self.nodes) - 1 for adapter in self.adapters))


@asynccontextmanager
async def cluster(setup: Callable[[Server[Any]], None] | None = None, **options: Any) -> AsyncIterator[Cluster]:
    made = Cluster()
    async with fleet(3, made.make_adapter, setup, **options) as made.nodes:
        await made.known()
        for node in made.nodes:
            for _ in range(2):
                made.clients.append(await LocalClient(node).connected())
        yield made


def run(test: Callable[[Cluster], Coroutine[Any, Any, None]], setup: Any = None, **options: Any) -> None:
    async def body() -> None:
        async with cluster(setup, **options) as made:
            await asyncio.wait_for(test(made), 20)

    asyncio.run(body())


def test_an_event_for_all_reaches_each_client_of_each_node_once() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.nodes[0].emit("hi", 1, b"\x01", {"a": [b"\x02"]})
        cluster.nodes[1].emit("ho")
        for client in cluster.clients:
            await client.has(2)
            assert sorted(client.events, key=str) == [["hi", 1, b"\x01", {"a": [b"\x02"]}], ["ho"]]
        await asyncio.sleep(0.02)
        assert all(len(client.events) == 2 for client in cluster.clients)

    run(test)


class CountingParser:
    """Socket.IO's own, of all nodes: `encoded` are the events that it made messages of."""

    def __init__(self) -> None:
        self.encoded: list[Any] = []

    def encode(self, packet: Packet) -> list[str | bytes]:
        if packet.type == PacketType.EVENT:
            self.encoded.append(packet.data)
        text, attachments = socketio.encode(packet)
        return [text[1:].decode(), *attachments]  # the first character is Engine.IO's

    def decoder(self) -> Decoder:
        return JsonParser(Limits()).decoder()


def test_an_event_is_encoded_once_for_all_nodes() -> None:
    parser = CountingParser()

    async def test(cluster: Cluster) -> None:
        cluster.nodes[0].emit("hi", 1, b"\x01")
        for client in cluster.clients:
            await client.got("hi", 1, b"\x01")
        assert parser.encoded == [["hi", 1, b"\x01"]]

    run(test, parser=parser)


def test_an_event_for_a_room_is_sent_to_the_nodes_of_its_members_only() -> None:
    async def test(folder: Path) -> None:
        meshes = [Mesh(folder, make_identity(folder)) for _ in range(3)]
        buses = [UnixBus(mesh) for mesh in meshes]
        adapters = iter([ClusterAdapter(bus, node=bus.mesh.node) for bus in buses])
        heard: list[list[str]] = []
        async with fleet(3, lambda: next(adapters)) as nodes:
            clients = [await LocalClient(node).connected() for node in nodes]
            await until(lambda: all(len(bus.peers()) == 2 for bus in buses))
            await nodes[1].sockets[clients[1].sid].join("room")
            await nodes[1].of("/").adapter.settled()
            for bus in buses:
                heard.append([])
                bus._on_message = _listening(heard[-1], bus._on_message)
            for number in range(10):
                nodes[0].to("room").emit("room", number)
            nodes[0].emit("all")
            for client in clients:
                await until(lambda client=client: ["all"] in client.events)  # type: ignore[misc]
            assert [event[0] for event in clients[1].events] == ["room"] * 10 + ["all"]
            assert [len(channels) for channels in heard] == [0, 11, 1]
            assert clients[2].events == [["all"]]

    with runtime_folder() as folder:
        asyncio.run(test(folder))


def _listening(heard: list[str], on_message: OnMessage) -> OnMessage:
    def listen(channel: str, data: bytes) -> None:
        heard.append(channel)
        on_message(channel, data)

    return listen


def test_what_is_nested_too_deep_for_other_nodes_is_refused_to_who_says_it() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    async def test(cluster: Cluster) -> None:
        with pytest.raises(EncodeError):
            cluster.nodes[0].server_side_emit("deep", deep)
        with pytest.raises(EncodeError):
            await cluster.nodes[0].server_side_emit_with_ack("deep", deep)
        cluster.nodes[0].emit("after")
        for client in cluster.clients:
            await client.got("after")

    run(test)


def test_a_message_of_64_megabytes_is_counted_and_ignored_on_each_channel() -> None:
    async def test(cluster: Cluster) -> None:
        node = cluster.adapters[1].node
        assert node is not None
        for number, channel in enumerate(("flocket#", "flocket#/#", f"flocket#@{node.uid}"), 1):
            cluster.buses[1].arrive(channel, b"\x01\x00" + b"\x91" * 64_000_000, 0)
            await until(lambda n=number: cluster.adapters[1].counters.bad_messages == n)  # type: ignore[misc]
        cluster.nodes[0].emit("after")
        for client in cluster.clients:
            await client.got("after")

    run(test)


def test_rooms_and_exceptions_hold_across_nodes() -> None:
    async def test(cluster: Cluster) -> None:
        a, b, c, d, e, f = cluster.clients
        for node, client in zip(cluster.nodes, (a, c, e), strict=True):
            node.sockets[client.sid].join("red")
        cluster.nodes[1].sockets[d.sid].join("red", "blue")
        cluster.nodes[0].to("red").except_("blue").emit("red")
        cluster.nodes[2].to("red", "blue").emit("both")
        cluster.nodes[0].to().emit("nobody")
        cluster.nodes[0].local.emit("local")
        cluster.nodes[1].sockets[c.sid].to("red").emit("others")
        for client, events in [
            (a, ["red", "both", "local", "others"]),
            (b, ["local"]),
            (c, ["red", "both"]),
            (d, ["both", "others"]),
            (e, ["red", "both", "others"]),
            (f, []),
        ]:
            await client.has(len(events))
            assert sorted(event[0] for event in client.events) == sorted(events)

    run(test)


def test_events_of_one_node_arrive_in_order() -> None:
    async def test(cluster: Cluster) -> None:
        for number in range(500):
            cluster.nodes[0].emit("n", number)
        for client in cluster.clients:
            await client.has(500)
            assert [event[1] for event in client.events] == list(range(500))

    run(test)


def test_what_is_emitted_is_what_it_was_at_the_call() -> None:
    async def test(cluster: Cluster) -> None:
        value = [1]
        cluster.nodes[0].emit("value", value)
        value.append(2)
        for client in cluster.clients:
            await client.got("value", [1])
        with pytest.raises(EncodeError, match=r"^\$\[1\]"):
            cluster.nodes[0].emit("value", {1, 2})

    run(test)


def test_joins_leaves_and_disconnections_reach_every_node() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.nodes[0].sockets_join("all")
        await until(lambda: all(len(node.rooms.get("all", ())) == 2 for node in cluster.nodes))
        cluster.nodes[1].to(cluster.clients[0].sid, cluster.clients[4].sid).sockets_leave("all")
        await until(lambda: [len(node.rooms.get("all", ())) for node in cluster.nodes] == [1, 2, 1])
        cluster.nodes[2].to("all").disconnect_sockets()
        await until(lambda: [len(node.sockets) for node in cluster.nodes] == [1, 0, 1])
        assert [client.disconnected for client in cluster.clients] == [False, True, True, True, False, True]

    run(test)


def test_sockets_are_fetched_and_counted_on_every_node() -> None:
    async def test(cluster: Cluster) -> None:
        for number, node in enumerate(cluster.nodes):
            for socket in node.sockets.values():
                socket.data["node"] = number
        fetched = await cluster.nodes[0].fetch_sockets()
        assert {socket.id for socket in fetched} == {client.sid for client in cluster.clients}
        assert sorted(socket.data["node"] for socket in fetched) == [0, 0, 1, 1, 2, 2]
        assert all(socket.handshake["headers"] == {"user-agent": "local"} for socket in fetched)
        assert all(socket.rooms == {socket.id} for socket in fetched)
        assert await cluster.nodes[1].count() == 6
        assert await cluster.nodes[1].to(cluster.clients[0].sid).count() == 1
        assert await cluster.nodes[1].to("nowhere").count() == 0
        assert await cluster.nodes[1].local.count() == 2
        await fetched[-1].join("far")
        await until(lambda: sum(len(node.rooms.get("far", ())) for node in cluster.nodes) == 1)

    run(test)


def test_data_that_cannot_be_sent_hides_no_socket() -> None:
    async def test(cluster: Cluster) -> None:
        next(iter(cluster.nodes[1].sockets.values())).data["bad"] = object()
        fetched = await cluster.nodes[0].fetch_sockets()
        assert sorted(map(str, (socket.data for socket in fetched))) == ["None", "{}", "{}", "{}", "{}", "{}"]

    run(test)


def numbered(number: int, data: list[Any]) -> list[Any]:
    return [number, data[1]]


def test_acknowledgements_of_all_clients_are_gathered() -> None:
    async def test(cluster: Cluster) -> None:
        for number, client in enumerate(cluster.clients):
            client.answer = partial(numbered, number)
        answers = await cluster.nodes[0].emit_with_ack("question", "x")
        assert sorted(answers) == [0, 1, 2, 3, 4, 5]
        assert answers.missing == []
        nobody = await cluster.nodes[0].to("nowhere").emit_with_ack("question", "x")
        assert nobody == []
        far = await cluster.nodes[0].to(cluster.clients[5].sid).emit_with_ack("question", "x")
        assert far == [5]

    run(test)


def test_a_node_without_others_waits_for_its_own_clients() -> None:
    async def body() -> None:
        made = Cluster()
        async with fleet(1, made.make_adapter) as (node,):
            client = await LocalClient(node).connected()
            client.answer = partial(numbered, 7)
            assert await node.emit_with_ack("question", "x") == [7]

    asyncio.run(body())


def test_a_client_that_goes_while_it_owes_an_answer_is_not_waited_for() -> None:
    async def test(cluster: Cluster) -> None:
        gone = cluster.clients[3]

        def leave(data: list[Any]) -> None:
            asyncio.get_running_loop().call_soon(gone.leave)

        gone.answer = leave
        answers = await cluster.nodes[0].timeout(5).emit_with_ack("question")
        assert answers == ["question"] * 5

    run(test)


def test_a_client_that_does_not_answer_raises_with_the_answers_that_came() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.clients[3].answer = lambda data: None
        with pytest.raises(AckTimeout) as caught:
            await cluster.nodes[0].timeout(0.3).emit_with_ack("question")
        assert caught.value.answers == ["question"] * 5

    run(test)


def with_handlers(node: Server[Any]) -> None:
    node.heard = []  # type: ignore[attr-defined]  # what a test looks at

    @node.on_server_side("refresh")
    def refresh(number: int) -> None:
        node.heard.append(number)  # type: ignore[attr-defined]  # as above

    @node.on_server_side("how many?")
    async def how_many() -> int:
        return len(node.sockets)

    @node.on_server_side("fails")
    def fails() -> None:
        raise ZeroDivisionError

    @node.on_server_side("cancelled")
    async def cancelled() -> None:
        elsewhere = asyncio.ensure_future(asyncio.Event().wait())
        elsewhere.cancel()
        await elsewhere


def test_nodes_tell_and_ask_each_other() -> None:
    async def test(cluster: Cluster) -> None:
        heard: Any = [node.heard for node in cluster.nodes]  # type: ignore[attr-defined]  # as above
        cluster.nodes[0].server_side_emit("refresh", 7)
        await until(lambda: heard == [[], [7], [7]])
        assert await cluster.nodes[1].server_side_emit_with_ack("how many?") == [2, 2]
        assert await cluster.nodes[1].server_side_emit_with_ack("unknown") == [None, None]
        assert await cluster.nodes[1].server_side_emit_with_ack("fails") == [None, None]
        assert await cluster.nodes[1].server_side_emit_with_ack("cancelled") == [None, None]
        assert cluster.nodes[0].counters.handler_errors == 2

    run(test, with_handlers)


def test_a_namespace_that_other_nodes_lack_is_answered_for_at_once() -> None:
    async def test(cluster: Cluster) -> None:
        only = cluster.nodes[0].of("/only")
        await asyncio.sleep(0)
        assert await asyncio.wait_for(only.fetch_sockets(), 1) == []
        assert await asyncio.wait_for(only.emit_with_ack("x"), 1) == []
        assert await asyncio.wait_for(only.server_side_emit_with_ack("x"), 1) == []

    run(test)


def test_a_node_that_leaves_is_forgotten_at_once() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.nodes[2].close()
        await until(lambda: all(len(adapter.peers) == 1 for adapter in cluster.adapters[:2]))
        assert await cluster.nodes[0].count() == 4

    run(test)


def test_a_node_that_dies_while_it_is_asked_is_left_out_and_named() -> None:
    async def test(cluster: Cluster) -> None:
        dead = cluster.adapters[2].node
        assert dead is not None
        cluster.buses[2].cut = True
        fetching = asyncio.create_task(cluster.nodes[0].of("/").adapter.fetch_sockets(EVERYONE))
        asking = asyncio.create_task(cluster.nodes[1].timeout(5).emit_with_ack("question"))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        sockets: Any = await fetching
        answers = await asking
        assert loop.time() - begun < 2
        assert len(sockets) == 4
        assert sockets.missing == [dead.uid]
        assert (answers, answers.missing) == (["question"] * 4, [dead.uid])
        assert await cluster.nodes[0].count() == 4
        cluster.buses[2].cut = False
        await cluster.known()
        assert await cluster.nodes[0].count() == 6

    run(test)


def test_a_node_that_dies_with_clients_that_owe_answers_is_left_out_and_named() -> None:
    async def test(cluster: Cluster) -> None:
        dead = cluster.adapters[2].node
        assert dead is not None

        def cut(data: list[Any]) -> None:
            cluster.buses[2].cut = True

        cluster.clients[4].answer = cluster.clients[5].answer = cut
        answers = await cluster.nodes[0].timeout(5).emit_with_ack("question")
        assert (answers, answers.missing) == (["question"] * 4, [dead.uid])

    run(test)


def test_the_silence_of_a_live_node_raises() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.adapters[2]._namespaces.clear()
        stuck: Any = cluster.adapters[2]
        stuck._pass_on = lambda message: None
        with pytest.raises(AckTimeout, match="1 of 2 other nodes"):
            await cluster.nodes[0].timeout(0.3).fetch_sockets()

    run(test)


def test_doubled_and_reordered_messages_reach_no_client_twice_or_out_of_order() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.broker.faults.double = cluster.broker.faults.reorder = 0.3
        for number in range(300):
            cluster.nodes[0].emit("n", number)
            await asyncio.sleep(0)
        assert await cluster.nodes[0].count() == 6
        await until(lambda: cluster.adapters[1].counters.received >= 200)
        await asyncio.sleep(0.05)
        for client in cluster.clients[2:]:
            numbers = [event[1] for event in client.events]
            assert numbers == sorted(set(numbers))
        assert cluster.adapters[1].counters.doubles > 0
        assert cluster.adapters[1].counters.late > 0

    run(test)


def test_lost_messages_are_counted_as_holes() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.nodes[0].emit("first")
        await asyncio.sleep(0.01)
        cluster.broker.faults.loss = 0.5
        for number in range(100):
            cluster.nodes[0].emit("n", number)
        cluster.broker.faults.loss = 0
        lost = cluster.broker.lost
        cluster.nodes[0].emit("last")
        await until(lambda: all(client.events[-1] == ["last"] for client in cluster.clients))
        assert sum(adapter.counters.holes for adapter in cluster.adapters) == lost > 0

    run(test)


def test_garbage_on_the_bus_is_counted_and_ignored() -> None:
    async def test(cluster: Cluster) -> None:
        for garbage in (b"", b"\x01", b"\x01\x00", b"\x80\x04\x95cos\nsystem\n.", b"\x01\x00" + b"\x91" * 99_999):
            for channel in ("flocket#", "flocket#/#"):
                cluster.buses[0].publish(channel, garbage)
        cluster.nodes[0].emit("after")
        for client in cluster.clients:
            await client.got("after")
        assert cluster.adapters[1].counters.bad_messages == 10

    run(test)


def test_strangers_without_the_key_are_neither_heard_nor_understood() -> None:
    async def test() -> None:
        broker = MemoryBroker()
        keys: list[str | None] = ["secret", "secret", None, "other"]
        adapters = [ClusterAdapter(MemoryBus(broker), key=key) for key in keys]
        waiting = iter(adapters)
        async with fleet(4, lambda: next(waiting)) as nodes:
            clients = [await LocalClient(node).connected() for node in nodes]
            await until(lambda: len(adapters[0].peers) == 1)
            for number, node in enumerate(nodes):
                node.emit("from", number)
            await asyncio.sleep(0.05)
            heard = [[event[1] for event in client.events] for client in clients]
            assert [sorted(numbers) for numbers in heard] == [[0, 1], [0, 1], [2], [3]]

    asyncio.run(test())


def test_cancelled_questions_leave_nothing_behind() -> None:
    async def test(cluster: Cluster) -> None:
        tasks = [asyncio.create_task(cluster.nodes[0].count()) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if isinstance(result, int)] == [6] * 50
        adapter: Any = cluster.nodes[0].of("/").adapter
        assert adapter.questions == {}

    run(test)


@pytest.mark.parametrize("name", ["requests_timeout", "heartbeat_interval", "heartbeat_timeout"])
@pytest.mark.parametrize("value", [0, "5", float("inf"), 5_000])
def test_times_are_seconds(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}=.*seconds"):
        ClusterAdapter(MemoryBus(MemoryBroker()), **{name: value})
