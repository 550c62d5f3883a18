"""Between this process's own values and those that nodes exchange: targets and options, sockets and their
maps.

Knows Node's flags and keys; does not know messages.
"""

from __future__ import annotations

from typing import Any

from flocket.adapters.messages import Options
from flocket.sockets.remote import SocketDetails
from flocket.sockets.target import Target

__all__ = ["details_from", "details_map", "options_of", "target_of"]

_LONGEST = 3600.0  # seconds: no question of another node keeps this one listening for longer


def options_of(target: Target, timeout: float | None = None) -> Options:
    """A target as nodes say it, `timeout` (seconds) among its flags in milliseconds."""
    flags: dict[str, Any] = {}
    if target.volatile:
        flags["volatile"] = True
    if not target.compress:
        flags["compress"] = False
    if timeout is not None:
        flags["timeout"] = round(timeout * 1000)
    return Options(target.rooms or (), target.except_rooms, flags)


def target_of(opts: Options) -> Target:
    """What another node's options mean here: its sockets are its own affair."""
    flags = opts.flags
    timeout = flags.get("timeout")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        timeout = None
    return Target(
        rooms=opts.rooms or None,
        except_rooms=opts.except_,
        volatile=flags.get("volatile") is True,
        compress=flags.get("compress") is not False,
        timeout=None if timeout is None else min(timeout / 1000, _LONGEST),
    )


def details_map(details: SocketDetails) -> dict[str, Any]:
    """A socket as the answer to a fetch has it."""
    return {
        "id": details.id,
        "handshake": details.handshake,
        "rooms": list(details.rooms),
        "data": details.data,
    }


def details_from(socket: dict[str, Any]) -> SocketDetails:
    """A socket of another node, whose map the wire has checked."""
    return SocketDetails(socket["id"], socket["handshake"], frozenset(socket["rooms"]), socket["data"])
