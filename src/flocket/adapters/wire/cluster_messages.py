"""Message <-> the map `{type, data, uid, nsp}` of Node's ClusterAdapter, which several dialects share.

Knows the numbers and keys; does not know whether the map is written as JSON or msgpack, nor the channel.
"""

from __future__ import annotations

from typing import Any

from flocket.adapters import messages as m
from flocket.adapters.wire import values as v
from flocket.codec.errors import DecodeError

__all__ = ["MAY_HOLD_BYTES", "NUMBERS", "from_map", "to_map"]

NUMBERS: dict[type[m.Message], int] = {
    m.InitialHeartbeat: 1,
    m.Heartbeat: 2,
    m.Broadcast: 3,
    m.Join: 4,
    m.Leave: 5,
    m.DisconnectSockets: 6,
    m.FetchSockets: 7,
    m.FetchSocketsResponse: 8,
    m.ServerSideEmit: 9,
    m.ServerSideEmitResponse: 10,
    m.BroadcastClientCount: 11,
    m.BroadcastAck: 12,
    m.Close: 13,
}
MAY_HOLD_BYTES = frozenset({3, 8, 9, 10, 12})  # the types whose data Node's adapters search for binary


def _data(message: m.Message) -> dict[str, Any] | None:
    match message:
        case m.Broadcast(data=data, opts=opts, request_id=request_id, nsp=nsp):
            packet = {"type": 2, "data": data, "nsp": nsp}
            if request_id is None:
                return {"packet": packet, "opts": v.write_options(opts)}
            return {"packet": packet, "requestId": request_id, "opts": v.write_options(opts)}
        case m.Join(opts=opts, rooms=rooms) | m.Leave(opts=opts, rooms=rooms):
            return {"opts": v.write_options(opts), "rooms": rooms}
        case m.DisconnectSockets(opts=opts, close=close):
            return {"opts": v.write_options(opts), "close": close}
        case m.FetchSockets(opts=opts, request_id=request_id):
            return {"opts": v.write_options(opts), "requestId": request_id}
        case m.FetchSocketsResponse(request_id=request_id, sockets=sockets):
            return {"requestId": request_id, "sockets": sockets}
        case m.ServerSideEmit(data=data, request_id=None):
            return {"packet": data}
        case m.ServerSideEmit(data=data, request_id=request_id):
            return {"requestId": request_id, "packet": data}
        case m.BroadcastClientCount(request_id=request_id, count=count):
            return {"requestId": request_id, "clientCount": count}
        case m.BroadcastAck(request_id=request_id, value=value):
            return {"requestId": request_id, **({} if value is None else {"packet": value})}
        case m.ServerSideEmitResponse(request_id=request_id, value=value):
            return {"requestId": request_id, **({} if value is None else {"packet": value})}
    return None


def to_map(message: m.Message) -> dict[str, Any]:
    """The map that says `message`, its keys in Node's order."""
    number = NUMBERS.get(type(message))
    if number is None:
        raise TypeError(f"Node's cluster has no word for {type(message).__name__}")
    data = _data(message)
    if data is None:
        return {"type": number, "uid": message.uid, "nsp": message.nsp}
    return {"type": number, "data": data, "uid": message.uid, "nsp": message.nsp}


def from_map(value: Any, nsp: str) -> m.Message:
    """Read a map. One without `nsp`, as some emitters send it, is meant for the namespace of its channel."""
    fields = v.mapping(value, "message")
    uid = v.text(fields.get("uid"), "uid")
    said = fields.get("nsp")
    if said is not None and said != nsp:
        raise DecodeError(f"not for {nsp}: {said!r:.60}")
    return from_data(v.count(fields.get("type"), "type"), fields.get("data"), uid, nsp)


def from_data(kind: int, value: Any, uid: str, nsp: str) -> m.Message:
    """Read the data of a message of type `kind`."""
    match kind:
        case 1:
            return m.InitialHeartbeat(uid=uid, nsp=nsp)
        case 2:
            return m.Heartbeat(uid=uid, nsp=nsp)
        case 13:
            return m.Close(uid=uid, nsp=nsp)
    data = v.mapping(value, "data")
    if kind == 3:
        packet = v.mapping(data.get("packet"), "packet")
        # Node's sender may not have set the packet's nsp yet; its receiver sets it.
        if packet.get("nsp") not in (None, nsp) or packet.get("type") not in (2, 5):
            raise DecodeError(f"not an event of {nsp}: {packet!r:.60}")
        asked = data.get("requestId")
        return m.Broadcast(
            uid=uid,
            nsp=nsp,
            data=v.event(packet.get("data")),
            opts=v.options(data.get("opts")),
            request_id=None if asked is None else v.identifier(asked, "requestId"),
        )
    if kind in (4, 5):
        move = m.Join if kind == 4 else m.Leave
        return move(uid=uid, nsp=nsp, opts=v.options(data.get("opts")), rooms=v.rooms(data.get("rooms")))
    if kind == 6:
        opts = v.options(data.get("opts"))
        return m.DisconnectSockets(uid=uid, nsp=nsp, opts=opts, close=bool(data.get("close")))
    if kind == 9:
        asked = data.get("requestId")
        request_id = None if asked is None else v.identifier(asked, "requestId")
        return m.ServerSideEmit(uid=uid, nsp=nsp, data=v.event(data.get("packet")), request_id=request_id)
    return _from_numbered(kind, data, uid, nsp)


def _from_numbered(kind: int, data: dict[str, Any], uid: str, nsp: str) -> m.Message:
    request_id = v.identifier(data.get("requestId"), "requestId")
    match kind:
        case 7:
            return m.FetchSockets(uid=uid, nsp=nsp, request_id=request_id, opts=v.options(data.get("opts")))
        case 8:
            sockets = v.socket_list(data.get("sockets"))
            return m.FetchSocketsResponse(uid=uid, nsp=nsp, request_id=request_id, sockets=sockets)
        case 10:
            value = data.get("packet")
            return m.ServerSideEmitResponse(uid=uid, nsp=nsp, request_id=request_id, value=value)
        case 11:
            count = v.count(data.get("clientCount"), "clientCount")
            return m.BroadcastClientCount(uid=uid, nsp=nsp, request_id=request_id, count=count)
        case 12:
            return m.BroadcastAck(uid=uid, nsp=nsp, request_id=request_id, value=data.get("packet"))
    raise DecodeError(f"no message has the type {kind}")
