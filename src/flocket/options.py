"""Every number and switch of the engine with its default, checked when the server is made.

Knows what a sane value is; does not know what it is used for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from flocket.errors import ConfigError

if TYPE_CHECKING:
    from flocket.engine.request import Request

__all__ = [
    "AllowRequest", "Cookie", "CorsOrigins", "EngineOptions", "Limits", "Recovery", "engine_options",
    "engine_options_among",
]  # fmt: skip

CorsOrigins = str | Sequence[str] | re.Pattern[str] | Callable[[str], bool] | None
AllowRequest = Callable[["Request"], Awaitable[None] | None]


HOUR = 3_600.0  # seconds; no heartbeat is slower, and what is above was meant as milliseconds (Node's 25000)


def is_above_zero(value: object, *, whole: bool = False) -> bool:
    """Whether an option is a number above 0, or a whole one: no bool, no NaN, and no infinity, which no clock has."""
    kinds = int if whole else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 < value < math.inf


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
            whole = item.type == "int"  # bytes and counts; seconds may have a fraction
            if not is_above_zero(value, whole=whole):
                kind = "whole number" if whole else "number of seconds"
                raise ConfigError(f"Limits({item.name}={value!r:.80}): a {kind} above 0")


TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2; a cookie's name is one (RFC 6265, 4.1.1)


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

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not TOKEN.fullmatch(self.name):
            raise ConfigError(f"Cookie(name={self.name!r:.80}): letters, digits, - and _, as io")
        if self.same_site not in ("lax", "strict", "none", None):
            raise ConfigError(f'Cookie(same_site={self.same_site!r:.80}): "lax", "strict", "none" or None')


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
        counts = is_above_zero(self.packets, whole=True) and is_above_zero(self.bytes, whole=True)
        if not (is_above_zero(self.window) and counts):
            raise ConfigError(f"{self!r}: window is seconds, packets and bytes are whole numbers, all above 0")


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
    initial_packet: str | bytes | None = None  # a message that each new session is sent first
    limits: Limits = field(default_factory=Limits)


def engine_options(
    *,
    path: str,
    transports: Sequence[str],
    cookie: Cookie | Mapping[str, Any] | bool | str | None,
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
    check_seconds({name: others[name] for name in ("ping_interval", "ping_timeout", "upgrade_timeout")}, most=HOUR)
    check_bytes({name: others[name] for name in ("max_payload", "compression_threshold")})
    check_switches({name: others[name] for name in SWITCHES})
    if allow_request is not None and not callable(allow_request):
        raise ConfigError(f"allow_request={allow_request!r:.80}: a function of the request")
    initial = others["initial_packet"]
    if initial is not None and not isinstance(initial, str | bytes):
        raise ConfigError(f"initial_packet={initial!r:.80}: a message, as str or bytes")
    if limits is not None and not isinstance(limits, Limits):
        raise ConfigError(f"limits={limits!r:.80}: Limits(...)")
    return EngineOptions(
        path=path.rstrip("/"),
        transports=tuple(transports),
        cookie=_cookie(cookie),
        trusted_proxies=tuple(trusted_proxies),
        limits=limits or Limits(),
        allow_request=allow_request,
        cors_origins=_origins(cors_origins),
        **others,
    )


def engine_options_among(given: Mapping[str, Any]) -> EngineOptions:
    """Those among all that a server was made with, by their names: a new one is a parameter there and a field here."""
    return engine_options(**{item.name: given[item.name] for item in fields(EngineOptions)})


SWITCHES = (
    "allow_upgrades", "allow_eio3", "jsonp", "http_compression", "per_message_deflate", "cors_credentials",
)  # fmt: skip
SUBOPTIONS = {
    "http_compression": " (from how many bytes on is compression_threshold)",
    "per_message_deflate": ": it has no options here",
}


def check_seconds(options: Mapping[str, Any], most: float = math.inf) -> None:
    """Raises ConfigError for what is no time above 0, or more than `most`: then it was meant as milliseconds."""
    for name, value in options.items():
        if not is_above_zero(value):
            raise ConfigError(f"{name}={value!r:.80}: a number above 0 (seconds)")
        if value > most:
            meant = value / 1_000
            raise ConfigError(f"{name}={value!r:.80}: seconds, at most {most:g}; for milliseconds say {meant:g}")


def check_bytes(options: Mapping[str, object]) -> None:
    """Raises ConfigError for what is no whole number above 0."""
    for name, value in options.items():
        if not is_above_zero(value, whole=True):
            raise ConfigError(f"{name}={value!r:.80}: a whole number above 0 (bytes)")


def check_switches(options: Mapping[str, object]) -> None:
    """Raises ConfigError for what is neither True nor False: "no" would be true."""
    for name, value in options.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{name}={value!r:.80}: True or False{SUBOPTIONS.get(name, '')}")


def _cookie(cookie: Cookie | Mapping[str, Any] | bool | str | None) -> Cookie | None:
    if cookie is None or isinstance(cookie, Cookie):
        return cookie
    if isinstance(cookie, bool):
        return Cookie() if cookie else None
    if isinstance(cookie, str):
        return Cookie(name=cookie)
    names = [item.name for item in fields(Cookie)]
    if not isinstance(cookie, Mapping):
        raise ConfigError(f"cookie={cookie!r:.80}: True, a name, or Cookie(...)")
    for name in cookie:
        if name not in names:
            raise ConfigError(f"cookie: {name!r:.80} is none of {', '.join(names)}")
    return Cookie(**cookie)


ELSEWHERE = {  # what other servers call it
    "max_http_buffer_size": "max_payload",
    "cors": "cors_origins, and cors_credentials",
    "cors_allowed_origins": "cors_origins",
    "connection_state_recovery": "recovery, as Recovery(window=120)",
    "socketio_path": "path",
    "adapter": "a call, io.adapter(...)",
    "client_manager": "a call, io.adapter(...)",
    "logger": "the logger named flocket, of logging",
    "engineio_logger": "the logger named flocket, of logging",
}
NEEDLESS = {  # options of Node's that change nothing here, and why
    "add_trailing_slash": "a path is served with its last slash and without",
    "destroy_upgrade": "a WebSocket of another path is the application's beside, or refused at once",
    "destroy_upgrade_timeout": "a WebSocket of another path is the application's beside, or refused at once",
    "ws_engine": "there is one",
}


def refuse_unknown(unknown: Iterable[str], init: Callable[..., None]) -> None:
    """Raises ConfigError for an option that `init` does not have, with the name that was meant."""
    for name in unknown:
        from difflib import get_close_matches
        from inspect import Parameter, signature

        parameters = signature(init).parameters.values()
        options = [parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        if snake in NEEDLESS:
            raise ConfigError(f"{name!r:.80} is no option, nor needed: {NEEDLESS[snake]}")
        meant = ELSEWHERE.get(snake) or next(iter(get_close_matches(snake, options, 1)), None)
        says = f"here it is {meant}" if meant else f"there are {', '.join(options)}"
        raise ConfigError(f"{name!r:.80} is no option: {says}")


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
        if name != "*" and "*" in name:
            raise ConfigError(f'cors_origins: {name!r:.80}: "*" stands alone; of several hosts, give a re.compile(...)')
    # As browsers write them: scheme and host in lower case (RFC 6454, 4).
    if isinstance(origins, str):
        return origins.lower()
    return "*" if "*" in names else [name.lower() for name in names]
