"""`make run` with REDIS=: two services that share a Redis are one chat, each with workers of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.programs import Program, free_port, running
from tests.support.redis import RedisServer
from tests.support.venv import environment
from websockets.sync.client import ClientConnection, connect


class Person:
    """Somebody in the lobby, over a WebSocket by hand."""

    def __init__(self, connection: ClientConnection, name: str) -> None:
        self.name = name
        self.seen: dict[str, list[Any]] = {}
        self._connection = connection
        connection.recv(10)
        connection.send("40" + json.dumps({"name": name}))
        self.until(lambda: "welcome" in self.seen)

    def say(self, text: str, id: str) -> None:
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


def person(program: Program, name: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{program.port}/socket.io/?EIO=4&transport=websocket")


def test_two_services_that_share_a_redis_are_one_chat(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    made = environment(tmp_path)

    def settings(port: int) -> dict[str, Any]:
        return {"PORT": str(port), "WORKERS": "2", "REDIS": redis.url, "VENV": str(made)}

    command = ["sh", "tools/run.sh"]
    with (
        RedisServer() as redis,
        running(command, ports[0], **settings(ports[0])) as one,
        running(command, ports[1], **settings(ports[1])) as two,
        person(one, "ada") as at_one,
        person(two, "bo") as at_two,
    ):
        ada, bo = Person(at_one, "ada"), Person(at_two, "bo")
        for each in (ada, bo):
            each.until(lambda each=each: len(each.seen.get("people", [[]])[0]) == 2)  # type: ignore[misc]  # bound early
        ada.say("from one to two", "a" * 24)
        bo.until(lambda: "message" in bo.seen)
        assert bo.seen["message"][0]["text"] == "from one to two"
        with person(two, "cy") as late:  # its history comes from whichever worker it asks
            welcome = Person(late, "cy").seen["welcome"][0]
        assert [message["text"] for message in welcome["history"]] == ["from one to two"]
        for program in (one, two):
            assert f"2 workers, joined to others by {redis.url}" in program.printed()
            assert program.printed().count("The chat:") == 1
            status, seconds = program.end()
            assert (status, seconds < 2) == (0, True), program.printed()
            assert "Traceback" not in program.printed()
