"""Where a Redis is and which dialect is spoken there, read from a URL.

Imports redis-py only when its help is asked for; opens no connection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from flocket.errors import AdapterError, ConfigError

__all__ = ["Dialect", "RedisAddress", "require_redis"]

Dialect = Literal["classic", "sharded", "streams"]
_DIALECTS: dict[str, Dialect] = {"sharded": "sharded", "streams": "streams"}
_OF_POOLS = {"connection_class", "max_connections"}  # options that no single connection has
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
        parts = _split(url)
        words = parts.scheme.split("+")
        if words[0] not in _SCHEMES or not set(words[1:]) <= {"sharded", "streams", "sentinel"}:
            raise _refusal(_without_password(parts))
        dialects = [_DIALECTS[word] for word in words[1:] if word in _DIALECTS]
        if len(dialects) > 1:
            raise ConfigError(f"a Redis URL is sharded or streams, not both: {_without_password(parts)}")
        shown = _without_password(parts)
        plain = parts._replace(scheme=_SCHEMES[words[0]])
        address = cls(_joined(plain), shown, dialects[0] if dialects else "classic")
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
        return replace(self, url=_joined(plain), sentinels=tuple(sentinels), service=service)

    def options(self) -> dict[str, Any]:
        """What redis-py reads from the URL: host, port, db, username, password, ssl_*, path."""
        require_redis()
        from redis.asyncio.connection import Connection, parse_url

        try:
            options = dict(parse_url(self.url))
            # redis-py tells an option that it does not know when it connects: as a TypeError.
            kind: Any = options.get("connection_class", Connection)
            kind(**{key: options[key] for key in options.keys() - _OF_POOLS})
        except (ValueError, TypeError) as error:
            raise ConfigError(f"not a Redis URL: {self.shown}: {str(error).rpartition('() got ')[2]}") from None
        return options

    def error(self, cause: BaseException) -> AdapterError:
        """One line about what Redis, or the way to it, refused."""
        reason = " ".join(str(cause).split()) or type(cause).__name__
        if "unknown command" in reason:
            reason = f"too old for the {self.dialect} adapter: {reason.partition(',')[0]}"
        if self.sentinels:
            reason = reason.partition(" : <")[0]  # redis-py shows its objects behind it
        return AdapterError(f"Redis at {self.shown}: {reason}")


def _refusal(shown: str) -> ConfigError:
    return ConfigError(
        f"not a Redis URL: {shown}; it is redis://host:port/db, rediss://, redis+sharded://,"
        " redis+streams://, redis+sentinel:// or unix:///path"
    )


def _split(url: Any) -> SplitResult:
    if not isinstance(url, str):
        raise _refusal(repr(url))
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket without its other, say; the error may show the password
        raise _refusal(f"{scheme:.20}://***") from None
    if "@" not in parts.netloc and "@" in parts.path + parts.query + parts.fragment and "=" not in parts.query:
        # Where such a password ends, nobody knows: nothing of it is shown.
        raise ConfigError(f"not a Redis URL: {scheme:.20}://***; in a password write / as %2F, ? as %3F, # as %23")
    return parts


def _joined(parts: SplitResult) -> str:
    # urlunsplit leaves out the empty host of unix:///path, which redis-py misses.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _without_password(parts: SplitResult) -> str:
    if not parts.netloc and parts.scheme != "unix":
        return f"{parts.scheme}:{parts.path}" if parts.scheme else parts.path
    credentials, at, hosts = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:***@{hosts}" if colon else f"{credentials}{at}{hosts}"
    return _joined(parts._replace(netloc=shown, query=""))
