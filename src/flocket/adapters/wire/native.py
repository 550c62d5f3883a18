"""Our own dialect: an envelope that says who speaks, in which life and as which message, around msgpack.

A version, the node's uid, its boot epoch and a sequence number for each channel; a size limit; a signature
if there is a key. Does not know who listens.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from flocket.adapters import messages as m
from flocket.codec.errors import DecodeError
from flocket.errors import EncodeError

__all__ = ["MAX_MESSAGE", "Envelope", "Native"]

VERSION = 1  # the first byte; another is refused, so that a rolling upgrade may change everything behind it
MAX_MESSAGE = 16_777_216  # bytes; a Bus's default
_PLAIN, _SIGNED = 0, 1
_MAC = 32  # bytes of HMAC-SHA256

_KINDS: dict[int, type[m.Message]] = {
    1: m.InitialHeartbeat,
    2: m.Heartbeat,
    3: m.Broadcast,
    4: m.Join,
    5: m.Leave,
    6: m.DisconnectSockets,
    7: m.FetchSockets,
    8: m.FetchSocketsResponse,
    9: m.ServerSideEmit,
    10: m.ServerSideEmitResponse,
    11: m.BroadcastClientCount,
    12: m.BroadcastAck,
    13: m.Close,
    14: m.BroadcastFrames,
    15: m.CountSockets,
    16: m.CountSocketsResponse,
    17: m.ClientGone,
    18: m.Absent,
    19: m.FindSession,
    20: m.FindSessionResponse,
    21: m.TakeSession,
    22: m.TakeSessionResponse,
}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_encode = msgspec.msgpack.Encoder().encode
_read_body = msgspec.msgpack.Decoder(tuple[str, int, int, int, msgspec.Raw]).decode
_readers = {number: msgspec.msgpack.Decoder(kind).decode for number, kind in _KINDS.items()}


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Who said a message: `seq` counts what the node `uid` said on that channel in the life `epoch`."""

    uid: str
    epoch: int
    seq: int
    message: m.Message


class Native:
    """One node's writing and reading. `key` signs what is written, and refuses what is not signed with it."""

    def __init__(
        self, uid: str, epoch: int, *, key: bytes | None = None, max_message: int = MAX_MESSAGE
    ) -> None:
        self.uid = uid
        self.epoch = epoch
        self.max_message = max_message
        self._key = key
        self._sent: dict[str, int] = {}

    def encode(self, channel: str, message: m.Message) -> bytes:
        """The bytes that say `message` on `channel`; each call is the next in its count.

        Raises EncodeError for what is too large, or cannot be written.
        """
        try:
            said = _encode(message)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise EncodeError(f"{type(message).__name__} cannot be sent to other nodes: {error}") from None
        if len(said) > self.max_message - 128:
            raise EncodeError(f"{len(said)} bytes are too many for one message to other nodes")
        seq = self._sent[channel] = self._sent.get(channel, 0) + 1
        body = _encode((self.uid, self.epoch, seq, _NUMBERS[type(message)], msgspec.Raw(said)))
        if self._key is None:
            return bytes((VERSION, _PLAIN)) + body
        return bytes((VERSION, _SIGNED)) + self._sign(channel, body) + body

    def _sign(self, channel: str, body: bytes) -> bytes:
        # The channel is signed too, or a message could be repeated on another one.
        assert self._key is not None
        head = channel.encode("utf-8", "surrogatepass") + b"\0"
        return hmac.digest(self._key, head + body, hashlib.sha256)

    def decode(self, channel: str, data: bytes) -> Envelope:
        """Read a message. Raises DecodeError, and nothing else."""
        if len(data) > self.max_message:
            raise DecodeError(f"{len(data)} bytes are too many for one message")
        if len(data) < 3 or data[0] != VERSION:
            raise DecodeError(f"not a message of version {VERSION}: {data[:8]!r}")
        body = memoryview(data)[2:]
        if self._key is not None:
            body = body[_MAC:]
            signature = self._sign(channel, bytes(body))
            if data[1] != _SIGNED or not hmac.compare_digest(data[2 : 2 + _MAC], signature):
                raise DecodeError("a message that is not signed with our key")
        elif data[1] != _PLAIN:
            raise DecodeError("a signed message, and we have no key")
        try:
            uid, epoch, seq, number, said = _read_body(body)
            reader: Any = _readers.get(number)
            if reader is None:
                raise DecodeError(f"no message has the type {number}")
            message = reader(said)
        except DecodeError:
            raise
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise DecodeError(f"not a message: {error}") from None
        if message.uid != uid:
            raise DecodeError(f"a message of {message.uid!r:.40} in the envelope of {uid!r:.40}")
        return Envelope(uid, epoch, seq, message)
