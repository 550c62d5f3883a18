"""RedisClusterBus: what a node says and hears on a Redis Cluster: two connections to each master.

Sends each key's command to the master that has its slot, and follows slots that move. Does not know what is
said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from flocket.adapters.buses.redis import CHANNEL, RedisBus, channel_bytes, health_of
from flocket.adapters.buses.redis_ear import Ear, Hear, Kind
from flocket.adapters.buses.redis_endpoint import Endpoint, NotYet
from flocket.adapters.buses.redis_pipe import Pipe, Words
from flocket.adapters.buses.resp import ReplyError
from flocket.errors import AdapterError

__all__ = ["RedisClusterBus"]

log = logging.getLogger("flocket")

Address = tuple[str, int]
SLOTS = 16_384
_LOOK_TIME = 1.0  # seconds between two looks at the cluster while something is amiss
_HOPS = 3  # times that one command is sent on to another master


class RedisClusterBus(RedisBus):
    """As RedisBus, for a Redis Cluster that has `endpoint` among its nodes."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._pipes: dict[Address, Pipe] = {}
        self._ears: dict[Address, Ear] = {}
        self._owners: list[Address] = []
        self._home: dict[tuple[Kind, bytes], tuple[Hear, Address]] = {}
        self._gone_reconnects = 0
        self._gone_dropped = 0
        self._amiss = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    # -- life ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        owners = _owners(await self.endpoint.answer_to("CLUSTER", "SLOTS"), self.endpoint.host)
        if None in owners:
            raise NotYet(f"Redis Cluster at {self.endpoint.shown}: not every slot has a master yet")
        self._owners = [owner for owner in owners if owner is not None]
        for address in dict.fromkeys(self._owners):
            self._add(address)
        try:
            for part in (*self._pipes.values(), *self._ears.values()):
                await part.start()
        except BaseException:
            await self.aclose()
            raise
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def aclose(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for part in (*self._pipes.values(), *self._ears.values()):
            await part.aclose()

    def _add(self, address: Address) -> None:
        endpoint = self.endpoint.at(*address)
        self._pipes[address] = Pipe(endpoint)
        ear = self._ears[address] = Ear(endpoint)
        ear.on_refused = lambda verb, name, why: self._refused(verb, name, why)
        ear.on_taken = lambda name: self._amiss.set()

    # -- as RedisBus --------------------------------------------------------------------------------------

    def _owner(self, kind: Kind, name: bytes) -> Address:
        # What is published plainly reaches every node of the cluster: any will do, and the same is best.
        return self._owners[_slot(name)] if kind not in (CHANNEL, b"psubscribe") else self._owners[0]

    def listen(self, kind: Kind, channel: str, hear: Hear) -> None:
        name = channel_bytes(channel)
        owner = self._owner(kind, name)
        self._home[kind, name] = (hear, owner)
        self._ears[owner].listen(kind, name, hear)

    def forget(self, kind: Kind, channel: str) -> None:
        name = channel_bytes(channel)
        found = self._home.pop((kind, name), None)
        if found is not None:
            self._ears[found[1]].forget(kind, name)

    def say(self, kind: Kind, channel: str, data: bytes) -> bool:
        name = channel_bytes(channel)
        size = len(name) + len(data) + 64
        if len(data) > self.max_message:
            return self.too_large(size)
        if kind == CHANNEL:
            return self._pipes[self._owners[0]].send((b"PUBLISH", name, data), size, self._on_refused)
        return self.command((b"SPUBLISH", name, data), size)

    def command(self, words: Words, size: int = 0) -> bool:
        if size > self.max_message + 1024:
            return self.too_large(size)
        key = words[1]
        owner = self._owners[_slot(key if isinstance(key, bytes) else str(key).encode())]
        return self._send(owner, words, size, _HOPS)

    def _send(self, owner: Address, words: Words, size: int, hops: int, *, asking: bool = False) -> bool:
        def refused(error: ReplyError) -> None:
            self._redirect(error, words, size, hops)

        pipe = self._pipes[owner]
        if asking and not pipe.send(("ASKING",), 16):
            return False
        return pipe.send(words, size, refused)

    def _redirect(self, error: ReplyError, words: Words, size: int, hops: int) -> None:
        # A command that was refused was not done: to send it to where it belongs repeats nothing.
        verb, _, rest = str(error).partition(" ")
        self._amiss.set()
        if verb not in ("MOVED", "ASK") or hops == 0:
            self._on_refused(error)
            return
        self._send(self._known(rest.rpartition(" ")[2]), words, size, hops - 1, asking=verb == "ASK")

    def ask(self, *words: bytes | str | int) -> asyncio.Future[Any]:
        # XINFO STREAM key, and all others: COMMAND key
        key = words[2] if words[0] == "XINFO" else words[1]
        owner = self._owners[_slot(key if isinstance(key, bytes) else str(key).encode())]
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._ask(owner, words, answer, _HOPS)
        return answer

    def _ask(self, owner: Address, words: Words, answer: asyncio.Future[Any], hops: int) -> None:
        def done(asked: asyncio.Future[Any]) -> None:
            if answer.done():
                return
            error = None if asked.cancelled() else asked.exception()
            moved = str(error).split() if isinstance(error, ReplyError) else []
            if moved[:1] == ["MOVED"] and hops:
                self._amiss.set()
                self._ask(self._known(moved[2]), words, answer, hops - 1)
            elif asked.cancelled():
                answer.cancel()
            elif error is not None:
                answer.set_exception(error)
                answer.exception()  # no warning, if nobody waits
            else:
                answer.set_result(asked.result())

        asked = self._pipes[owner].ask(*words)
        if asked.done():
            done(asked)
        else:
            asked.add_done_callback(done)

    def _known(self, place: str) -> Address:
        """A master that a refusal names."""
        host, _, port = place.rpartition(":")
        owner = (host or self.endpoint.host, int(port))
        if owner not in self._pipes:
            self._add(owner)
            self._pipes[owner].begin()
            self._ears[owner].begin()
        return owner

    def endpoint_of(self, key: bytes) -> Endpoint:
        return self.endpoint.at(*self._owners[_slot(key)])

    def look(self) -> None:
        self._amiss.set()

    @property
    def pipe_lost(self) -> bool:
        return any(pipe.connection is None for pipe in self._pipes.values())

    def count(self, kind: Kind, channel: str) -> asyncio.Future[int]:
        name = channel_bytes(channel)
        if kind != CHANNEL:
            return _sum([self._pipes[self._owner(kind, name)].ask("PUBSUB", "SHARDNUMSUB", name)])
        return _sum([self._pipes[owner].ask("PUBSUB", "NUMSUB", name) for owner in dict.fromkeys(self._owners)])

    async def drained(self) -> None:
        for pipe in list(self._pipes.values()):
            await pipe.drained()

    async def settled(self) -> None:
        for ear in list(self._ears.values()):
            if ear.connection is not None:
                await ear.settled()

    def health(self) -> dict[str, Any]:
        return health_of(list(self._pipes.values()), list(self._ears.values()))

    @property
    def dropped(self) -> int:
        return self._gone_dropped + sum(pipe.dropped for pipe in self._pipes.values())

    @property
    def reconnects(self) -> int:
        parts = (*self._pipes.values(), *self._ears.values())
        return self._gone_reconnects + sum(part.reconnects for part in parts)

    # -- slots that move ----------------------------------------------------------------------------------

    def _refused(self, verb: bytes, name: bytes, why: str) -> None:
        if not why.startswith(("MOVED", "CLUSTERDOWN", "TRYAGAIN", "ASK")):
            log.error("Redis Cluster at %s refuses %s %.80r: %s", self.endpoint.shown, verb.decode(), name, why)
        self._amiss.set()

    async def _keep(self) -> None:
        """Look where the slots are whenever something is amiss, until nothing is."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_TIME):
                    await self._amiss.wait()
            parts = (*self._pipes.values(), *self._ears.values())
            if not self._amiss.is_set() and all(part.connection is not None for part in parts):
                continue
            self._amiss.clear()
            try:
                await self._look()
            except AdapterError as error:
                log.debug("%s", error)
                await asyncio.sleep(_LOOK_TIME)

    async def _look(self) -> None:
        for address, pipe in list(self._pipes.items()):
            if pipe.connection is None:
                continue
            try:
                async with asyncio.timeout(2.0):
                    owners = _owners(await pipe.ask("CLUSTER", "SLOTS"), address[0])
            except (ReplyError, AdapterError, TimeoutError):
                continue
            if None not in owners:
                await self._move([owner for owner in owners if owner is not None])
                return
        raise AdapterError(f"Redis Cluster at {self.endpoint.shown}: no node knows where every slot is")

    async def _move(self, owners: list[Address]) -> None:
        wanted = dict.fromkeys(owners)
        for address in wanted:
            if address not in self._pipes:
                self._add(address)
                self._pipes[address].begin()
                self._ears[address].begin()
        self._owners = owners
        for (kind, name), (hear, was) in list(self._home.items()):
            owner = self._owner(kind, name)
            if owner != was:
                self._home[kind, name] = (hear, owner)
                self._ears[was].forget(kind, name)
                self._ears[owner].listen(kind, name, hear)
            elif not self._ears[owner].confirmed(kind, name):
                self._ears[owner].listen(kind, name, hear)
        for address in [address for address in self._pipes if address not in wanted]:
            pipe, ear = self._pipes.pop(address), self._ears.pop(address)
            self._gone_reconnects += pipe.reconnects + ear.reconnects
            self._gone_dropped += pipe.dropped
            await pipe.aclose()
            await ear.aclose()


def _slot(key: bytes) -> int:
    from redis.crc import key_slot

    return key_slot(key)


def _owners(slots: list[Any], asked: str) -> list[Address | None]:
    """The master of each slot, from the answer to CLUSTER SLOTS; a node may not know its own host's name."""
    owners: list[Address | None] = [None] * SLOTS
    for first, last, master, *_ in slots:
        host = (master[0] or b"").decode()
        owners[first : last + 1] = [(host or asked, int(master[1]))] * (last + 1 - first)
    return owners


def _sum(counts: list[asyncio.Future[Any]]) -> asyncio.Future[int]:
    gathered = asyncio.gather(*counts)
    total: asyncio.Future[int] = gathered.get_loop().create_future()

    def done(_: asyncio.Future[Any]) -> None:
        if total.done():
            return
        error = None if gathered.cancelled() else gathered.exception()
        if gathered.cancelled():
            total.cancel()
        elif error is not None:
            total.set_exception(error)
            total.exception()  # no warning, if nobody waits
        else:
            total.set_result(sum(int(reply[1]) for reply in gathered.result()))

    gathered.add_done_callback(done)
    return total
