"""The portable face: any ASGI server's requests and WebSockets, as the engine knows them.

Translates ASGI 3 and decides nothing. Slower than the fast face: a task per request, a writer per WebSocket. Does not
know how either is served.
"""

from __future__ import annotations

from flocket.engine.request import Request
from flocket.options import EngineOptions
from flocket.serving.asgi_exchange import AsgiExchange
from flocket.serving.asgi_types import Receive, Scope, Send
from flocket.serving.asgi_websocket import AsgiUpgrade
from flocket.serving.routes import EngineLike

__all__ = ["AsgiFace", "request_of"]


def request_of(scope: Scope, options: EngineOptions) -> Request:
    """The head of a request, from its ASGI scope."""
    client = scope.get("client") or ("", 0)
    return Request(
        scope.get("method", "GET"),
        scope["path"],
        scope["query_string"].decode("latin-1"),
        scope["headers"],
        peer=client[0] or "",
        peer_port=client[1] or 0,
        secure=scope.get("scheme") in ("https", "wss"),
        http_version=scope.get("http_version", "1.1"),
        trusted_proxies=options.trusted_proxies,
    )


class AsgiFace:
    """Serves `http` and `websocket` scopes for one engine."""

    def __init__(self, engine: EngineLike) -> None:
        self._engine = engine

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._engine.options
        exchange = AsgiExchange(request_of(scope, options), options.limits, self._engine.counters)
        self._engine.handle(exchange)
        await exchange.run(receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._engine.options
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        upgrade = AsgiUpgrade(request_of(scope, options), options)
        self._engine.upgrade(upgrade)
        await upgrade.run(scope, receive, send)
