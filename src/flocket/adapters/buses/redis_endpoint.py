"""How to reach a Redis server: host or socket, TLS, credentials, database, through sentinels if there are
any.

Opens connections (resp.py). Does not reconnect.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import re
import ssl
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from flocket.adapters.buses.redis_address import RedisAddress
from flocket.adapters.buses.resp import OnPush, ReplyError, RespConnection
from flocket.errors import AdapterError, ConfigError

__all__ = ["Endpoint", "NotYet"]

CONNECT_TIME = 0.9  # seconds for TCP: a server that returns is found again within one
GREETING_TIME = 5.0  # seconds for TLS, password and database


# How Redis begins what it says while it reads its data, and a cluster or a replica before it is whole.
_BEGINNING = ("LOADING", "MASTERDOWN", "CLUSTERDOWN")


class NotYet(AdapterError):
    """Redis is not there, or has only begun: trying again may help."""


class Sentinel(NamedTuple):
    """Who knows which server is the master."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Redis server, or the master that sentinels name. `shown` is for people."""

    host: str = "localhost"
    port: int = 6379
    path: str = ""  # a unix socket
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    credentials: Any = None  # redis-py's CredentialProvider
    sentinels: tuple[Sentinel, ...] = ()
    service: str = ""
    shown: str = "redis://localhost:6379"

    @classmethod
    def of(cls, address: RedisAddress) -> Endpoint:
        """Where a URL points."""
        options = address.options()
        connection = options.pop("connection_class", None)
        endpoint = cls._from_options(options, connection, address.shown)
        if not address.sentinels:
            return endpoint
        sentinels = tuple(Sentinel(host, port) for host, port in address.sentinels)
        return replace(endpoint, sentinels=sentinels, service=address.service)

    @classmethod
    def of_client(cls, client: Any) -> Endpoint:
        """Where a client of redis-py (redis.asyncio.Redis, or RedisCluster) is connected to."""
        if hasattr(client, "startup_nodes") or hasattr(client, "get_default_node"):
            return cls._of_cluster(client)
        pool = getattr(client, "connection_pool", None)
        if pool is None:
            raise ConfigError(f"client={client!r:.80}: a redis.asyncio.Redis, or give a URL")
        options = dict(pool.connection_kwargs)
        manager = getattr(pool, "sentinel_manager", None)
        shown = f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}"
        endpoint = cls._from_options(options, pool.connection_class, shown)
        if manager is None:
            return endpoint
        found = [sentinel.connection_pool.connection_kwargs for sentinel in manager.sentinels]
        sentinels = tuple(
            Sentinel(told["host"], int(told["port"]), told.get("username"), told.get("password")) for told in found
        )
        shown = f"the sentinels' {pool.service_name}"
        return replace(endpoint, sentinels=sentinels, service=pool.service_name, shown=shown)

    @classmethod
    def _of_cluster(cls, client: Any) -> Endpoint:
        nodes = getattr(client, "nodes_manager", client).startup_nodes
        node = next(iter(nodes.values()))
        options = {**getattr(client, "connection_kwargs", {}), "host": node.host, "port": node.port}
        return cls._from_options(options, options.get("connection_class"), f"redis://{node.host}:{node.port}")

    @classmethod
    def _from_options(cls, options: dict[str, Any], connection: Any, shown: str) -> Endpoint:
        host = options.get("host") or "localhost"
        return cls(
            host=host,
            port=int(options.get("port") or 6379),
            path=options.get("path") or options.get("unix_socket_path") or "",
            db=int(options.get("db") or 0),
            username=options.get("username"),
            password=options.get("password"),
            tls=_tls_context(options, connection),
            credentials=options.get("credential_provider"),
            shown=shown,
        )

    def at(self, host: str, port: int) -> Endpoint:
        """Another server of the same cluster, with the same credentials."""
        return replace(self, host=host, port=port, path="", sentinels=())

    async def connect(self, on_push: OnPush | None = None) -> RespConnection:
        """Open a connection and greet. Raises AdapterError with one line that says what is wrong."""
        try:
            connection = await self._open(on_push)
        except ssl.SSLCertVerificationError as error:
            raise AdapterError(f"Redis at {self.shown}: {_reason(error)}") from None
        except (OSError, TimeoutError) as error:
            raise NotYet(f"Redis at {self.shown}: {_reason(error)}") from None
        try:
            async with asyncio.timeout(GREETING_TIME):
                await self._greet(connection)
        except (ReplyError, AdapterError, TimeoutError) as error:
            connection.abort()
            refused = isinstance(error, ReplyError) and not str(error).startswith(_BEGINNING)
            raise (AdapterError if refused else NotYet)(f"Redis at {self.shown}: {_reason(error)}") from None
        except BaseException:
            connection.abort()
            raise
        return connection

    async def answer_to(self, *words: str) -> Any:
        """Connect, have the reply to one command, and disconnect. Raises AdapterError."""
        connection = await self.connect()
        try:
            async with asyncio.timeout(GREETING_TIME):
                return await connection.ask(*words)
        except ReplyError as error:
            raise AdapterError(f"Redis at {self.shown}: {error}") from None
        except TimeoutError as error:
            raise NotYet(f"Redis at {self.shown}: {_reason(error)}") from None
        finally:
            connection.close()

    async def _open(self, on_push: OnPush | None) -> RespConnection:
        loop = asyncio.get_running_loop()
        if self.path:
            async with asyncio.timeout(CONNECT_TIME):
                return (await loop.create_unix_connection(lambda: RespConnection(on_push), self.path))[1]
        host, port = await self._master()
        # TCP first and TLS behind it: each has its own time.
        async with asyncio.timeout(CONNECT_TIME):
            transport, connection = await loop.create_connection(lambda: RespConnection(on_push), host, port)
        if self.tls is not None:
            try:
                secured = await loop.start_tls(
                    transport,
                    connection,
                    self.tls,
                    server_hostname=self.host,
                    ssl_handshake_timeout=GREETING_TIME,
                )
            except BaseException:
                transport.abort()
                raise
            assert secured is not None
            connection.connection_made(secured)
        return connection

    async def _master(self) -> tuple[str, int]:
        """Where the master is: the sentinels know, if there are any."""
        if not self.sentinels:
            return self.host, self.port
        for sentinel in self.sentinels:
            asked = Endpoint(
                sentinel.host, sentinel.port, username=sentinel.username, password=sentinel.password, shown="a sentinel"
            )
            try:
                connection = await asked.connect()
                try:
                    async with asyncio.timeout(CONNECT_TIME):
                        found = await connection.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
                finally:
                    connection.close()
            except (AdapterError, ReplyError, TimeoutError):
                continue
            if found is not None:
                return found[0].decode(), int(found[1])
        raise OSError(f"no sentinel knows a master of the name {self.service!r}")

    async def _greet(self, connection: RespConnection) -> None:
        username, password = self.username, self.password
        if self.credentials is not None:
            given = self.credentials.get_credentials()
            given = tuple(await given if inspect.isawaitable(given) else given)
            username, password = given if len(given) == 2 else (None, *given)
        if password is not None:
            await connection.ask("AUTH", *([username, password] if username else [password]))
        if self.db:
            await connection.ask("SELECT", self.db)
        await connection.ask("PING")


def _tls_context(options: dict[str, Any], connection: Any) -> ssl.SSLContext | None:
    from redis.asyncio.connection import SSLConnection

    if not (isinstance(connection, type) and issubclass(connection, SSLConnection)) and not options.get("ssl"):
        return None
    kept = {key: value for key, value in options.items() if key.startswith("ssl_")}
    host = options.get("host") or "localhost"
    try:
        return SSLConnection(host=host, **kept).ssl_context.get()
    except OSError as error:  # of ssl, too: it does not say which file
        files = ", ".join(f"{key}={kept[key]}" for key in _FILES if kept.get(key))
        raise ConfigError(f"Redis by TLS, {files}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # A name with several addresses, as localhost has two: asyncio says "Multiple exceptions", with each one's number.
    numbers = {error.errno} if isinstance(error, OSError) and error.errno else {*map(int, _NUMBER.findall(str(error)))}
    if numbers == {errno.ECONNREFUSED}:
        return "connection refused"
    return " ".join(str(error).split()) or type(error).__name__


_NUMBER = re.compile(r"\[Errno (\d+)\]")
