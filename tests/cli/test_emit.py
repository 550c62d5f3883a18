"""`flocket emit`: what a real Redis is told, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
import redis
from tests.support.programs import free_port
from tests.support.redis import RedisServer

from flocket.cli import main


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


def told(server: RedisServer, *arguments: str) -> tuple[str, object, dict[str, object]]:
    """The channel, packet and options of the one message that the command publishes."""
    with redis.Redis(port=server.port) as client, client.pubsub() as subscription:
        subscription.psubscribe("*")
        assert subscription.get_message(timeout=5)
        assert main(["emit", server.url, *arguments]) == 0
        message = subscription.get_message(timeout=5)
    assert message
    _, packet, options = msgspec.msgpack.decode(message["data"])
    return message["channel"].decode(), packet["data"], options


def test_an_event_for_everybody(server: RedisServer) -> None:
    channel, data, options = told(server, "hi", "all sockets")
    assert (channel, data) == ("socket.io#/#", ["hi", "all sockets"])
    assert options["rooms"] == []


def test_rooms_a_namespace_and_values_that_are_no_text(server: RedisServer) -> None:
    channel, data, options = told(server, "news", "42", "--json", '{"n": [1, true, null]}', "--json", "42",
                                  "--room", "red", "--room", "blue", "--except", "green", "--namespace", "/admin")
    assert channel.startswith("socket.io#/admin#")
    assert data == ["news", "42", {"n": [1, True, None]}, 42]
    assert (options["rooms"], options["except"]) == (["red", "blue"], ["green"])


def test_another_key(server: RedisServer) -> None:
    assert told(server, "hi", "--key", "mine")[:2] == ("mine#/#", ["hi"])


@pytest.mark.parametrize(
    "arguments",
    [["redis://127.0.0.1:PORT", "hi"], ["http://127.0.0.1", "hi"], ["redis://127.0.0.1:PORT", "hi", "--json", "{"],
     ["redis://127.0.0.1:PORT", "disconnect"]],
    ids=["no Redis", "no Redis's URL", "no JSON", "a reserved name"],
)
def test_what_went_wrong_is_said_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    port = str(free_port())
    assert main(["emit", *(argument.replace("PORT", port) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("flocket: ")
    assert said.count("\n") == 1
