"""AdapterConformance: what every adapter must do, as a suite that its author inherits in a test file.

Knows the promises of an adapter; does not know how one is made, nor how nodes are joined (fleet.py). Needs no test
framework: pytest finds the class and its methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from flocket.errors import AckTimeout
from flocket.testing.client import connect
from flocket.testing.fleet import Fleet, OnFleets

__all__ = ["AdapterConformance"]

ODD_ROOMS = ["a#b", "*", "?", "[a]", "\x00", "é☃", "12", " ", "room with spaces", "x" * 2_000]


class AdapterConformance(OnFleets):
    """Inherit it, name the class Test..., and say how your adapters are made:

        class TestMine(AdapterConformance):
            @asynccontextmanager
            async def adapters(self, count):
                yield [MyAdapter(...) for _ in range(count)]

    Each of the `count` is given to a Server's `io.adapter(...)`; all must be joined with each other. `timeout` is how
    long (seconds) anything may take, `quiet` how long nothing must have come to be held as not coming.
    """

    # -- emissions ------------------------------------------------------------------------------------------

    def test_an_event_reaches_every_client_of_every_node_once(self) -> None:
        async def test(fleet: Fleet) -> None:
            value = {"n": [1, 2.5, None, True, "é"], "deep": {"a": [{}]}}
            await fleet.nodes[0].emit("hi", value)
            await self.hears(fleet.clients, "hi", value)
            await self.silent(fleet.clients, "hi")

        self.run(test)

    def test_bytes_at_any_depth_cross(self) -> None:
        async def test(fleet: Fleet) -> None:
            fleet.nodes[1].emit("data", b"\x00\xff", {"a": [b"x" * 100_000]})
            await self.hears(fleet.clients, "data", b"\x00\xff", {"a": [b"x" * 100_000]})

        self.run(test)

    def test_events_of_one_node_come_in_the_order_of_emission(self) -> None:
        async def test(fleet: Fleet) -> None:
            for number in range(200):
                fleet.nodes[0].emit("number", number)
            for client in fleet.clients:
                for number in range(200):
                    assert await client.receive("number", timeout=self.timeout) == (number,)

        self.run(test)

    def test_what_is_changed_after_emitting_changes_nothing(self) -> None:
        async def test(fleet: Fleet) -> None:
            value = [1]
            fleet.nodes[0].emit("value", value)
            value.append(2)
            await self.hears(fleet.clients, "value", [1])

        self.run(test)

    def test_a_room_reaches_its_members_on_every_node_once(self) -> None:
        async def test(fleet: Fleet) -> None:
            members = fleet.clients[::2]
            for client in members:
                await fleet.socket(client).join("red", "blue")
            fleet.nodes[2].to("red", "blue").emit("news")
            await self.hears(members, "news")
            await self.silent(fleet.clients, "news")

        self.run(test)

    def test_a_room_that_was_left_reaches_nobody(self) -> None:
        async def test(fleet: Fleet) -> None:
            socket = fleet.socket(fleet.clients[2])
            await socket.join("red")
            await socket.leave("red")
            fleet.nodes[0].to("red").emit("news")
            await self.silent(fleet.clients, "news")

        self.run(test)

    def test_excepted_rooms_and_ids_hold_on_every_node(self) -> None:
        async def test(fleet: Fleet) -> None:
            left_out = fleet.clients[3]
            await fleet.socket(fleet.clients[5]).join("quiet")
            fleet.nodes[0].except_(left_out.id, "quiet").emit("news")
            await self.hears([fleet.clients[index] for index in (0, 1, 2, 4)], "news")
            await self.silent(fleet.clients, "news")

        self.run(test)

    def test_a_sockets_own_room_reaches_it_from_any_node(self) -> None:
        async def test(fleet: Fleet) -> None:
            for node in fleet.nodes:
                for client in fleet.clients:
                    node.to(client.id).emit("you", client.id)
            for client in fleet.clients:
                for _ in fleet.nodes:
                    assert await client.receive("you", timeout=self.timeout) == (client.id,)

        self.run(test)

    def test_a_room_may_have_any_name(self) -> None:
        async def test(fleet: Fleet) -> None:
            for room in ODD_ROOMS:
                await fleet.socket(fleet.clients[-1]).join(room)
            for number, room in enumerate(ODD_ROOMS):
                fleet.nodes[0].to(room).emit("news", number)
                await self.hears(fleet.clients[-1:], "news", number)
            fleet.nodes[0].to("nobody's").emit("news", -1)
            await self.silent(fleet.clients, "news")

        self.run(test)

    def test_joins_and_emissions_race_and_none_is_lost(self) -> None:
        async def test(fleet: Fleet) -> None:
            for number in range(50):
                room = f"room {number}"
                for client in fleet.clients:
                    fleet.socket(client).join(room)
                await fleet.socket(fleet.clients[number % len(fleet.clients)]).join(room)
                for client in fleet.clients:
                    await fleet.socket(client).join(room)
                fleet.nodes[number % len(fleet.nodes)].to(room).emit("news", number)
            for client in fleet.clients:
                got = sorted([(await client.receive("news", timeout=self.timeout))[0] for _ in range(50)])
                assert got == list(range(50))

        self.run(test)

    def test_local_stays_on_its_node(self) -> None:
        async def test(fleet: Fleet) -> None:
            fleet.nodes[0].local.emit("here")
            await self.hears(fleet.clients[:2], "here")
            await self.silent(fleet.clients[2:], "here")

        self.run(test)

    def test_volatile_crosses_to_whoever_listens(self) -> None:
        async def test(fleet: Fleet) -> None:
            fleet.nodes[0].volatile.emit("maybe", 1)
            await self.hears(fleet.clients, "maybe", 1)

        self.run(test)

    def test_namespaces_are_apart(self) -> None:
        async def test(fleet: Fleet) -> None:
            for node in fleet.nodes:
                node.of("/admin")
            async with connect(fleet.nodes[2], namespace="/admin") as admin:
                await self.until(lambda: _is(fleet.nodes[0].of("/admin").count(), 1))
                fleet.nodes[0].of("/admin").emit("secret")
                await self.hears([admin], "secret")
                await self.silent(fleet.clients, "secret")

        self.run(test)

    def test_a_namespace_made_a_moment_ago_speaks_and_asks(self) -> None:
        async def test(fleet: Fleet) -> None:
            for name in ("/said", "/asked", "/told"):
                fleet.nodes[2].of(name)
            fleet.nodes[2].of("/told").on_server_side("who?")(lambda: 2)
            async with (
                connect(fleet.nodes[2], namespace="/said") as said,
                connect(fleet.nodes[2], namespace="/asked") as asked,
            ):
                asked.on("well?", lambda: "yes")
                fleet.nodes[0].of("/said").emit("news", 1)
                await self.hears([said], "news", 1)
                fleet.nodes[1].of("/said").disconnect_sockets()
                await self.until(lambda: _is_true(not said.connected))
                assert await fleet.nodes[0].of("/asked").timeout(self.timeout).emit_with_ack("well?") == ["yes"]
                assert await fleet.nodes[1].of("/asked").count() == 1
                assert 2 in await fleet.nodes[0].of("/told").server_side_emit_with_ack("who?")

        self.run(test)

    # -- questions to clients -------------------------------------------------------------------------------

    def test_every_client_of_every_node_answers_once(self) -> None:
        async def test(fleet: Fleet) -> None:
            for number, client in enumerate(fleet.clients):
                client.on("how many?", lambda asked, number=number: [asked, number, b"\x01"])
            answers = await fleet.nodes[1].timeout(self.timeout).emit_with_ack("how many?", 7)
            assert sorted(answers) == [[7, number, b"\x01"] for number in range(len(fleet.clients))]
            assert answers.missing == []

        self.run(test)

    def test_a_question_to_an_empty_room_is_answered_at_once(self) -> None:
        async def test(fleet: Fleet) -> None:
            async with asyncio.timeout(self.timeout):
                assert await fleet.nodes[0].to("nobody").timeout(60).emit_with_ack("anybody?") == []

        self.run(test)

    def test_a_question_that_one_client_does_not_answer_brings_the_others(self) -> None:
        async def test(fleet: Fleet) -> None:
            for client in fleet.clients[:-1]:
                client.on("well?", lambda: "yes")
            came: list[Any] | None = None
            try:
                await fleet.nodes[0].timeout(0.5).emit_with_ack("well?")
            except AckTimeout as late:
                came = late.answers
            assert came == ["yes"] * (len(fleet.clients) - 1)

        self.run(test)

    # -- sockets of other nodes -----------------------------------------------------------------------------

    def test_sockets_of_every_node_are_fetched_and_counted(self) -> None:
        async def test(fleet: Fleet) -> None:
            for client in fleet.clients:
                fleet.socket(client).data["name"] = client.id
            await fleet.socket(fleet.clients[4]).join("red")
            for node in fleet.nodes:
                found = await node.fetch_sockets()
                assert sorted(socket.id for socket in found) == sorted(client.id for client in fleet.clients)
                assert all(socket.data == {"name": socket.id} for socket in found)
                assert all(socket.id in socket.rooms and socket.handshake["query"] for socket in found)
                assert [socket.id for socket in await node.to("red").fetch_sockets()] == [fleet.clients[4].id]
                assert await node.count() == len(fleet.clients)
                assert await node.to("red").count() == 1

        self.run(test)

    def test_sockets_join_and_leave_from_afar(self) -> None:
        async def test(fleet: Fleet) -> None:
            await fleet.nodes[0].to(fleet.clients[3].id, fleet.clients[5].id).sockets_join("red")
            await self.until(lambda: _is(fleet.nodes[1].to("red").count(), 2))
            await fleet.nodes[2].to(fleet.clients[3].id).sockets_leave("red")
            await self.until(lambda: _is(fleet.nodes[1].to("red").count(), 1))
            fleet.nodes[0].to("red").emit("news")
            await self.hears([fleet.clients[5]], "news")
            await self.silent(fleet.clients, "news")

        self.run(test)

    def test_sockets_are_disconnected_from_afar(self) -> None:
        async def test(fleet: Fleet) -> None:
            far = fleet.clients[4]
            await fleet.nodes[0].to(far.id).disconnect_sockets(close=True)
            await self.until(lambda: _is(fleet.nodes[0].count(), len(fleet.clients) - 1))
            assert not far.connected

        self.run(test)

    # -- node to node ---------------------------------------------------------------------------------------

    def test_a_server_side_event_reaches_the_other_nodes_only(self) -> None:
        async def test(fleet: Fleet) -> None:
            heard: list[tuple[int, Any]] = []
            for number, node in enumerate(fleet.nodes):
                node.on_server_side("refresh")(lambda value, number=number: heard.append((number, value)))
            fleet.nodes[0].server_side_emit("refresh", {"a": 1})
            await self.until(lambda: _is_true(len(heard) == len(fleet.nodes) - 1))
            await asyncio.sleep(self.quiet)
            assert sorted(heard, key=str) == [(number, {"a": 1}) for number in range(1, len(fleet.nodes))]

        self.run(test)

    def test_the_other_nodes_answer_a_server_side_question(self) -> None:
        async def test(fleet: Fleet) -> None:
            for number, node in enumerate(fleet.nodes):
                node.on_server_side("who?")(lambda number=number: number)
            assert sorted(await fleet.nodes[0].server_side_emit_with_ack("who?")) == [1, 2]

        self.run(test)

    # -- nodes come and go ----------------------------------------------------------------------------------

    def test_a_node_that_closes_is_no_longer_asked(self) -> None:
        async def test(fleet: Fleet) -> None:
            await fleet.nodes[2].close()
            await self.until(lambda: _is(fleet.nodes[0].of("/").adapter.server_count(), 2))
            async with asyncio.timeout(self.timeout):
                assert await fleet.nodes[0].count() == 4
            fleet.nodes[0].emit("still", "here")
            await self.hears(fleet.clients[:4], "still", "here")

        self.run(test)

    def test_one_node_alone_works(self) -> None:
        async def test(fleet: Fleet) -> None:
            fleet.nodes[0].emit("alone")
            await self.hears(fleet.clients, "alone")
            assert await fleet.nodes[0].count() == 2
            assert await fleet.nodes[0].server_side_emit_with_ack("anybody?") == []

        self.run(test, count=1)


async def _is(found: Awaitable[int], expected: int) -> bool:
    return await found == expected


async def _is_true(found: bool) -> bool:
    return found
