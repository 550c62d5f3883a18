"""One unix socket in one direction: frames with descriptors, out through a bounded queue or in to a receiver.

Knows framing, partial writes and descriptors in transit; does not know who is at the other end, nor what a
frame is for.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable

__all__ = ["FRAME_LIMIT", "LOST", "QUEUE_LIMIT", "QUEUE_MARK", "Inbound", "Outbound"]

FRAME_LIMIT = 16_777_216 + 65_536  # Bus.max_message and the name of its channel
QUEUE_LIMIT = 8_388_608  # bytes that may wait for one peer: half a minute of 250 kB/s while it is stopped
QUEUE_MARK = 1_048_576  # above it `drained` waits, and connections are no longer passed
LOST = -1  # in a descriptor's place: this process had no number free when it came

_READ = 262_144  # a unix socket's default buffer is 212,992
_READS_A_TURN = 4  # then others have their turn
_FDS = 32
_ROOM_FOR_FDS = socket.CMSG_SPACE(4 * _FDS)
# As plain numbers: `&` of the enumerations costs more than the system call.
_TRUNCATED, _DONT_WAIT = int(socket.MSG_CTRUNC), int(socket.MSG_DONTWAIT)
_CLOSE_ON_EXEC = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))  # macOS has none: then by a call for each descriptor
_HEAD = struct.Struct("!IB")  # length of the payload, kind
_CARRIES = 0x80  # set in the kind of a frame that has a descriptor: a read may return frames before it, too


class Outbound:
    """The writing end. Frames leave in order, joined into one write for each turn of the loop."""

    def __init__(self, sock: socket.socket, lost: Callable[[], None], room: Callable[[], None]) -> None:
        self.waiting = 0  # bytes queued
        self._sock = sock
        self._lost = lost
        self._room = room  # told when something has left
        self._queue: deque[tuple[bytes | memoryview, int | None]] = deque()
        self._blocked = False  # the socket is full: the loop tells when it is not
        self._closed = False
        self._loop = asyncio.get_running_loop()
        # Only this side writes: that it becomes readable means that it has ended.
        self._loop.add_reader(sock, lost)

    def send(self, kind: int, *parts: bytes, fd: int | None = None, now: bool = False) -> bool:
        """Queue a frame, which leaves at the end of the turn, or `now`; False if the queue is full.

        `fd` travels along: a duplicate arrives, and the caller keeps its own until the peer has confirmed.
        """
        if self._closed or self.waiting > QUEUE_LIMIT:
            return False
        size = sum(map(len, parts))
        if not self._queue and not now:
            self._loop.call_soon(self.flush)
        self._queue.append((_HEAD.pack(size, kind if fd is None else kind | _CARRIES) + b"".join(parts), fd))
        self.waiting += size + _HEAD.size
        if now:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what is queued, as far as the socket takes it."""
        if self._closed or self._blocked:
            return
        while self._queue:
            batch, ancillary = self._batch()
            try:
                sent = self._sock.sendmsg(batch, ancillary, _DONT_WAIT)
            except (BlockingIOError, InterruptedError):
                self._blocked = True
                self._loop.add_writer(self._sock, self._writable)
                return
            except OSError:
                self._lost()
                return
            self._sent(sent)
        self._room()

    def withdraw(self, fd: int) -> bool:
        """Take back the frame that waits with this descriptor, if it has not left."""
        for index, (data, other) in enumerate(self._queue):
            if other == fd:
                del self._queue[index]
                self.waiting -= len(data)
                return True
        return False

    def close(self) -> None:
        self._closed = True
        self._loop.remove_reader(self._sock)
        if self._blocked:
            self._loop.remove_writer(self._sock)
        self._queue.clear()
        self.waiting = 0
        self._sock.close()

    def _batch(self) -> tuple[list[bytes | memoryview], list[tuple[int, int, array.array[int]]]]:
        first, fd = self._queue[0]
        if fd is not None:
            return [first], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        batch: list[bytes | memoryview] = []
        size = 0
        for data, fd in self._queue:
            if fd is not None or len(batch) == 512 or size > _READ:  # IOV_MAX is 1,024 on Linux and macOS
                break
            batch.append(data)
            size += len(data)
        return batch, []

    def _sent(self, sent: int) -> None:
        self.waiting -= sent
        while sent:
            data, _ = self._queue.popleft()
            if len(data) > sent:
                # Its descriptor went with the first byte: what is left of the frame is only bytes.
                self._queue.appendleft((memoryview(data)[sent:], None))
                return
            sent -= len(data)

    def _writable(self) -> None:
        self._loop.remove_writer(self._sock)
        self._blocked = False
        self.flush()


class Inbound:
    """The reading end: gives whole frames to `take` (kind, payload, descriptor) and tells its end once."""

    def __init__(
        self,
        sock: socket.socket,
        take: Callable[[int, bytes, int | None], None],
        ended: Callable[[bool], None],
    ) -> None:
        self.frame_limit = FRAME_LIMIT
        self._sock = sock
        self._take = take
        self._ended = ended  # told True if it ended for garbage
        self._buffer = bytearray()
        self._taken = 0  # bytes at its beginning that are frames which were given away
        self._fds: deque[int] = deque()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._readable)

    def read_all(self) -> None:
        """Take in all that has been written at the other end, without waiting for the loop to say so."""
        while self._read() is not None:
            pass

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock)
        self._sock.close()
        for fd in self._fds:
            if fd != LOST:
                os.close(fd)
        self._fds.clear()

    def _readable(self) -> None:
        for _ in range(_READS_A_TURN):
            if not self._read():
                return

    def _read(self) -> bool | None:
        """Read once: whether more is likely; None if nothing was there, or if it is over."""
        if self._closed:
            return None
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(_READ, _ROOM_FOR_FDS, _CLOSE_ON_EXEC)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data, ancillary, flags = b"", [], 0
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._fds.extend(_descriptors(raw))
        if flags & _TRUNCATED:
            self._fds.append(LOST)
        if not data:
            self._end(garbage=False)
            return None
        self._buffer += data
        self._take_frames()
        return len(data) >= _READ // 2 or bool(ancillary)  # behind a descriptor a read stops

    def _take_frames(self) -> None:
        buffer = self._buffer
        while len(buffer) - self._taken >= _HEAD.size:
            size, kind = _HEAD.unpack_from(buffer, self._taken)
            if size > self.frame_limit:
                self._end(garbage=True)
                return
            start = self._taken + _HEAD.size
            end = start + size
            if end > len(buffer):
                break
            payload = bytes(memoryview(buffer)[start:end])
            # Before it is taken: whoever takes it may have us read on (`read_all`), and no frame may be taken twice.
            self._taken = end
            if kind & _CARRIES:
                self._take(kind & ~_CARRIES, payload, self._fds.popleft() if self._fds else LOST)
            else:
                self._take(kind, payload, None)
            if self._closed:
                return
        if self._taken:
            del buffer[: self._taken]
            self._taken = 0

    def _end(self, *, garbage: bool) -> None:
        self.close()
        self._ended(garbage)


def _descriptors(raw: bytes) -> list[int]:
    fds = array.array("i")
    fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
    for fd in () if _CLOSE_ON_EXEC else fds:
        os.set_inheritable(fd, False)
    return list(fds)
