"""A packet as frames that every session can send, made once per protocol version; and the way back.

Joins a parser (JSON, msgpack, the user's) to Engine.IO's frames. Does not know who sends or receives.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from flocket.codec import json, msgpack, socketio
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame, text_frame
from flocket.codec.socketio import MAX_ID, Assembly, Packet, PacketType, check
from flocket.errors import ConfigError
from flocket.options import Limits
from flocket.sockets.contracts import Decoder, Parser

__all__ = [
    "Encoded",
    "JsonParser",
    "MsgpackParser",
    "PacketCodec",
    "WrappedParser",
    "choose_parser",
    "read_frames",
]

log = logging.getLogger("flocket")


class Encoded:
    """One packet, ready for any session. `frames` are Engine.IO 4's; those of 3 are made when first needed."""

    __slots__ = ("_older", "event", "frames")

    def __init__(self, frames: tuple[Frame, ...], event: str = "") -> None:
        self.frames = frames
        self.event = event  # its name among all events of a cluster, where nodes must know one again; else ""
        self._older: tuple[Frame, ...] | None = None

    def for_protocol(self, protocol: int) -> tuple[Frame, ...]:
        if protocol == 4:
            return self.frames
        if self._older is None:
            self._older = tuple(
                Frame.binary3(frame.payload, compress=frame.compress) if frame.binary else frame
                for frame in self.frames
            )
        return self._older


class PacketCodec:
    """What the sockets floor uses: encode to frames, decode per client."""

    def encode(self, packet: Packet, compress: bool = True) -> Encoded:
        raise NotImplementedError

    def single(self, head: bytes, data: list[Any]) -> Frame | None:
        """An event or answer without attachments as its only frame; `head` precedes the data. None: take `encode`.

        The hot path of `emit` and of acknowledgements, beside the plain one: no packet is made.
        """
        return None

    def with_offset(self, packet: Packet, encoded: Encoded, offset: str) -> Encoded:
        """The event with one more argument: where it stands in the log of a namespace that keeps one."""
        data = packet.data or read_frames(self, encoded.frames).data
        return self.encode(Packet(packet.type, packet.nsp, [*data, offset]), encoded.frames[0].compress)

    def without_offset(self, encoded: Encoded) -> Encoded:
        """The event as it was before `with_offset`. For the rare session that moves to another node."""
        packet = read_frames(self, encoded.frames)
        plain = self.encode(Packet(packet.type, packet.nsp, packet.data[:-1]), encoded.frames[0].compress)
        plain.event = encoded.event
        return plain

    def decoder(self) -> Decoder:
        raise NotImplementedError


def read_frames(parser: PacketCodec, frames: Sequence[Frame]) -> Packet:
    """The packet that these frames of Engine.IO 4 are, whole. Raises DecodeError."""
    decoder = parser.decoder()
    packet = None
    for frame in frames:
        packet = decoder.add(frame.payload if frame.binary else frame.payload[1:].decode())
    if packet is None:
        raise DecodeError("frames that are no whole packet")
    return packet


class JsonParser(PacketCodec):
    """Socket.IO's default parser: text, and one binary message for each attachment."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def encode(self, packet: Packet, compress: bool = True) -> Encoded:
        text, attachments = socketio.encode(packet)
        frame = Frame.of(text, compress=compress)
        if not attachments:
            return Encoded((frame,))
        return Encoded((frame, *(Frame.of(data, True, compress=compress) for data in attachments)))

    def single(self, head: bytes, data: list[Any]) -> Frame | None:
        text = json.dumps_common(data)
        return None if text is None else text_frame(head + text)

    def with_offset(self, packet: Packet, encoded: Encoded, offset: str) -> Encoded:
        text, *attachments = encoded.frames
        longer = Frame.of(b'%b,"%b"]' % (text.payload[:-1], offset.encode()), compress=text.compress)
        return Encoded((longer, *attachments))

    def decoder(self) -> Decoder:
        return _JsonDecoder(self._limits)


class _JsonDecoder:
    __slots__ = ("_assembly", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._assembly: Assembly | None = None

    def add(self, message: str | bytes) -> Packet | None:
        assembly = self._assembly
        if isinstance(message, str):
            if assembly is not None:
                raise DecodeError("text where an attachment was due")
            limits = self._limits
            packet = socketio.decode(message, limits.json_depth, limits.namespace_bytes, limits.attachments)
            if packet.attachments:
                self._assembly = Assembly(packet, limits.attachment_bytes)
                return None
            return packet
        if assembly is None:
            raise DecodeError("an attachment that no packet announced")
        done = assembly.add(message)
        if done is not None:
            self._assembly = None
        return done


class MsgpackParser(PacketCodec):
    """One binary message a packet, as socket.io-msgpack-parser."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def encode(self, packet: Packet, compress: bool = True) -> Encoded:
        _, (message,) = msgpack.encode(packet)
        return Encoded((Frame.of(message, True, compress=compress),))

    def decoder(self) -> Decoder:
        return _MsgpackDecoder(self._limits)


class _MsgpackDecoder:
    __slots__ = ("_limits",)

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def add(self, message: str | bytes) -> Packet | None:
        limits = self._limits
        return msgpack.decode(message, depth=limits.json_depth, namespace_bytes=limits.namespace_bytes)


class WrappedParser(PacketCodec):
    """The user's parser."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def encode(self, packet: Packet, compress: bool = True) -> Encoded:
        return Encoded(
            tuple(
                Frame.of(b"4" + message.encode(), compress=compress)
                if isinstance(message, str)
                else Frame.of(bytes(message), True, compress=compress)
                for message in self._parser.encode(packet)
            )
        )

    def decoder(self) -> Decoder:
        return _UserDecoder(self._parser.decoder())


class _UserDecoder:
    """Lets only sound packets in, with members of PacketType, which the sockets floor compares by identity.

    Whatever a decoder raises is held to be its peer's fault, or one client's bytes would be our traceback.
    """

    __slots__ = ("_decoder",)

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def add(self, message: str | bytes) -> Packet | None:
        try:
            packet = self._decoder.add(message)
            if packet is not None:
                packet.type = _WHOLE.get(packet.type) or PacketType(packet.type)
                _check(packet)
        except DecodeError:
            raise
        except Exception as error:
            log.debug("the parser failed with a client's message", exc_info=True)
            raise DecodeError(f"no packet: {type(error).__name__}") from error
        return packet


# By then its attachments are in it.
_WHOLE: dict[int, PacketType] = {PacketType.BINARY_EVENT: PacketType.EVENT, PacketType.BINARY_ACK: PacketType.ACK}


def _check(packet: Packet) -> None:
    if type(packet.nsp) is not str:
        raise DecodeError("invalid namespace")
    number = packet.id
    if number is not None and (type(number) is not int or not 0 <= number <= MAX_ID):
        raise DecodeError("packet id out of range")
    check(packet.type, packet.data, number)


def choose_parser(parser: str | Parser, limits: Limits) -> PacketCodec:
    """`json`, `msgpack`, or an object with the Parser contract."""
    if parser == "json":
        return JsonParser(limits)
    if parser == "msgpack":
        return MsgpackParser(limits)
    if isinstance(parser, str) or not (hasattr(parser, "encode") and hasattr(parser, "decoder")):
        raise ConfigError(
            f'parser={parser!r:.80}: "json", "msgpack", or an object with encode() and decoder()'
        )
    return WrappedParser(parser)
