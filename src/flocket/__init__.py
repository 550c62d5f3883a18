"""flocket: a Socket.IO server whose nodes work as one. Public names only, each loaded when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flocket.adapters.bus import Bus as Bus
    from flocket.adapters.cluster import ClusterAdapter as ClusterAdapter
    from flocket.adapters.redis_classic import RedisAdapter as RedisAdapter
    from flocket.adapters.redis_sharded import ShardedRedisAdapter as ShardedRedisAdapter
    from flocket.adapters.redis_streams import RedisStreamsAdapter as RedisStreamsAdapter
    from flocket.codec.socketio import Packet as Packet
    from flocket.codec.socketio import PacketType as PacketType
    from flocket.emitter import AsyncEmitter as AsyncEmitter
    from flocket.emitter import Emitter as Emitter
    from flocket.engine.request import Request as Request
    from flocket.errors import AckTimeout as AckTimeout
    from flocket.errors import AdapterError as AdapterError
    from flocket.errors import ConfigError as ConfigError
    from flocket.errors import ConnectError as ConnectError
    from flocket.errors import Disconnected as Disconnected
    from flocket.errors import EncodeError as EncodeError
    from flocket.errors import EventError as EventError
    from flocket.errors import FlocketError as FlocketError
    from flocket.errors import NotRunning as NotRunning
    from flocket.options import Cookie as Cookie
    from flocket.options import Limits as Limits
    from flocket.options import Recovery as Recovery
    from flocket.serving.engine_server import EngineServer as EngineServer
    from flocket.serving.engine_server import Session as Session
    from flocket.serving.fast import HttpProtocol as HttpProtocol
    from flocket.serving.server import Server as Server
    from flocket.sockets.adapter import Adapter as Adapter
    from flocket.sockets.answers import Answers as Answers
    from flocket.sockets.emission import Emission as Emission
    from flocket.sockets.handshake import Handshake as Handshake
    from flocket.sockets.namespace import Namespace as Namespace
    from flocket.sockets.receives import on as on
    from flocket.sockets.remote import RemoteSocket as RemoteSocket
    from flocket.sockets.socket import Socket as Socket

_HOMES = {
    "flocket.adapters.bus": ("Bus",),
    "flocket.adapters.cluster": ("ClusterAdapter",),
    "flocket.adapters.redis_classic": ("RedisAdapter",),
    "flocket.adapters.redis_sharded": ("ShardedRedisAdapter",),
    "flocket.adapters.redis_streams": ("RedisStreamsAdapter",),
    "flocket.codec.socketio": ("Packet", "PacketType"),
    "flocket.emitter": ("AsyncEmitter", "Emitter"),
    "flocket.engine.request": ("Request",),
    "flocket.errors": (
        "AckTimeout",
        "AdapterError",
        "ConfigError",
        "ConnectError",
        "Disconnected",
        "EncodeError",
        "EventError",
        "FlocketError",
        "NotRunning",
    ),
    "flocket.options": ("Cookie", "Limits", "Recovery"),
    "flocket.serving.engine_server": ("EngineServer", "Session"),
    "flocket.serving.fast": ("HttpProtocol",),
    "flocket.serving.server": ("Server",),
    "flocket.sockets.adapter": ("Adapter",),
    "flocket.sockets.answers": ("Answers",),
    "flocket.sockets.emission": ("Emission",),
    "flocket.sockets.handshake": ("Handshake",),
    "flocket.sockets.namespace": ("Namespace",),
    "flocket.sockets.receives": ("on",),
    "flocket.sockets.remote": ("RemoteSocket",),
    "flocket.sockets.socket": ("Socket",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # made from the table above


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
