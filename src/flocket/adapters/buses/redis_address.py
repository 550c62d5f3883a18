"""Where a Redis is and which dialect is spoken there, read from a URL.

Imports redis-py only when its help is asked for; opens no connection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from flocket.errors import AdapterError, ConfigError

__all__ = ["Dialect", "RedisAddress", "require_redis"]

Dialect = Literal["classic", "sharded", "streams"]
_DIALECTS: dict[str, Dialect] = {"sharded": "sharded", "streams": "streams"}
_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}


def require_redis() -> None:
    """Raises ConfigError if redis-py is not there, with the line that installs it."""
    try:
        import hiredis  # noqa: F401
        import redis  # noqa: F401
    except ImportError:
        raise ConfigError('Redis needs the extra "redis": pip install "flocket[redis]"') from None


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Made by `parse`: `url` is what redis-py understands; `shown` is the same without its password."""

    url: str
    shown: str
    dialect: Dialect = "classic"
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""  # the name of the sentinels' master

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read `redis://`, `rediss://` (TLS) or `unix://`; `+sharded`, `+streams`, `+sentinel` may follow it.

        Sentinels are listed: `redis+sentinel://user:password@host:26379,other:26379/mymaster/0`. Raises
        ConfigError for anything else.
        """
        parts = urlsplit(url) if isinstance(url, str) else None
        words = parts.scheme.split("+") if parts else []
        known = {"sharded", "streams", "sentinel"}
        if parts is None or not words or words[0] not in _SCHEMES or not set(words[1:]) <= known:
            shown = _without_password(parts) if parts else repr(url)
            raise ConfigError(
                f"not a Redis URL: {shown}; it is redis://host:port/db, rediss://, redis+sharded://,"
                " redis+streams://, redis+sentinel:// or unix:///path"
            )
        dialects = [_DIALECTS[word] for word in words[1:] if word in _DIALECTS]
        if len(dialects) > 1:
            raise ConfigError(f"a Redis URL is sharded or streams, not both: {_without_password(parts)}")
        shown = _without_password(parts)
        plain = parts._replace(scheme=_SCHEMES[words[0]])
        address = cls(urlunsplit(plain), shown, dialects[0] if dialects else "classic")
        if "sentinel" in words:
            return address._with_sentinels(plain)
        try:
            port = plain.port
        except ValueError:
            port = -1
        if port == -1 or (words[0] != "unix" and plain.path.strip("/") and not plain.path.strip("/").isdigit()):
            raise ConfigError(f"not a Redis URL: {shown}; it ends in :port/database-number")
        return address

    def _with_sentinels(self, parts: SplitResult) -> RedisAddress:
        credentials, _, hosts = parts.netloc.rpartition("@")
        service, _, db = parts.path.strip("/").partition("/")
        sentinels = []
        for host in hosts.split(","):
            name, _, port = host.rpartition(":") if ":" in host else (host, "", "26379")
            if not name or not port.isdigit():
                raise ConfigError(f"not a sentinel's host:port: {host!r} in {self.shown}")
            sentinels.append((name, int(port)))
        if not service:
            raise ConfigError(f"a sentinel URL names its master, as redis+sentinel://host/mymaster: {self.shown}")
        plain = parts._replace(netloc=f"{credentials}@master" if credentials else "master", path=f"/{db or 0}")
        return replace(self, url=urlunsplit(plain), sentinels=tuple(sentinels), service=service)

    def options(self) -> dict[str, Any]:
        """What redis-py reads from the URL: host, port, db, username, password, ssl_*, path."""
        require_redis()
        from redis.asyncio.connection import parse_url

        try:
            return dict(parse_url(self.url))
        except ValueError as error:
            raise ConfigError(f"not a Redis URL: {self.shown}: {error}") from None

    def error(self, cause: BaseException) -> AdapterError:
        """One line about what Redis, or the way to it, refused."""
        reason = " ".join(str(cause).split()) or type(cause).__name__
        return AdapterError(f"Redis at {self.shown}: {reason}")


def _without_password(parts: SplitResult) -> str:
    credentials, at, hosts = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:***@{hosts}" if colon else f"{credentials}{at}{hosts}"
    return urlunsplit(parts._replace(netloc=shown, query=""))
