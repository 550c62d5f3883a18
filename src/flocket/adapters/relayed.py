"""An event that came as finished frames: its data is read only if somebody looks. Knows parsers; no clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame
from flocket.codec.socketio import Packet, PacketType
from flocket.sockets.parsers import PacketCodec

__all__ = ["RelayedPacket"]


class RelayedPacket(Packet):
    """For listeners to what goes out, and nobody else: the frames are what is sent."""

    __slots__ = ("_data", "_frames", "_parser")

    def __init__(self, nsp: str, frames: Sequence[Frame], parser: PacketCodec) -> None:
        self._data: Any = None
        self._frames = frames
        self._parser = parser
        super().__init__(PacketType.EVENT, nsp)

    @property
    def data(self) -> Any:
        if self._data is None:
            decoder = self._parser.decoder()
            packet = None
            for frame in self._frames:
                packet = decoder.add(frame.payload if frame.binary else frame.payload[1:].decode())
            if packet is None:
                raise DecodeError("frames that are no whole packet")
            self._data = packet.data
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = value
