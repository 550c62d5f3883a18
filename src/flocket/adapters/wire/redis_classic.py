"""Node's classic Redis dialect: a channel for each room, one for requests, one (or one a node) for responses.

As @socket.io/redis-adapter and @socket.io/redis-emitter speak it, legacy forms included. Does not know Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flocket.adapters import messages as m
from flocket.adapters.wire import values as v
from flocket.codec.errors import DecodeError

__all__ = ["RedisClassic"]

# The numbers of request types.
SOCKETS, ALL_ROOMS, JOIN, LEAVE, DISCONNECT, FETCH, SERVER_SIDE_EMIT, BROADCAST, CLIENT_COUNT, ACK = range(10)
_VERBS = {JOIN: "join", LEAVE: "leave", DISCONNECT: "disconnect"}
_NUMBERS = {verb: number for number, verb in _VERBS.items()}


class RedisClassic:
    """One namespace's words in the classic dialect, said by the node `uid`.

    `specific_responses` answers on the asker's own channel (Node's publishOnSpecificResponseChannel); answers
    are understood on both. `pack` and `unpack` replace msgpack where Node's nodes have another `parser`.
    """

    def __init__(
        self,
        nsp: str,
        uid: str,
        key: str = "socket.io",
        *,
        specific_responses: bool = False,
        pack: Callable[[Any], bytes] = v.pack,
        unpack: Callable[[bytes], Any] = v.unpack,
    ) -> None:
        self.nsp = nsp
        self.uid = uid
        self.specific_responses = specific_responses
        self._pack = pack
        self._unpack = unpack
        self.broadcasts = f"{key}#{nsp}#"  # a room's channel goes on from here
        self.requests = f"{key}-request#{nsp}#"
        self.responses = f"{key}-response#{nsp}#"
        self.own_responses = f"{self.responses}{uid}#"

    def room(self, channel: str) -> str:
        """The one room that a broadcast on `channel` is for, or "": worth a look before it is decoded."""
        return channel[len(self.broadcasts) : -1]

    def encode(self, message: m.Message, to: str = "") -> tuple[str, bytes]:
        """The channel and the bytes that say `message`; `to` is the uid of the asker whom it answers."""
        if isinstance(message, m.Broadcast):
            return self._encode_broadcast(message)
        if isinstance(message, m.Response):
            return self._response_channel(message, to), self._encode_response(message)
        return self.requests, self._write(self._request(message))

    def _encode_broadcast(self, message: m.Broadcast) -> tuple[str, bytes]:
        packet = {"type": 2, "data": message.data, "nsp": message.nsp}
        opts = message.opts
        if message.request_id is None:
            channel = self.broadcasts
            if len(opts.rooms) == 1:
                channel += opts.rooms[0] + "#"
            return channel, self._pack([message.uid, packet, v.write_options(opts)])
        request = {"uid": message.uid, "requestId": message.request_id, "type": BROADCAST}
        return self.requests, self._pack({**request, "packet": packet, "opts": v.write_options(opts)})

    def _request(self, message: m.Message) -> dict[str, Any]:
        # An emitter's requests carry no uid, as those of @socket.io/redis-emitter: except serverSideEmit.
        head = {} if message.uid == m.EMITTER else {"uid": message.uid}
        match message:
            case m.Join(opts=opts, rooms=rooms):
                return {**head, "type": JOIN, "opts": v.write_options(opts, flags=False), "rooms": rooms}
            case m.Leave(opts=opts, rooms=rooms):
                return {**head, "type": LEAVE, "opts": v.write_options(opts, flags=False), "rooms": rooms}
            case m.DisconnectSockets(opts=opts, close=close):
                whom = v.write_options(opts, flags=False)
                return {**head, "type": DISCONNECT, "opts": whom, "close": close}
            case m.FetchSockets(request_id=request_id, opts=opts):
                asked = {**head, "requestId": request_id, "type": FETCH}
                return {**asked, "opts": v.write_options(opts, flags=False)}
            case m.ServerSideEmit(request_id=None, data=data):
                return {"uid": message.uid, "type": SERVER_SIDE_EMIT, "data": data}
            case m.ServerSideEmit(request_id=request_id, data=data):
                return {**head, "requestId": request_id, "type": SERVER_SIDE_EMIT, "data": data}
            case m.AllRooms(request_id=request_id):
                return {**head, "requestId": request_id, "type": ALL_ROOMS}
            case m.SocketIds(request_id=request_id, rooms=rooms):
                return {**head, "requestId": request_id, "type": SOCKETS, "rooms": rooms}
            case m.MoveOne(request_id=request_id, sid=sid, verb=verb, room=room, close=close):
                asked = {**head, "requestId": request_id, "type": _NUMBERS[verb], "sid": sid}
                return {**asked, "close": close} if verb == "disconnect" else {**asked, "room": room}
        raise TypeError(f"the classic Redis dialect has no word for {type(message).__name__}")

    def _write(self, body: dict[str, Any]) -> bytes:
        # JSON, as Node's nodes write it, unless there are bytes: they read both, by the first byte.
        return self._pack(body) if v.has_binary(body) else v.to_json(body)

    def _response_channel(self, message: m.Response, to: str) -> str:
        # Answers to serverSideEmit always go to the shared channel: there Node's nodes send and expect them.
        if self.specific_responses and to and not isinstance(message, m.ServerSideEmitResponse):
            return f"{self.responses}{to}#"
        return self.responses

    def _encode_response(self, message: m.Response) -> bytes:
        request_id = message.request_id
        match message:
            case m.BroadcastAck(value=value):
                answer = {"type": ACK, "requestId": request_id}
                return self._pack(answer if value is None else {**answer, "packet": value})
            case m.BroadcastClientCount(count=count):
                return self._write({"type": CLIENT_COUNT, "requestId": request_id, "clientCount": count})
            case m.ServerSideEmitResponse(value=value):
                return self._write({"type": SERVER_SIDE_EMIT, "requestId": request_id, "data": value})
            case m.FetchSocketsResponse(sockets=sockets):
                return self._write({"requestId": request_id, "sockets": sockets})
            case m.SocketIdsResponse(sockets=ids):
                return self._write({"requestId": request_id, "sockets": ids})
            case m.AllRoomsResponse(rooms=rooms):
                return self._write({"requestId": request_id, "rooms": rooms})
            case m.Done():
                return self._write({"requestId": request_id})
        raise TypeError(f"the classic Redis dialect has no word for {type(message).__name__}")

    def decode(self, channel: str, payload: bytes) -> m.Message:
        """Read what came on `channel`; raises DecodeError for what no node of this namespace says."""
        if channel.startswith(self.broadcasts):
            return self._decode_broadcast(payload)
        if channel.startswith(self.responses):
            return self._decode_response(self._read(payload))
        if channel == self.requests:
            return self._decode_request(self._read(payload))
        raise DecodeError(f"not a channel of {self.nsp}: {channel:.60}")

    def _read(self, payload: bytes) -> dict[str, Any]:
        return v.mapping(v.from_json(payload) if payload[:1] == b"{" else self._unpack(payload), "message")

    def _decode_broadcast(self, payload: bytes) -> m.Broadcast:
        match self._unpack(payload):
            case [str(uid), dict(packet), opts]:
                return m.Broadcast(uid=uid, nsp=self.nsp, data=self._event(packet), opts=v.options(opts))
        raise DecodeError("a broadcast is [uid, packet, opts]")

    def _event(self, packet: dict[str, Any]) -> list[Any]:
        if packet.get("nsp", "/") != self.nsp or packet.get("type", 2) not in (2, 5):
            raise DecodeError(f"not an event of {self.nsp}: {packet!r:.60}")
        return v.event(packet.get("data"))

    def _decode_request(self, request: dict[str, Any]) -> m.Message:
        nsp, kind, uid = self.nsp, v.count(request.get("type"), "type"), request.get("uid")
        uid = m.EMITTER if uid is None else v.text(uid, "uid")
        if kind in _VERBS:
            return self._decode_move(kind, uid, request)
        if kind == SERVER_SIDE_EMIT:
            asked = request.get("requestId")
            request_id = None if asked is None else v.identifier(asked, "requestId")
            data = v.event(request.get("data"))
            return m.ServerSideEmit(uid=uid, nsp=nsp, request_id=request_id, data=data)
        request_id = v.identifier(request.get("requestId"), "requestId")
        match kind:
            case 0:
                rooms = v.rooms(request.get("rooms"))
                return m.SocketIds(uid=uid, nsp=nsp, request_id=request_id, rooms=rooms)
            case 1:
                return m.AllRooms(uid=uid, nsp=nsp, request_id=request_id)
            case 5:
                opts = v.options(request.get("opts"))
                return m.FetchSockets(uid=uid, nsp=nsp, request_id=request_id, opts=opts)
            case 7:
                data = self._event(v.mapping(request.get("packet"), "packet"))
                opts = v.options(request.get("opts"))
                return m.Broadcast(uid=uid, nsp=nsp, data=data, opts=opts, request_id=request_id)
        raise DecodeError(f"no request has the type {kind!r:.20}")

    def _decode_move(self, kind: int, uid: str, request: dict[str, Any]) -> m.Message:
        close = bool(request.get("close"))
        if request.get("opts") is not None:
            opts = v.options(request["opts"])
            if kind == DISCONNECT:
                return m.DisconnectSockets(uid=uid, nsp=self.nsp, opts=opts, close=close)
            move = m.Join if kind == JOIN else m.Leave
            return move(uid=uid, nsp=self.nsp, opts=opts, rooms=v.rooms(request.get("rooms")))
        request_id = v.identifier(request.get("requestId"), "requestId")
        sid, verb = v.text(request.get("sid"), "sid"), _VERBS[kind]
        room = v.rooms([request.get("room", "")])[0]
        return m.MoveOne(
            uid=uid, nsp=self.nsp, request_id=request_id, sid=sid, verb=verb, room=room, close=close
        )

    def _decode_response(self, response: dict[str, Any]) -> m.Response:
        nsp, kind = self.nsp, response.get("type")
        request_id = v.identifier(response.get("requestId"), "requestId")
        uid = response.get("uid")
        uid = uid if isinstance(uid, str) else ""  # Node's responses do not say who answers
        if kind == ACK:
            return m.BroadcastAck(uid=uid, nsp=nsp, request_id=request_id, value=response.get("packet"))
        if kind == CLIENT_COUNT:
            count = v.count(response.get("clientCount"), "clientCount")
            return m.BroadcastClientCount(uid=uid, nsp=nsp, request_id=request_id, count=count)
        if kind == SERVER_SIDE_EMIT:
            value = response.get("data")
            return m.ServerSideEmitResponse(uid=uid, nsp=nsp, request_id=request_id, value=value)
        if kind is not None:
            raise DecodeError(f"no response has the type {kind!r:.20}")
        if "rooms" in response:
            rooms = v.rooms(response["rooms"])
            return m.AllRoomsResponse(uid=uid, nsp=nsp, request_id=request_id, rooms=rooms)
        if "sockets" not in response:
            return m.Done(uid=uid, nsp=nsp, request_id=request_id)
        sockets = v.sequence(response["sockets"], "sockets")
        if all(isinstance(socket, str) for socket in sockets) and sockets:
            return m.SocketIdsResponse(uid=uid, nsp=nsp, request_id=request_id, sockets=tuple(sockets))
        return m.FetchSocketsResponse(uid=uid, nsp=nsp, request_id=request_id, sockets=v.socket_list(sockets))
