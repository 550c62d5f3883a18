"""The least that a Python process on uvloop can do and still pass for a server: what none on this loop gets below.

It knows the load's few messages by their size, reads none but the first, and answers each with bytes made once: no
session, no JSON, no rooms, no limits. It joins only the answers to what it read at once, so a server that joins more
gets below it where broadcasts overlap; elsewhere its figures are the kernel's and the loop's alone. Its argument is
the port.
"""

import asyncio
import sys
from typing import cast

import uvloop

PORT = int(sys.argv[1])
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)  # of RFC 6455's example key, which the load sends
OPEN = b'0{"sid":"floor","upgrades":[],"pingInterval":1000000,"pingTimeout":1000000,"maxPayload":1000000}'
CONNECTED = b'40{"sid":"floor"}'

connections: list[asyncio.Transport] = []
answers: dict[int, tuple[bool, bytes]] = {}  # a message's size -> whether all get the answer, and the answer


def frame(payload: bytes) -> bytes:
    size = len(payload)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + payload


def first_of_its_kind(data: bytes) -> tuple[bool, bytes]:
    """What to answer to a message like this one."""
    size, start = data[1] & 0x7F, 6
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 8
    mask = data[start - 4 : start]
    text = bytes(byte ^ mask[at & 3] for at, byte in enumerate(data[start : start + size]))
    return text.startswith(b'42["go"'), frame(text.replace(b'"go"', b'"news"'))


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.state = 0  # 1: upgraded, 2: connected

    def data_received(self, data: bytes) -> None:
        if self.state < 2:
            self.transport.write(frame(CONNECTED) if self.state else ACCEPTED + frame(OPEN))
            self.state += 1
            if self.state == 2:
                connections.append(self.transport)
            return
        size = data[1] + 6 - 0x80 if data[1] < 0xFE else int.from_bytes(data[2:4], "big") + 8
        if size not in answers:
            answers[size] = first_of_its_kind(data)
        for_all, answer = answers[size]
        said = answer * (len(data) // size)
        for transport in connections if for_all else (self.transport,):
            transport.write(said)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", PORT)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
