"""The words that nodes say to each other, as frozen values.

Knows what can be said; does not know how a word is written (wire/) nor how it travels (buses/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = [
    "EMITTER",
    "Absent",
    "AllRooms",
    "AllRoomsResponse",
    "Broadcast",
    "BroadcastAck",
    "BroadcastClientCount",
    "BroadcastFrames",
    "ClientGone",
    "Close",
    "CountSockets",
    "CountSocketsResponse",
    "DisconnectSockets",
    "Done",
    "FetchSockets",
    "FetchSocketsResponse",
    "FindSession",
    "FindSessionResponse",
    "Heartbeat",
    "InitialHeartbeat",
    "Join",
    "Leave",
    "Message",
    "MoveOne",
    "Options",
    "Response",
    "ServerSideEmit",
    "ServerSideEmitResponse",
    "SocketIds",
    "SocketIdsResponse",
    "TakeSession",
    "TakeSessionResponse",
]

EMITTER = "emitter"  # the uid of every emitter: it is no node, and never counted as one

_NO_FLAGS: Mapping[str, Any] = {}


class Options(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Whom something is for: sockets in any of `rooms` (in all, if there is none), and in none of `except_`.

    `flags` are the emission's, with Node's names: volatile, compress, timeout (ms), expectSingleResponse.
    """

    rooms: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    flags: Mapping[str, Any] = _NO_FLAGS


class Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What every word has: its node's uid ("" if a wire does not tell), and its namespace."""

    uid: str
    nsp: str


class InitialHeartbeat(Message, frozen=True, kw_only=True):
    """I am new: let me know that you are there."""


class Heartbeat(Message, frozen=True, kw_only=True):
    """I am here."""


class Close(Message, frozen=True, kw_only=True):
    """I am leaving: expect nothing of me."""


class Broadcast(Message, frozen=True, kw_only=True):
    """An event for clients: `data` is its name and arguments. `request_id` asks for acknowledgements."""

    data: list[Any]
    opts: Options
    request_id: str | None = None


class BroadcastFrames(Message, frozen=True, kw_only=True):
    """An event as the frames that clients get: `(binary, payload)` each, encoded once, on the node that
    emits it.
    """

    frames: tuple[tuple[bool, bytes], ...]
    opts: Options
    event: int = 0  # counts this node's events, so that a node can tell whether it has one already


class Join(Message, frozen=True, kw_only=True):
    """The sockets that `opts` names join `rooms`."""

    opts: Options
    rooms: tuple[str, ...]


class Leave(Message, frozen=True, kw_only=True):
    """The sockets that `opts` names leave `rooms`."""

    opts: Options
    rooms: tuple[str, ...]


class DisconnectSockets(Message, frozen=True, kw_only=True):
    """The sockets that `opts` names are disconnected; with `close`, their connections too."""

    opts: Options
    close: bool


class FetchSockets(Message, frozen=True, kw_only=True):
    """Tell me about your sockets that `opts` names."""

    request_id: str
    opts: Options


class CountSockets(Message, frozen=True, kw_only=True):
    """How many of your sockets does `opts` name?"""

    request_id: str
    opts: Options


class ServerSideEmit(Message, frozen=True, kw_only=True):
    """An event for nodes: `data` is its name and arguments. `request_id` asks for an answer."""

    data: list[Any]
    request_id: str | None = None


class Response(Message, frozen=True, kw_only=True):
    """What answers a question: `request_id` is the question's."""

    request_id: str


class FetchSocketsResponse(Response, frozen=True, kw_only=True):
    """Each of `sockets` is `{id, handshake, rooms, data}`."""

    sockets: list[dict[str, Any]]


class ServerSideEmitResponse(Response, frozen=True, kw_only=True):
    """What this node's handler answered."""

    value: Any = None


class BroadcastClientCount(Response, frozen=True, kw_only=True):
    """So many clients of this node were sent the event: expect as many acknowledgements."""

    count: int


class BroadcastAck(Response, frozen=True, kw_only=True):
    """One client's acknowledgement: the first of its values."""

    value: Any = None


class CountSocketsResponse(Response, frozen=True, kw_only=True):
    count: int


class ClientGone(Response, frozen=True, kw_only=True):
    """One of the clients that were counted is gone, and will not acknowledge."""


class Absent(Response, frozen=True, kw_only=True):
    """This node has no such namespace: it has nothing to answer."""


class FindSession(Message, frozen=True, kw_only=True):
    """Who keeps the session of a client that is away, by its private id?"""

    request_id: str
    pid: str


class FindSessionResponse(Response, frozen=True, kw_only=True):
    """`rooms` are those of the session; None: it is not here."""

    rooms: tuple[str, ...] | None = None


class TakeSession(Message, frozen=True, kw_only=True):
    """Its client is here, and has received all up to `offset`: give it to me."""

    request_id: str
    pid: str
    offset: str | None


class TakeSessionResponse(Response, frozen=True, kw_only=True):
    """The session, and the events that it missed, each with its name and frames; without `sid` it cannot be had."""

    sid: str = ""
    rooms: tuple[str, ...] = ()
    data: Any = None
    missed: tuple[tuple[str, tuple[tuple[bool, bytes], ...]], ...] = ()


# What only Node's classic Redis adapter says:


class AllRooms(Message, frozen=True, kw_only=True):
    """Which rooms have you?"""

    request_id: str


class AllRoomsResponse(Response, frozen=True, kw_only=True):
    rooms: tuple[str, ...]


class SocketIds(Message, frozen=True, kw_only=True):
    """Which sockets of yours are in any of `rooms`? (Asked by nodes before Socket.IO 4; answered only.)"""

    request_id: str
    rooms: tuple[str, ...]


class SocketIdsResponse(Response, frozen=True, kw_only=True):
    sockets: tuple[str, ...]


class MoveOne(Message, frozen=True, kw_only=True):
    """The one socket `sid` joins or leaves `room`, or is disconnected, as `verb` says.

    The legacy form: the node that has this socket confirms with `Done`.
    """

    request_id: str
    sid: str
    verb: str  # "join", "leave", "disconnect"
    room: str = ""
    close: bool = False


class Done(Response, frozen=True, kw_only=True):
    """Confirms a MoveOne."""
