"""Engine.IO and Socket.IO peers made by hand over raw connections: a poller, a WebSocket, a client with events.

They do what they are told and no more, save that `Peer` answers pings; they know no face and no options.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

from tests.support.raw import Response, http
from tests.support.servers import Running, until
from tests.support.websocket import WebSocket

__all__ = ["SEPARATOR", "Peer", "Poller", "gone", "open_websocket", "split3", "target", "units"]

SEPARATOR = "\x1e"  # between the packets of one polling body, Engine.IO 4


def target(transport: str, sid: str | None = None, eio: int | str | None = 4, **query: str) -> str:
    """The path and query of a request."""
    parts = {"transport": transport, **query}
    if eio is not None:
        parts["EIO"] = str(eio)
    if sid is not None:
        parts["sid"] = sid
    return "/socket.io/?" + "&".join(f"{name}={value}" for name, value in parts.items())


class Poller:
    """One session over polling, protocol 4 or 3."""

    def __init__(self, port: int, eio: int = 4, headers: dict[str, str] | None = None, **query: str) -> None:
        self.port = port
        self.eio = eio
        self.query = query
        self.headers = headers or {}
        self.sid: str | None = None
        self.opening = self.request("GET")  # the answer to the handshake
        assert self.opening.status == 200, self.opening
        first, *self.early = self.packets(self.opening)
        self.open: dict[str, Any] = json.loads(first.removeprefix("0"))
        self.sid = self.open["sid"]

    def target(self, **query: str) -> str:
        return target("polling", self.sid, self.eio, **self.query, **query)

    def request(
        self, method: str, body: bytes = b"", headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Response:
        return http(self.port, method, self.target(), {**self.headers, **(headers or {})}, body, timeout)

    def packets(self, response: Response) -> list[str]:
        if self.eio == 4:
            return response.text.split(SEPARATOR)
        return split3(response.text)

    def get(self, timeout: float = 5.0) -> list[str]:
        """Poll once; the packets."""
        response = self.request("GET", timeout=timeout)
        assert response.status == 200, response
        return self.packets(response)

    def hear(self, count: int) -> list[str]:
        """Poll until that many packets have come."""
        packets: list[str] = []
        while len(packets) < count:
            packets += self.get()
        return packets

    def post(self, *packets: str) -> Response:
        if self.eio == 4:
            return self.request("POST", SEPARATOR.join(packets).encode())
        return self.request("POST", "".join(f"{units(packet)}:{packet}" for packet in packets).encode())

    def say(self, *packets: str) -> None:
        response = self.post(*packets)
        assert (response.status, response.body) == (200, b"ok"), response

    def connect(self) -> str:
        """Connect to "/"; the socket's id. What the server says behind it is left in `early`."""
        if self.eio == 4:
            self.say("40")
        while not any(packet.startswith("40") for packet in self.early):
            self.early += self.get()
        while not any(packet.startswith("42") for packet in self.early):
            self.early += self.get()
        answer = next(packet for packet in self.early if packet.startswith("40"))
        self.early = []
        assert self.sid is not None
        return str(json.loads(answer[2:])["sid"]) if self.eio == 4 else self.sid

    def alive(self) -> bool:
        """Whether the server still knows the session. A NOOP changes nothing."""
        response = self.post("6")
        return response.status == 200


def units(text: str) -> int:
    """The length of a string as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split3(text: str) -> list[str]:
    """The packets of a text payload of Engine.IO 3: length, colon, packet."""
    packets = []
    while text:
        length, _, rest = text.partition(":")
        raw = rest.encode("utf-16-le")
        packets.append(raw[: int(length) * 2].decode("utf-16-le"))
        text = raw[int(length) * 2 :].decode("utf-16-le")
    return packets


def open_websocket(port: int, eio: int = 4, headers: dict[str, str] | None = None) -> tuple[WebSocket, dict[str, Any]]:
    """A session over WebSocket from the start, and what its open packet says."""
    websocket = WebSocket(port, target("websocket", None, eio), headers)
    try:
        first = websocket.receive()
    except BaseException:
        websocket.socket.close()
        raise
    assert isinstance(first, str)
    return websocket, json.loads(first.removeprefix("0"))


class Peer:
    """A Socket.IO client over WebSocket, in one namespace."""

    def __init__(self, port: int, nsp: str = "/", auth: Any = None, headers: dict[str, str] | None = None) -> None:
        self.websocket, self.open = open_websocket(port, headers=headers)
        self.prefix = "" if nsp == "/" else nsp + ","
        self.unread: list[str | bytes] = []
        self.asked = 0
        self.websocket.text("40" + self.prefix + ("" if auth is None else json.dumps(auth)))
        try:
            self.sid = str(json.loads(self.wait_for("40" + self.prefix)[2 + len(self.prefix) :])["sid"])
        except BaseException:
            self.websocket.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.websocket.socket.close()

    def receive(self) -> str | bytes:
        """The next packet that is no ping."""
        while True:
            packet = self.websocket.receive()
            if packet == "2":
                self.websocket.text("3")
            else:
                return packet

    def wait_for(self, beginning: str) -> str:
        """The next text packet that begins so; others are kept in `unread`."""
        while True:
            packet = self.receive()
            if isinstance(packet, str) and packet.startswith(beginning):
                return packet
            self.unread.append(packet)

    def emit(self, event: str, *args: Any) -> None:
        self.websocket.text("42" + self.prefix + json.dumps([event, *args]))

    def ask(self, event: str, *args: Any) -> Any:
        """Emit and wait for the acknowledgement: its first value."""
        self.asked += 1
        self.websocket.text(f"42{self.prefix}{self.asked}" + json.dumps([event, *args]))
        beginning = f"43{self.prefix}{self.asked}["
        values = json.loads(self.wait_for(beginning)[len(beginning) - 1 :])
        return values[0] if values else None

    def ended(self) -> bool:
        """Whether the server has closed this connection; waits for it."""
        return self.websocket.close_code() > 0


def gone(server: Running, sid: str, seconds: float = 5.0) -> dict[str, Any]:
    """Wait until that socket has left the server: its {reason, rooms}."""
    with Peer(server.port) as witness:

        def departure() -> dict[str, Any] | None:
            answer: dict[str, Any] = witness.ask("departure", sid) or {}
            return answer if "reason" in answer else None

        return until(f"the departure of {sid}", departure, seconds)
