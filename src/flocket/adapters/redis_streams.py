"""RedisStreamsAdapter: a node in a cluster of Node's nodes with @socket.io/redis-streams-adapter, or of ours.

Reads the streams for all namespaces, and gives each its entries. Does not know what an entry says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from flocket.adapters.buses.redis import CHANNEL, SHARD
from flocket.adapters.buses.redis_cluster import RedisClusterBus
from flocket.adapters.buses.redis_reader import Reader, StreamId
from flocket.adapters.redis_factory import RedisFactory
from flocket.adapters.streams_link import StreamsLink
from flocket.adapters.streams_namespace import StreamsNamespace
from flocket.adapters.wire.streams import stream_name, stream_names
from flocket.errors import ConfigError
from flocket.options import is_above_zero

if TYPE_CHECKING:
    from flocket.sockets.adapter import Adapter
    from flocket.sockets.namespace import Namespace

__all__ = ["RedisStreamsAdapter"]


class RedisStreamsAdapter(RedisFactory):
    """`io.adapter(RedisStreamsAdapter("redis://localhost:6379"))`: what nodes say lasts through a broken connection.

    Names and defaults are those of Node's adapter, `max_len` the length at which a stream is trimmed, and must be
    the same on all nodes. With several streams, Node's nodes neither read nor are read in namespaces whose hash is
    negative; ours read those too. With `Server(recovery=...)` the log also serves clients that come back, to any
    node of either language; then an event is delivered when it is read from the log, here as on the other nodes.
    There is no `shared_subscription` here: each worker reads the log at its own position.
    """

    dialect = "streams"

    def __init__(
        self,
        url: str | None = None,
        *,
        host: str = "localhost",
        port: int = 6379,
        client: Any = None,
        stream_name: str = "socket.io",
        stream_count: int = 1,
        channel_prefix: str = "socket.io",
        use_sharded_pub_sub: bool = False,
        max_len: int = 10_000,
        read_count: int = 100,
        session_key_prefix: str = "sio:session:",
        only_plaintext: bool = False,
        requests_timeout: float = 5.0,
        start_timeout: float = 0.0,
    ) -> None:
        for name, number in (("stream_count", stream_count), ("max_len", max_len), ("read_count", read_count)):
            if not is_above_zero(number, whole=True):
                raise ConfigError(f"{name}={number!r:.80}: a whole number above 0")
        super().__init__(url, host, port, client, requests_timeout, start_timeout)
        self.name = stream_name
        self.stream_count = stream_count
        self.channel_prefix = channel_prefix
        self.kind = SHARD if use_sharded_pub_sub else CHANNEL
        self.max_len = max_len
        self.session_key_prefix = session_key_prefix
        self.only_plaintext = only_plaintext
        self._read_count = read_count
        self._links: dict[str, StreamsLink] = {}
        self._readers: list[Reader] = []

    @property
    def prefix(self) -> str:
        return self.channel_prefix

    def __call__(self, nsp: Namespace[Any]) -> Adapter:
        return StreamsNamespace(nsp, self)

    async def start(self) -> None:
        await super().start()
        streams = [name.encode() for name in stream_names(self.name, self.stream_count)]
        # One connection reads them all, but on a Redis Cluster, where each may be on another master.
        on_cluster = isinstance(self.bus, RedisClusterBus)
        groups = [[stream] for stream in streams] if on_cluster else [streams]
        self._readers = [self._make_reader(group) for group in groups]
        try:
            for reader in self._readers:
                await reader.start()
        except BaseException:
            await self.aclose()
            raise

    def _make_reader(self, streams: list[bytes]) -> Reader:
        reader = Reader(self.bus.endpoint_of(streams[0]), streams, self._on_entry, self._read_count)

        def refused(why: str) -> None:
            self.bus.look()
            reader.endpoint = self.bus.endpoint_of(streams[0])

        reader.on_refused = refused
        return reader

    async def aclose(self) -> None:
        for reader in self._readers:
            await reader.aclose()
        await super().aclose()

    def health(self) -> dict[str, Any]:
        found = super().health()
        now = asyncio.get_running_loop().time()
        deaf = [now - reader.lost_at for reader in self._readers if reader.connection is None]
        if deaf:
            away_for = max(found.get("away_for", 0.0), round(max(deaf), 3))
            found |= {"ok": False, "hears": False, "away_for": away_for}
        return found

    def stats(self) -> dict[str, int]:
        self.counters.holes = sum(reader.gaps for reader in self._readers)
        return super().stats()

    # -- the log --------------------------------------------------------------------------------------------

    def enter(self, link: StreamsLink) -> None:
        """A namespace begins to receive."""
        self._links[link.nsp] = link

    def leave(self, link: StreamsLink) -> None:
        """A namespace receives no more."""
        if self._links.get(link.nsp) is link:
            del self._links[link.nsp]

    def position(self, nsp: str) -> StreamId:
        """How far the log of a namespace has been read here."""
        stream = stream_name(nsp, self.name, self.stream_count).encode()
        return next(reader.position[stream] for reader in self._readers if stream in reader.position)

    def _on_entry(self, stream: bytes, entry: StreamId, fields: dict[bytes, bytes]) -> None:
        try:
            said = {key.decode(): value.decode() for key, value in fields.items()}
        except UnicodeDecodeError:
            self.counters.bad_messages += 1
            return
        link = self._links.get(said.get("nsp", ""))
        if link is not None:
            link.on_entry(entry, said)
