"""A client that says it was here before: whether it may be that socket again, and what it is then given.

Knows sockets and their adapter; does not know how sessions or events are kept (recovery.py).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeGuard

from flocket.errors import AdapterError
from flocket.sockets.recovery import UNRECOVERABLE, Restored, Saved

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.socket import Socket

__all__ = ["Comebacks"]

log = logging.getLogger("flocket")

LONGEST = 64  # characters of a pid or an offset; ours and Node's have 20 to 40


class Comebacks:
    """The private ids of one namespace's sockets. Exists only where recovery is on."""

    def __init__(self, nsp: Namespace[Any]) -> None:
        self._nsp = nsp
        self._sockets: dict[str, Socket[Any]] = {}

    async def claim(self, socket: Socket[Any], auth: dict[str, Any]) -> Restored | None:
        """Make a new socket the one that its client claims to have been, if all that it missed is known."""
        pid, offset = auth.get("pid"), auth.get("offset")
        if not _is_word(pid) or not (offset is None or _is_word(offset)):
            return None
        found = self._found(socket)
        older = self._sockets.get(pid)
        if older is not None and not self._is_same_user(found, older.data, older._log_found):
            return None
        self.displace(pid)
        try:
            restored = await self._nsp.adapter.restore_session(pid, offset)
        except AdapterError as error:
            log.warning("%s: a client is not recovered: %s", self._nsp.shown, error)
            return None
        if restored is None:
            return None
        saved = restored.saved
        if not self._is_same_user(found, saved.data, saved.found):
            self.give_back(restored)
            return None
        adapter, joined = self._nsp.adapter, self._nsp.adapter.sids.get(socket.id)
        if joined is not None:  # by its middlewares, under the id that it would have had
            rooms = tuple(joined)
            adapter.remove_all(socket.id)
            adapter.add_all(saved.sid, rooms)
        socket.id, socket.pid, socket.data, socket.recovered = saved.sid, saved.pid, saved.data, True
        socket._log_since, socket._log_known = saved.since, saved.known
        # What it missed is sent to it, but it may go before it has received that.
        socket._log_position = max(saved.last, restored.last)
        socket._log_found = found if saved.found is None else {**saved.found, **found}
        return restored

    def _found(self, socket: Socket[Any]) -> dict[str, Any]:
        """What its middlewares put into the data of a socket."""
        untouched = _facts(self._nsp.server._make_data())
        return {key: value for key, value in _facts(socket.data).items() if not _equal(untouched.get(key), value)}

    def _is_same_user(self, found: dict[str, Any], data: Any, found_before: dict[str, Any] | None) -> bool:
        """Whether the middlewares found what they had found before: or a stolen pid would be a login."""
        before = _facts(data) if found_before is None else found_before
        other = [key for key, value in found.items() if not _equal(before.get(key), value)]
        if other:
            names = ", ".join(sorted(map(str, other)))
            log.info("%s: a client is not recovered: its middlewares found another %s", self._nsp.shown, names)
        return not other

    def displace(self, pid: str) -> None:
        """A client that has this pid came, here or to another node: only one may have it.

        The older connection is dead without our knowing, or somebody else has the pid.
        """
        older = self._sockets.get(pid)
        if older is not None:
            older._session.drop("transport close", "its client came back")

    def enter(self, socket: Socket[Any]) -> None:
        """A socket is connected: it has a pid from now on."""
        if socket.pid is None:
            socket.pid = self._nsp.server._make_sid()
            socket._log_found = self._found(socket)
            if self._nsp.adapter.log is not None:
                socket._log_since = socket._log_position = self._nsp.adapter.log.position
        self._sockets[socket.pid] = socket

    def leave(self, socket: Socket[Any], reason: str, rooms: frozenset[str]) -> None:
        """A socket has gone; unless that was meant, it may be back."""
        assert socket.pid is not None
        if self._sockets.get(socket.pid) is socket:
            del self._sockets[socket.pid]
        if reason in UNRECOVERABLE:
            socket.pid = None
            return
        kept = self._nsp.adapter.log
        position = 0 if kept is None else kept.position
        self._nsp.adapter.persist_session(
            Saved(
                socket.id,
                socket.pid,
                rooms,
                socket.data,
                socket._log_since,
                socket._log_position,
                position,
                socket._log_known,
                socket._log_found,
            )
        )

    def give_back(self, restored: Restored) -> None:
        """The client went while it was being restored: as if it had not been here."""
        self._nsp.adapter.persist_session(restored.saved)


def _is_word(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # the user's own comparison: what cannot be compared is another
        return False


def _facts(data: Any) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    fields = getattr(data, "__struct_fields__", None) or getattr(type(data), "__slots__", None)
    if fields is not None:
        return {name: getattr(data, name, None) for name in fields}
    return dict(vars(data)) if hasattr(data, "__dict__") else {"": data}
