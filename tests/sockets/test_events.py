from __future__ import annotations

import functools
from typing import Any

import pytest

from flocket import ConfigError, Server, Socket, on
from flocket.sockets.events import COROUTINE, PLAIN, THREAD, EventHandler, Events, is_coroutine_function


async def slow(socket: Any) -> None: ...


def plain(socket: Any) -> None: ...


class Callable:
    async def __call__(self, socket: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "is_coroutine"),
    [(slow, True), (plain, False), (Callable(), True), (functools.partial(slow), True), (print, False), (dict, False)],
)
def test_the_kind_of_a_function_is_known(function: Any, is_coroutine: bool) -> None:
    assert is_coroutine_function(function) is is_coroutine


def test_a_handler_is_plain_a_coroutine_or_of_a_thread() -> None:
    assert EventHandler(plain, given=1).kind == PLAIN
    assert EventHandler(slow, given=1).kind == COROUTINE
    assert EventHandler(plain, given=1, thread=True).kind == THREAD
    with pytest.raises(ConfigError, match="thread=True is for plain functions"):
        EventHandler(slow, given=1, thread=True)
    with pytest.raises(ConfigError, match="a handler is a function"):
        EventHandler("x", given=1)  # type: ignore[arg-type]


def test_reserved_names_are_kept_apart_from_what_clients_say() -> None:
    events = Events()
    for name in ("connect", "connection", "disconnect", "disconnecting", "new_namespace"):
        events.add(name, plain, False)
    events.add("chat", plain, False)
    assert list(events.handlers) == ["chat"]
    assert len(events.life["connection"]) == 2
    with pytest.raises(ConfigError, match="a string"):
        events.add(5, plain, False)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", ["connection", "disconnect", "disconnecting", "new_namespace"])
def test_a_handler_that_wants_more_than_it_gets_is_an_error_at_registration(event: str) -> None:
    io = Server()
    with pytest.raises(ConfigError, match="nothing is given for the argument"):
        io.on(event, lambda socket, reason, more: None)
    io.on(event, lambda socket: None)
    io.on(event, lambda socket, *rest: None)


def test_a_name_that_was_forgotten_is_an_error_at_registration() -> None:
    io = Server()
    for decorate in (io.on, io.on_server_side, on):
        with pytest.raises(ConfigError, match="an event's name is a string, not <function plain"):
            decorate(plain)  # type: ignore[arg-type]


def test_what_cannot_be_called_as_it_will_be_is_an_error_at_registration() -> None:
    io = Server()
    for register, handler, wrong in (
        (io.use, lambda: None, "too few"),
        (io.use, lambda socket, next: None, "too many"),
        (io.on_any, lambda socket: None, "too few"),
        (io.on_error, lambda socket, event: None, "too few"),
        (io.on_error, lambda socket, event, error, more: None, "too many"),
    ):
        with pytest.raises(ConfigError, match=f"takes {wrong} arguments; it is called with \\(socket"):
            register(handler)
    for register, handler in (
        (io.use, lambda socket, more=1: None),
        (io.use, lambda *args: None),
        (io.on_any, lambda socket, event, first, *rest: None),
        (io.on_error, lambda *args: None),
    ):
        register(handler)


def test_a_registration_gives_back_the_function() -> None:
    io = Server()
    assert io.on("x", plain) is plain
    assert io.on("x")(plain) is plain
    assert io.use(plain) is plain
    assert io.on_any(print) is print
    assert io.on_error(print) is print
    assert io.on_server_side("x")(print) is print
    for register in (io.use, io.on_any, io.on_error):
        with pytest.raises(ConfigError, match="a function is needed"):
            register("x")  # type: ignore[type-var]


def test_including_takes_all_of_another_registry() -> None:
    one, two = Events(), Events()
    for events in (one, two):
        events.add("x", plain, False)
        events.add("connection", plain, False)
        events.add_server_side("y", print)
        events.middlewares.append(plain)
        events.any.append(print)
        events.errors.append(print)
    one.include(two)
    assert len(one.handlers["x"]) == len(one.life["connection"]) == len(one.server_side["y"]) == 2
    assert len(one.middlewares) == len(one.any) == len(one.errors) == 2
    assert len(two.handlers["x"]) == 1


def test_a_mark_may_be_put_twice() -> None:
    class Marked:
        @on("a")
        @on("b", thread=True)
        def method(self, socket: Socket) -> None: ...

    assert Marked.method.__flocket_on__ == [("b", True), ("a", False)]  # type: ignore[attr-defined]
