"""What a mixed cluster must do on Redis, whichever adapter joins it: the tests of each adapter run all of
this.

Two nodes of Node and two of ours, two clients each: whatever is said on either side means the same on the
other.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.mixed import Mixed
from tests.support.polling import until

from flocket import AckTimeout
from flocket.adapters.buses.redis import SHARD
from flocket.adapters.wire.sharded import Sharded

__all__ = ["CHECKS", "TOGETHER"]

ALL = {f"{side}{node}-{client}" for side in ("node", "ours") for node in (0, 1) for client in (0, 1)}


async def an_event_reaches_each_client_once(cluster: Mixed) -> None:
    values: list[Any] = ["hi", 1, -1.5, "ä€😀", None, True, {"a": [1, {"b": None}]}, 2**40]
    await cluster.theirs[0].do("emit", *values)
    await cluster.expect(values, ALL)
    cluster.ours[1].emit(*values)
    await cluster.expect(values, ALL)


async def bytes_arrive_as_bytes(cluster: Mixed) -> None:
    await cluster.theirs[0].do("emit", "bin", b"\x00\xff", "x")
    await cluster.expect(["bin", b"\x00\xff", "x"], ALL)
    cluster.ours[0].to("everyone").emit("bin", b"\x00" * 70_000)
    await cluster.expect(["bin", b"\x00" * 70_000], ALL)


async def rooms_and_exceptions_hold(cluster: Mixed) -> None:
    await cluster.theirs[0].do("clientJoin", client=0, room="red")
    await cluster.ours[0].sockets[cluster.clients[1].sid].join("red")
    await cluster.ours[1].sockets[cluster.clients[2].sid].join("blue")
    await _heard_by(cluster, {"red": 2, "blue": 1})
    red, blue = {"node0-0", "ours0-1"}, {"ours1-0"}
    for room, members in (("red", red), ("blue", blue)):
        await cluster.theirs[1].do("emit", "to", room, rooms=[room])
        await cluster.expect(["to", room], members)
        cluster.ours[1].to(room).emit("to", room)
        await cluster.expect(["to", room], members)
    await cluster.theirs[1].do("emit", "both", rooms=["red", "blue"])
    await cluster.expect(["both"], red | blue)
    cluster.ours[0].to("red", "blue").emit("both")
    await cluster.expect(["both"], red | blue)
    await cluster.theirs[0].do("emit", "not", **{"except": ["red"]})
    await cluster.expect(["not"], ALL - red)
    cluster.ours[1].except_("red", "blue").emit("not")
    await cluster.expect(["not"], ALL - red - blue)


async def local_stays_local_and_volatile_arrives(cluster: Mixed) -> None:
    await cluster.theirs[0].do("emit", "local", local=True)
    await cluster.expect(["local"], {"node0-0", "node0-1"})
    cluster.ours[0].local.emit("local")
    await cluster.expect(["local"], {"ours0-0", "ours0-1"})
    await cluster.theirs[1].do("emit", "volatile", volatile=True, compress=False)
    await cluster.expect(["volatile"], ALL)
    cluster.ours[1].volatile.compress(False).emit("volatile")
    await cluster.expect(["volatile"], ALL)


async def one_socket_is_reached_wherever_it_is(cluster: Mixed) -> None:
    await cluster.theirs[0].do("emit", "one", rooms=[cluster.ids["ours1-1"]])
    await cluster.expect(["one"], {"ours1-1"})
    cluster.ours[0].to(cluster.ids["node1-0"]).emit("one")
    await cluster.expect(["one"], {"node1-0"})


async def odd_room_names_reach_exactly_their_members(cluster: Mixed) -> None:
    # Were one of these a pattern, it would match names of the other side, which has other members.
    some = ["*", "?", "[x]", "[^y]", "a?b", "a*", "\\", "\x00", "12", "m" * 999_000]
    others = ["x", "#", "a#b", "a##b", "a*#", "\\*", "\x00\x00", "ünï", "x" * 20, "m" * 998_999]
    members = {name: {"ours0-0", "node1-1"} if name in some else {"ours1-1", "node0-0"} for name in (*some, *others)}
    for name in some:
        cluster.ours[0].sockets[cluster.clients[0].sid].join(name)
        await cluster.theirs[1].do("clientJoin", client=1, room=name)
    for name in others:
        cluster.ours[1].sockets[cluster.clients[3].sid].join(name)
        await cluster.theirs[0].do("clientJoin", client=0, room=name)
    await _heard_by(cluster, dict.fromkeys(members, 2))
    for number, name in enumerate(members):
        await cluster.theirs[number % 2].do("emit", "odd", number, rooms=[name])
        await cluster.expect(["odd", number], members[name])
        cluster.ours[number % 2].to(name).emit("odd", number)
        await cluster.expect(["odd", number], members[name])


async def _heard_by(cluster: Mixed, rooms: dict[str, int]) -> None:
    """Return once Redis knows that so many nodes hear each room: Node's sharded adapter does not wait for that."""
    for server in cluster.ours:
        await server.of("/").adapter.settled()
    link: Any = cluster.ours[0].of("/").adapter.link  # type: ignore[attr-defined]  # of a ClusterNamespace
    for room, nodes in rooms.items():
        if isinstance(link._wire, Sharded) and link._wire.subscribes(room, own=False):
            deadline = asyncio.get_running_loop().time() + 10
            while await link._bus.count(SHARD, link._wire.room_channel(room)) != nodes:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.01)


async def acknowledgements_of_all_are_gathered(cluster: Mixed) -> None:
    theirs = await cluster.theirs[0].do("emitWithAck", "question", 1)
    assert sorted(theirs["answers"]) == sorted(ALL)
    ours = await cluster.ours[0].timeout(2).emit_with_ack("question", 1)
    assert (sorted(ours), ours.missing) == (sorted(ALL), [])
    _clear(cluster)
    two = cluster.ours[1].to(cluster.ids["node0-0"], cluster.ids["ours0-0"])
    some = await two.emit_with_ack("question", b"\1")
    assert sorted(some) == ["node0-0", "ours0-0"]
    assert (await cluster.ours[1].to("nowhere").emit_with_ack("question")) == []
    _clear(cluster)


async def missing_acknowledgements_leave_those_that_came(cluster: Mixed) -> None:
    theirs = await cluster.theirs[0].do("emitWithAck", "silence", timeout=300)
    assert theirs == {"error": "operation has timed out", "answers": []}
    with pytest.raises(AckTimeout) as late:
        await cluster.ours[0].timeout(0.3).emit_with_ack("silence")
    assert late.value.answers == []
    _clear(cluster)


async def all_agree_on_how_many_nodes_there_are(cluster: Mixed) -> None:
    assert [await node.do("serverCount") for node in cluster.theirs] == [4, 4]
    assert [await server.of("/").adapter.server_count() for server in cluster.ours] == [4, 4]


async def sockets_are_fetched_from_either_side(cluster: Mixed) -> None:
    cluster.ours[0].sockets[cluster.clients[0].sid].data["more"] = {"n": [1, None]}
    theirs = await cluster.theirs[0].do("fetchSockets")
    ours = await cluster.ours[1].fetch_sockets()
    assert {socket["data"]["name"]: socket["id"] for socket in theirs} == cluster.ids
    assert {socket.data["name"]: socket.id for socket in ours} == cluster.ids
    for socket in theirs:
        assert set(socket["rooms"]) == {socket["id"], "everyone"}
        _check_handshake(socket["handshake"], socket["data"]["name"])
    for remote in ours:
        assert remote.rooms == {remote.id, "everyone"}
        _check_handshake(dict(remote.handshake), remote.data["name"])
    assert [socket["data"] for socket in theirs if socket["id"] == cluster.clients[0].sid] == [
        {"name": "ours0-0", "more": {"n": [1, None]}}
    ]
    assert await cluster.ours[0].count() == 8
    assert await cluster.ours[0].to(cluster.ids["node0-0"]).count() == 1
    assert len(await cluster.theirs[0].do("fetchSockets", rooms=[cluster.ids["ours1-1"]])) == 1


def _check_handshake(handshake: dict[str, Any], name: str) -> None:
    assert handshake["auth"] == {"name": name}
    assert {"headers", "time", "address", "xdomain", "secure", "issued", "url", "query"} <= set(handshake)
    assert isinstance(handshake["issued"], int)
    assert handshake["query"]["EIO"] == "4"


async def joins_and_leaves_reach_either_side(cluster: Mixed) -> None:
    async def members(room: str) -> list[int]:
        theirs = [await node.do("roomSize", room=room) for node in cluster.theirs]
        return theirs + [len(server.rooms.get(room, ())) for server in cluster.ours]

    async def becomes(room: str, counts: list[int]) -> None:
        deadline = asyncio.get_running_loop().time() + 10
        while await members(room) != counts:
            assert asyncio.get_running_loop().time() < deadline, await members(room)
            await asyncio.sleep(0.02)

    await cluster.theirs[0].do("join", to="far", rooms=["everyone"])
    await becomes("far", [2, 2, 2, 2])
    cluster.ours[0].to(cluster.ids["node0-0"], cluster.ids["ours1-0"]).sockets_leave("far")
    await becomes("far", [1, 2, 2, 1])
    await cluster.theirs[1].do("leave", to="far", rooms=[cluster.ids["ours0-0"]])
    await becomes("far", [1, 2, 1, 1])
    cluster.ours[1].except_(cluster.ids["node1-0"]).sockets_join("near", "nearer")
    await becomes("near", [2, 1, 2, 2])
    await becomes("nearer", [2, 1, 2, 2])


async def nodes_tell_and_ask_each_other(cluster: Mixed) -> None:
    heard: list[list[Any]] = [node.told for node in cluster.theirs]
    heard += [server.told for server in cluster.ours]  # type: ignore[attr-defined]  # of serve_like_node
    await cluster.theirs[0].do("tell", "tell", 1, "x")
    await until(lambda: heard == [[], [[1, "x"]], [[1, "x"]], [[1, "x"]]])
    cluster.ours[1].server_side_emit("tell", {"a": 2})
    await until(lambda: [len(told) for told in heard] == [1, 2, 2, 1])
    assert await cluster.theirs[0].do("ask", "count") == [2, 2, 2]
    assert await cluster.ours[0].server_side_emit_with_ack("count") == [2, 2, 2]


async def disconnections_reach_either_side(cluster: Mixed) -> None:
    await cluster.theirs[0].do("disconnect", rooms=[cluster.ids["ours0-0"]])
    await until(lambda: cluster.clients[0].disconnected)
    cluster.ours[0].to(cluster.ids["node0-0"], cluster.ids["ours1-1"]).disconnect_sockets()
    await until(lambda: cluster.clients[3].disconnected)

    async def left() -> int:
        return len(await cluster.theirs[1].do("fetchSockets"))

    deadline = asyncio.get_running_loop().time() + 10
    while await left() != 5:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
    assert await cluster.ours[1].count() == 5


async def a_node_that_dies_is_left_out_within_a_second(cluster: Mixed) -> None:
    cluster.theirs[1].stop()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    answers = await cluster.ours[0].timeout(5).emit_with_ack("question", 1)
    sockets = await cluster.ours[0].fetch_sockets()
    assert loop.time() - begun < 2
    assert sorted(answers) == sorted(ALL - {"node1-0", "node1-1"})
    assert len(sockets) == 6


def _clear(cluster: Mixed) -> None:
    for inbox in cluster.inboxes.values():
        inbox.clear()


CHECKS = [
    an_event_reaches_each_client_once,
    bytes_arrive_as_bytes,
    rooms_and_exceptions_hold,
    local_stays_local_and_volatile_arrives,
    one_socket_is_reached_wherever_it_is,
    odd_room_names_reach_exactly_their_members,
    acknowledgements_of_all_are_gathered,
    missing_acknowledgements_leave_those_that_came,
    all_agree_on_how_many_nodes_there_are,
    sockets_are_fetched_from_either_side,
    joins_and_leaves_reach_either_side,
    nodes_tell_and_ask_each_other,
    disconnections_reach_either_side,
    a_node_that_dies_is_left_out_within_a_second,
]
# What one cluster can do one after another.
TOGETHER = [
    all_agree_on_how_many_nodes_there_are,
    sockets_are_fetched_from_either_side,
    an_event_reaches_each_client_once,
    bytes_arrive_as_bytes,
    acknowledgements_of_all_are_gathered,
    nodes_tell_and_ask_each_other,
    joins_and_leaves_reach_either_side,
    rooms_and_exceptions_hold,
]
