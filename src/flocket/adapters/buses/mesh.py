"""The nodes of one machine, joined by unix sockets: who is there, who is well, and frames between any two.

Knows a folder, greetings and heartbeats; does not know what the frames are for. The unix bus, the passing of
connections and the relaying of requests each take kinds of frames.

There is no hub. Every node listens at `<folder>/<tag>` and opens one link to each other node, on which only
it writes; whoever gets a link opens one back. So each pair has two links, no two nodes ever disagree about
which link to keep, and the end of a process is the end of its links: its peers see EOF at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.buses.links import FRAME_LIMIT, QUEUE_MARK, Inbound, Outbound
from flocket.engine.sid import TAG_LENGTH
from flocket.errors import AdapterError, FlocketError

__all__ = ["BEAT", "FIRST_FREE_KIND", "HUNG_AFTER", "NO_MORE", "Mesh", "Peer"]

BEAT = 0.9  # seconds between two heartbeats
HUNG_AFTER = 3 * BEAT  # three were missed: with the tick, known within 3 s
TICK = 0.25
_HELLO, _BEAT, FIRST_FREE_KIND = 0, 1, 8
NO_MORE = 0xFFFF_FFFF  # the load of a node that takes no new sessions: it starts or ends, or has not said yet
_HELLO_LIMIT = 512  # bytes: a stranger may not make us buffer more

Receiver = Callable[["Peer", bytes, "int | None"], None]


class _Hello(msgspec.Struct):
    version: int
    uid: str
    tag: str
    epoch: int
    worker: int
    pid: int


class Peer:
    """Another node of this machine: known as soon as it can be written to, up once it has greeted."""

    def __init__(self, tag: str, now: float) -> None:
        self.tag = tag
        self.identity: NodeIdentity | None = None
        self.worker = -1
        self.pid = 0
        self.load = NO_MORE  # what it last said of itself
        self.up = False
        self.heard = now
        self.out: Outbound | None = None
        self.incoming: Inbound | None = None

    @property
    def waiting(self) -> int:
        """Bytes queued for it."""
        return self.out.waiting if self.out is not None else 0

    def __repr__(self) -> str:
        return f"<Peer {self.tag} {'up' if self.up else 'down'}>"


class Mesh:
    """This node's access to its siblings."""

    def __init__(
        self,
        folder: Path,
        node: NodeIdentity,
        *,
        worker: int = 0,
        now: Callable[[], float] = time.monotonic,
        make_folder: Callable[[], object] = lambda: None,
    ) -> None:
        self.folder = folder
        self.node = node
        self.worker = worker
        self.load = NO_MORE  # told with each heartbeat; `tell_load` tells it sooner
        self.garbage = 0  # frames and connections that made no sense
        self.dropped = 0  # frames for a peer whose queue was full
        self.peers: dict[str, Peer] = {}  # by tag
        self.on_up: list[Callable[[Peer], None]] = []
        self.on_down: list[Callable[[Peer, str], None]] = []  # "gone" or "hung"
        self._now = now
        self._make_folder = make_folder  # again: others may tidy up where it is
        self._receivers: dict[int, Receiver] = {}
        self._strangers: dict[Inbound, float] = {}  # since when they have not greeted
        self._listening: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ticked = 0.0
        self._beaten = 0.0
        self._room: list[asyncio.Future[None]] = []  # who waits in `drained`

    # -- life

    @property
    def running(self) -> bool:
        return self._listening is not None

    async def start(self) -> None:
        """Listen, and open a link to every node in the folder."""
        self._loop = asyncio.get_running_loop()
        self._listen()
        self._ticked = self._beaten = self._now()
        self._look_around()
        self._timer = self._loop.call_later(TICK, self._tick)

    async def met(self, seconds: float) -> None:
        """Wait until all who were found have greeted; not longer, as one that hangs greets nobody."""
        end = self._now() + seconds
        while any(not peer.up for peer in self.peers.values()) and self._now() < end:  # noqa: ASYNC110  # some milliseconds, once in a life
            await asyncio.sleep(0.002)

    async def aclose(self) -> None:
        """Send what waits, for a second at most, and go."""
        if self._listening is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.drained(0)
        self._loop.remove_reader(self._listening)
        (self.folder / self.node.tag).unlink(missing_ok=True)
        self._listening.close()
        self._listening = None
        if self._timer is not None:
            self._timer.cancel()
        for stranger in self._strangers:
            stranger.close()
        self._strangers.clear()
        for peer in list(self.peers.values()):
            self._forget(peer)

    # -- frames

    def receive(self, kind: int, receiver: Receiver) -> None:
        """Give all frames of `kind` to `receiver` (peer, payload, descriptor), which owns the descriptor."""
        if kind < FIRST_FREE_KIND or kind in self._receivers:
            raise ValueError(f"kind {kind} is taken")
        self._receivers[kind] = receiver

    def ignore(self, kind: int) -> None:
        """Give frames of `kind` to nobody any longer."""
        self._receivers.pop(kind, None)

    def send(self, peer: Peer, kind: int, *parts: bytes, fd: int | None = None, now: bool = False) -> bool:
        """As `Outbound.send`; what is refused is counted."""
        if peer.out is not None and peer.out.send(kind, *parts, fd=fd, now=now):
            return True
        self.dropped += 1
        return False

    async def drained(self, mark: int = QUEUE_MARK) -> None:
        """Return once no queue of a peer that is well is above the mark."""
        while any(peer.up and peer.waiting > mark for peer in self.peers.values()):
            room = self._loop.create_future()
            self._room.append(room)
            await room

    def tell_load(self, load: int) -> None:
        """Tell the siblings at once how much this node carries."""
        self.load = load
        self._beat()

    # -- links

    def _listen(self) -> None:
        path, unborn = self.folder / self.node.tag, self.folder / f".{self.node.tag}"
        listening = None
        try:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.setblocking(False)
            listening.bind(str(unborn))
            listening.listen(128)
            unborn.rename(path)  # only now: who finds the name and is refused takes it for a dead node's
        except OSError as error:
            if listening is not None:
                listening.close()
            raise AdapterError(f"cannot listen at {path}: {error.strerror or error}") from error
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
        self._listening = listening
        self._loop.add_reader(listening, self._accept)

    def _reappear(self) -> None:
        """Our name is gone, or all of the folder: whoever comes next would not find us."""
        with contextlib.suppress(FlocketError):  # at the next heartbeat
            self._make_folder()
            self._listen()

    def _look_around(self) -> None:
        try:
            entries = os.listdir(self.folder)
        except FileNotFoundError:
            entries = []
        except OSError:
            return  # descriptors are out: at the next heartbeat
        if self.node.tag not in entries:
            self._reappear()
        for entry in entries:
            if len(entry) == TAG_LENGTH and entry != self.node.tag and entry not in self.peers:
                self._open(entry)

    def _open(self, tag: str) -> Peer | None:
        path = self.folder / tag
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            return None  # descriptors are out
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except OSError as error:
            sock.close()
            if isinstance(error, ConnectionRefusedError):
                path.unlink(missing_ok=True)  # its owner was killed and could not remove it
            return None  # else it has gone meanwhile, or its backlog is full: the next look finds out
        peer = self.peers[tag] = Peer(tag, self._now())
        peer.out = Outbound(sock, lambda: self._lose(peer), self._has_room)
        node = self.node
        hello = _Hello(1, node.uid, node.tag, node.epoch, self.worker, os.getpid())
        peer.out.send(_HELLO, msgspec.msgpack.encode(hello), now=True)
        if peer.out is not None:
            peer.out.send(_BEAT, self.load.to_bytes(4, "big"), now=True)  # so that it is known from the beginning
        return self.peers.get(tag)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            sock, _ = self._listening.accept()
        except OSError:
            return  # it has gone, or descriptors are out here
        sock.setblocking(False)
        peer: Peer | None = None

        def take(kind: int, payload: bytes, fd: int | None) -> None:
            nonlocal peer
            if peer is None:
                peer = self._greet(inbound, kind, payload)
            else:
                self._take(peer, kind, payload, fd)

        def ended(garbage: bool) -> None:
            self.garbage += garbage
            self._strangers.pop(inbound, None)
            if peer is not None:
                self._lose(peer)

        inbound = Inbound(sock, take, ended)
        inbound.frame_limit = _HELLO_LIMIT
        self._strangers[inbound] = self._now()

    def _greet(self, inbound: Inbound, kind: int, payload: bytes) -> Peer | None:
        del self._strangers[inbound]
        hello = _read_hello(payload) if kind == _HELLO else None
        if hello is None or hello.tag == self.node.tag:
            self.garbage += 1
            inbound.close()
            return None
        peer = self.peers.get(hello.tag) or self._open(hello.tag)
        if peer is None or peer.incoming is not None:
            inbound.close()  # it has gone already; or another has its tag, which only a stranger does
            return None
        inbound.frame_limit = FRAME_LIMIT
        peer.incoming = inbound
        peer.identity = NodeIdentity(hello.uid, hello.tag, hello.epoch)
        peer.worker, peer.pid = hello.worker, hello.pid
        self._hear(peer)
        return peer

    def _take(self, peer: Peer, kind: int, payload: bytes, fd: int | None) -> None:
        self._hear(peer)
        if kind == _BEAT:
            peer.load = int.from_bytes(payload[:4], "big")
        elif kind in self._receivers:
            self._receivers[kind](peer, payload, fd)
        else:
            self.garbage += 1  # a newer node's word, or nonsense
            if fd is not None and fd >= 0:
                os.close(fd)

    def _hear(self, peer: Peer) -> None:
        peer.heard = self._now()
        if not peer.up and peer.identity is not None:
            peer.up = True
            for told in self.on_up:
                told(peer)

    def _lose(self, peer: Peer) -> None:
        """One of its links has ended: so has the node."""
        if self.peers.get(peer.tag) is peer:
            if peer.incoming is not None:
                peer.incoming.read_all()  # what it said before it died was said: a confirmation, maybe
            self._forget(peer)

    def _forget(self, peer: Peer) -> None:
        if self.peers.pop(peer.tag, None) is None:
            return
        if peer.out is not None:
            peer.out.close()
        if peer.incoming is not None:
            peer.incoming.close()
        peer.out = peer.incoming = None
        peer.up = False
        self._has_room()
        for told in self.on_down:
            told(peer, "gone")

    def _has_room(self) -> None:
        room, self._room = self._room, []
        for future in room:
            if not future.done():
                future.set_result(None)

    # -- health

    def _beat(self) -> None:
        load = self.load.to_bytes(4, "big")
        for peer in list(self.peers.values()):
            if peer.out is not None and not peer.waiting:  # else what waits for it says as much
                peer.out.send(_BEAT, load, now=True)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        now = self._now()
        stall = max(0.0, now - self._ticked - 2 * TICK)
        self._ticked = now
        if now - self._beaten >= BEAT - TICK / 2:
            self._beaten = now
            self._beat()
            self._look_around()
        for peer in list(self.peers.values()):
            # When it was we who hung, what they said meanwhile has not been read yet.
            peer.heard = min(now, peer.heard + stall)
            if peer.up and now - peer.heard >= HUNG_AFTER:
                peer.up = False
                self._has_room()
                for told in self.on_down:
                    told(peer, "hung")
        for stranger, since in list(self._strangers.items()):
            if now - since >= HUNG_AFTER:
                self.garbage += 1
                del self._strangers[stranger]
                stranger.close()


def _read_hello(payload: bytes) -> _Hello | None:
    try:
        hello = msgspec.msgpack.decode(payload, type=_Hello)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return hello if hello.version == 1 and len(hello.tag) == TAG_LENGTH and "/" not in hello.tag else None
