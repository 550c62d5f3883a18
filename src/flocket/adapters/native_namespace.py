"""One namespace on a Bus: also its clients that were on another node, and come back to this one.

Knows how a session is asked for and handed over; does not know channels, or what moves (moving.py).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.link import Link
from flocket.adapters.moving import Moving
from flocket.adapters.native_link import NativeLink
from flocket.errors import EncodeError
from flocket.sockets.recovery import Restored, Saved

if TYPE_CHECKING:
    from flocket.adapters.cluster import ClusterAdapter
    from flocket.sockets.namespace import Namespace

__all__ = ["NativeNamespace"]

log = logging.getLogger("flocket")


class NativeNamespace(ClusterNamespace):
    def __init__(self, nsp: Namespace[Any], cluster: ClusterAdapter) -> None:
        super().__init__(nsp, cluster.requests_timeout)
        self._cluster = cluster
        self._moving: Moving | None = None

    def make_link(self) -> Link:
        link = NativeLink(self, self._cluster)
        if self.log is not None:
            catch_up = getattr(self._cluster.bus, "catch_up", _nothing)
            self._moving = Moving(self, self.log, link.subscribe_room, link.unsubscribe_room, catch_up)
            link.holds = self._moving.holds
        return link

    def persist_session(self, saved: Saved) -> None:
        super().persist_session(saved)
        if self._moving is not None:
            self._moving.keep(saved)

    async def restore_session(self, pid: str, offset: str | None) -> Restored | None:
        here = self.log is not None and self.log.rooms_of(pid) is not None
        if here or self._moving is None or not self._cluster.peers:
            return await super().restore_session(pid, offset)
        return await self._moving.fetch(pid, offset)

    def _answer(self, message: m.Message) -> None:
        if self._moving is None or not isinstance(message, m.FindSession | m.TakeSession):
            super()._answer(message)
        elif isinstance(message, m.FindSession):
            self._reply(message.uid, self._moving.find(message))
        else:
            # In a turn of its own: it reads what the others wrote, and this word came in the midst of reading.
            asyncio.get_running_loop().call_soon(self._give, self._moving, message)

    def _give(self, moving: Moving, message: m.TakeSession) -> None:
        try:
            self._reply(message.uid, moving.give(message))
        except EncodeError as error:
            log.warning("%s: a session cannot move to another node: %s", self.nsp.name, error)
            nothing = m.TakeSessionResponse(uid=self.link.uid, nsp=self.nsp.name, request_id=message.request_id)
            self._reply(message.uid, nothing)


def _nothing() -> None:
    pass
