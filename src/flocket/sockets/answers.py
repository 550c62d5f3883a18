"""Who owes an acknowledgement, and what came: of one client, or of many. Does not know how a question travels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Acks", "Answers"]

OnAnswer = Callable[[list[Any] | None], None]  # the client's values, or None: it is gone


class Answers(list[Any]):
    """The first value of each client (or node) that answered. `missing` names the nodes known to be gone."""

    def __init__(self, values: Iterable[Any] = (), missing: Iterable[str] = ()) -> None:
        super().__init__(values)
        self.missing: list[str] = list(missing)


class Acks:
    """The questions that one socket was asked and has not answered. Made when the first is asked."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[int, OnAnswer] = {}

    def expect(self, ack_id: int, on_answer: OnAnswer) -> None:
        self._waiting[ack_id] = on_answer

    def forget(self, ack_id: int) -> None:
        self._waiting.pop(ack_id, None)

    def answer(self, ack_id: int, values: list[Any]) -> bool:
        """Whether anybody waited for it. An answer counts once."""
        on_answer = self._waiting.pop(ack_id, None)
        if on_answer is None:
            return False
        on_answer(values)
        return True

    def abandon(self) -> None:
        """The client is gone: all that wait hear so, at once."""
        waiting, self._waiting = self._waiting, {}
        for on_answer in waiting.values():
            on_answer(None)


def as_value(values: list[Any]) -> Any:
    """An acknowledgement as the asker gets it: the client's value, a tuple if it sent several, None if none."""
    if len(values) == 1:
        return values[0]
    return tuple(values) if values else None
