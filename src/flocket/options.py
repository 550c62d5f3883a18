"""Every number and switch of the engine with its default, checked when the server is made.

Knows what a sane value is; does not know what it is used for.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from flocket.errors import ConfigError

if TYPE_CHECKING:
    from flocket.engine.request import Request

__all__ = ["AllowRequest", "Cookie", "CorsOrigins", "EngineOptions", "Limits", "Recovery", "engine_options"]

CorsOrigins = str | Sequence[str] | re.Pattern[str] | Callable[[str], bool] | None
AllowRequest = Callable[["Request"], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may cost. Sizes are bytes, times are seconds."""

    header_bytes: int = 16_384  # a request's head; more is 431 (fast face)
    headers: int = 100  # header lines of a request; more is 431 (fast face)
    header_time: float = 10.0  # until the head is there; then 408 (fast face)
    body_idle: float = 10.0  # between two parts of a body; then 408
    poll_time: float = 30.0  # all of a body, then 408; likewise until a closing session is polled once more
    packets_per_payload: int = 10_000  # packets in one polling body
    fragments: int = 1_024  # frames of one WebSocket message
    json_depth: int = 128  # nested arrays and objects of one packet
    namespace_bytes: int = 256  # length of a namespace's name
    namespaces: int = 32  # namespaces that one client may be connected to
    attachments: int = 10  # binary attachments of one packet (Socket.IO's default)
    attachment_bytes: int = 10_000_000  # all attachments of one packet together
    attachment_time: float = 30.0  # until the last attachment of a packet is there
    handlers: int = 100  # handlers of one client that run at once; its further events wait
    send_bytes: int = 1_000_000  # what may wait for a client that does not read; beyond it the client is closed
    send_packets: int = 10_000  # likewise, counted in packets
    send_time: float = 5.0  # how long more than half of that may wait before it is closed as a slow consumer
    unconnected: int = 10_000  # sessions of this process that are in no namespace yet
    close_time: float = 5.0  # until the peer has answered a close frame

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ConfigError(f"Limits({item.name}={value!r}): must be a number above 0")


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie of a handshake, which carries the session id: for load balancers that stick by cookie."""

    name: str = "io"
    path: str = "/"
    http_only: bool = True
    same_site: Literal["lax", "strict", "none"] | None = "lax"
    secure: bool = False
    max_age: int | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """Connection state recovery: a client that is back within `window` seconds gets all that it missed, or none of it.

    Its middlewares run again, and must find the same user, unless `skip_middleware`: what they put into `data` is
    compared. Each process keeps the last `packets` events of a namespace, at most `bytes` of them, and none longer than
    the window.
    """

    window: float = 120.0
    skip_middleware: bool = False
    packets: int = 10_000
    bytes: int = 50_000_000

    def __post_init__(self) -> None:
        if not (self.window > 0 and self.packets > 0 and self.bytes > 0):
            raise ConfigError(f"{self!r}: window is seconds, packets and bytes are numbers, all above 0")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The engine's options; Engine.IO's defaults, in seconds."""

    path: str = "/engine.io"
    transports: tuple[str, ...] = ("polling", "websocket")
    allow_upgrades: bool = True
    allow_eio3: bool = False
    jsonp: bool = True
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    max_payload: int = 1_000_000
    http_compression: bool = True
    compression_threshold: int = 1_024  # bytes; Node's httpCompression.threshold
    per_message_deflate: bool = False
    cookie: Cookie | None = None
    cors_origins: CorsOrigins = None
    cors_credentials: bool = False
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    allow_request: AllowRequest | None = None
    limits: Limits = field(default_factory=Limits)


def engine_options(
    *,
    path: str,
    transports: Sequence[str],
    cookie: Cookie | bool | str | None,
    trusted_proxies: Sequence[str],
    limits: Limits | None,
    allow_request: AllowRequest | None = None,
    cors_origins: CorsOrigins = None,
    **others: Any,
) -> EngineOptions:
    """The options as a user gives them, checked and in the form that the engine uses. Raises ConfigError."""
    if not isinstance(path, str) or not path.startswith("/") or path.strip("/") == "":
        raise ConfigError(f"path={path!r}: begins with a slash and names something, as /socket.io")
    if isinstance(transports, str) or not transports or not {"polling", "websocket"}.issuperset(transports):
        raise ConfigError(f'transports={transports!r}: a list of "polling" and "websocket"')
    if isinstance(trusted_proxies, str):
        raise ConfigError(f"trusted_proxies={trusted_proxies!r}: a list of addresses")
    for name in ("ping_interval", "ping_timeout", "upgrade_timeout", "max_payload"):
        value = others[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(
                f"{name}={value!r}: a number above 0 ({'bytes' if name == 'max_payload' else 'seconds'})"
            )
    if allow_request is not None and not callable(allow_request):
        raise ConfigError(f"allow_request={allow_request!r:.80}: a function of the request")
    if limits is not None and not isinstance(limits, Limits):
        raise ConfigError(f"limits={limits!r:.80}: Limits(...)")
    if isinstance(cookie, str):
        cookie = Cookie(name=cookie)
    elif isinstance(cookie, bool):
        cookie = Cookie() if cookie else None
    return EngineOptions(
        path=path.rstrip("/"),
        transports=tuple(transports),
        cookie=cookie,
        trusted_proxies=tuple(trusted_proxies),
        limits=limits or Limits(),
        allow_request=allow_request,
        cors_origins=_origins(cors_origins),
        **others,
    )


ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+|null", re.IGNORECASE)  # scheme, host, port: no path (RFC 6454, 6.2)


def _origins(origins: CorsOrigins) -> CorsOrigins:
    if origins is None or isinstance(origins, re.Pattern) or callable(origins):
        return origins
    if not isinstance(origins, str | Sequence):
        raise ConfigError(f'cors_origins={origins!r:.80}: "*", an origin, a list of them, a pattern or a callable')
    names = [origins] if isinstance(origins, str) else list(origins)
    for name in names:
        if not isinstance(name, str) or (name != "*" and not ORIGIN.fullmatch(name)):
            raise ConfigError(f"cors_origins: {name!r:.80} is no origin, as https://example.com:8000, without a path")
    return "*" if "*" in names else origins
