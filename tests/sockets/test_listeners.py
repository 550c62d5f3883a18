from __future__ import annotations

from typing import Any

import pytest

from flocket import ConfigError
from flocket.sockets.events import EventHandler
from flocket.sockets.listeners import Listeners


def handler(function: Any = print) -> EventHandler:
    return EventHandler(function, given=0)


def test_listeners_are_called_in_order_and_those_for_once_are_gone() -> None:
    listeners = Listeners()
    first, second, third = handler(), handler(), handler()
    listeners.add("x", first)
    listeners.add("x", second, once=True)
    listeners.add("x", third)
    assert listeners.taken("x") == [first, second, third]
    assert listeners.taken("x") == [first, third]
    assert listeners.taken("y") == []


def test_off_removes_one_or_all() -> None:
    listeners = Listeners()
    listeners.add("x", handler(print))
    listeners.add("x", handler(len), once=True)
    listeners.add("disconnect", handler(print))
    listeners.remove("x", len)
    assert [found.function for found in listeners.taken("x")] == [print]
    listeners.remove("x", None)
    assert listeners.taken("x") == []
    listeners.remove("disconnect", print)
    assert listeners.life["disconnect"] == []
    listeners.remove("never heard of", None)
    listeners.remove("never heard of", print)


@pytest.mark.parametrize("event", ["connection", "connect", "new_namespace"])
def test_what_a_connected_socket_cannot_hear_is_refused(event: str) -> None:
    with pytest.raises(ConfigError, match="reserved"):
        Listeners().add(event, handler())
