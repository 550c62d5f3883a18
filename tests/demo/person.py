"""Somebody in the chat, over a WebSocket by hand: what they heard last of each event."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.programs import Program
from websockets.sync.client import ClientConnection, connect

__all__ = ["Person", "person"]


class Person:
    """In the lobby, once welcome there."""

    def __init__(self, connection: ClientConnection, name: str) -> None:
        self.name = name
        self.seen: dict[str, list[Any]] = {}
        self._connection = connection
        connection.recv(10)
        connection.send("40" + json.dumps({"name": name}))
        self.until(lambda: "welcome" in self.seen)

    @property
    def worker(self) -> int:
        return int(self.seen["welcome"][0]["you"]["worker"])

    @property
    def history(self) -> list[str]:
        return [message["text"] for message in self.seen["welcome"][0]["history"]]

    @property
    def people(self) -> set[str]:
        """Who is here, as this one was told last."""
        return {one["name"] for one in self.seen.get("people", [[]])[0]}

    def say(self, text: str, id: str) -> None:
        self.seen.pop("ack", None)
        self._connection.send("420" + json.dumps(["say", text, id]))
        self.until(lambda: "ack" in self.seen)

    def until(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.seen
            packet = str(self._connection.recv(seconds))
            if packet == "2":
                self._connection.send("3")
            elif packet.startswith("42"):
                event, *arguments = json.loads(packet[2:])
                self.seen[event] = arguments
            elif packet.startswith("43"):
                self.seen["ack"] = json.loads(packet[3:])


@contextlib.contextmanager
def person(program: Program, name: str) -> Iterator[Person]:
    with connect(f"ws://127.0.0.1:{program.port}/socket.io/?EIO=4&transport=websocket") as connection:
        yield Person(connection, name)
