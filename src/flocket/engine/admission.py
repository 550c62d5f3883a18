"""Whether a request that asks for a new session is let in: by the server's state and bound, then by the user.

Knows requests that ask and wait; does not know how a session is opened, or what a refusal looks like to the client.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flocket.engine import refusal
from flocket.engine.contracts import Exchange, Upgrade
from flocket.engine.refusal import Refusal
from flocket.engine.request import Request
from flocket.errors import ConnectError
from flocket.options import AllowRequest

if TYPE_CHECKING:
    from flocket.engine.engine import Engine

__all__ = ["Admission"]

log = logging.getLogger("flocket")

A = TypeVar("A", Exchange, Upgrade)  # who asks to be let in

BUSY = Refusal(
    refusal.FORBIDDEN, {"name": "TOO_MANY_UNCONNECTED"}, "Too many connections", 503, (("Retry-After", "1"),)
)
CLOSING = Refusal(
    refusal.FORBIDDEN, {"name": "SHUTTING_DOWN"}, "Server shutting down", 503, (("Retry-After", "1"),)
)
FAILED = Refusal(refusal.FORBIDDEN, {"name": "ALLOW_REQUEST_FAILED"})


class Admission:
    """Of one engine: how many ask, and the user's `allow_request`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking = 0  # requests that wait for `allow_request`

    def decide(self, asker: A, accept: Callable[[A], None], refuse: Callable[[A, Refusal, Any], None]) -> None:
        """Accept or refuse it, now or once the user has decided; neither if the client goes before that."""
        engine, options = self._engine, self._engine.options
        if engine.draining:
            refuse(asker, CLOSING, None)
        elif engine.unconnected + self._asking >= options.limits.unconnected:
            refuse(asker, BUSY, None)
        elif options.allow_request is None:
            accept(asker)
        else:
            engine.runtime.spawn(self._ask_user(options.allow_request, asker, accept, refuse))

    async def _ask_user(
        self,
        allow: AllowRequest,
        asker: A,
        accept: Callable[[A], None],
        refuse: Callable[[A, Refusal, Any], None],
    ) -> None:
        gone = False

        def on_gone() -> None:
            nonlocal gone
            gone = True

        asker.on_gone = on_gone
        self._asking += 1
        refused: Refusal | None = FAILED  # also where what `allow_request` waits for is cancelled
        data: Any = None
        try:
            refused, data = await self._refusal_by(allow, asker.request)
        finally:
            self._asking -= 1
            asker.on_gone = None
            if gone:
                pass
            elif self._engine.draining:
                refuse(asker, CLOSING, None)
            elif refused is not None:
                refuse(asker, refused, data)
            else:
                accept(asker)

    async def _refusal_by(self, allow: AllowRequest, request: Request) -> tuple[Refusal | None, Any]:
        try:
            answer = allow(request)
            if inspect.isawaitable(answer):
                await answer
        except ConnectError as error:
            return Refusal(refusal.FORBIDDEN, {"message": error.message}, error.message), error.data
        except Exception:
            # The user's own mistake: the client learns nothing of it, the log all.
            self._engine.counters.handler_errors += 1
            log.exception("allow_request failed")
            return FAILED, None
        return None, None
