"""One question to the other nodes: who has still to answer, what came, and who is known to be gone.

Knows uids and numbers; does not know how a question travels, nor what time it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from flocket.sockets.answers import Answers

__all__ = ["UNNAMED", "Question"]

UNNAMED = "?"  # a node that is known to be missing, on a wire that does not tell its uid


class Question:
    """Whom it waits for is told by uid (`expect_nodes`) or, where a broker counts, by number
    (`expect_count`).

    A node answers once (`answer`); or, if its clients are asked, it says how many they are (`count`), and
    each of them gives a value. `done` is set when nothing more is to come.
    """

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.values: list[Any] = []
        self.missing: list[str] = []
        self.error: Exception | None = None  # why nobody can be asked
        self.done = asyncio.Event()
        self._waiting: set[str] | None = None
        self._expected: int | None = None
        self._answered = 0  # nodes
        self._heard: set[str] = set()  # their uids, as far as the wire tells them
        self._clients: dict[str, int] = {}  # uid: how many of its clients have still to answer

    def expect_nodes(self, uids: Iterable[str]) -> None:
        self._waiting = set(uids)
        self._check()

    def expect_count(self, others: int) -> None:
        """So many nodes will answer. Told again, a smaller number means that some are gone."""
        if self._expected is None:
            self._expected = others
        elif others < self._expected:
            self.missing += [UNNAMED] * (self._expected - others)
            self._expected = others
        self._check()

    def fail(self, error: Exception) -> None:
        """Nobody can be asked."""
        self.error = error
        self.done.set()

    def answer(self, uid: str, values: Iterable[Any] = ()) -> None:
        """A node's whole answer."""
        if self._first(uid):
            self.values += values
            self._node_done(uid)

    def count(self, uid: str, clients: int) -> None:
        """A node asks so many clients of its own."""
        if self._first(uid):
            self._clients[uid] = self._clients.get(uid, 0) + clients
            self._node_done(uid)

    def count_own(self, clients: int) -> None:
        """So many clients of this node are asked too, under the uid ""."""
        self._clients[""] = self._clients.get("", 0) + clients
        self._check()

    def client_answer(self, uid: str, value: Any) -> None:
        self.values.append(value)
        self.client_gone(uid)

    def client_gone(self, uid: str) -> None:
        self._clients[uid] = self._clients.get(uid, 0) - 1
        self._check()

    def lost(self, uid: str) -> None:
        """A node is known to be gone: nothing of it is waited for."""
        owed = self._clients.pop(uid, 0)
        if self._waiting is not None and uid in self._waiting:
            self._waiting.discard(uid)
        elif owed <= 0:
            return
        elif UNNAMED in self.missing:
            self.missing.remove(UNNAMED)  # it was counted as missing, and now has a name
        self.missing.append(uid)
        self._check()

    @property
    def owing(self) -> list[str]:
        """The uids of the nodes whose clients have still to answer."""
        return [uid for uid, clients in self._clients.items() if uid and clients > 0]

    @property
    def answers(self) -> Answers:
        return Answers(self.values, self.missing)

    @property
    def state(self) -> str:
        """What is known so far, for a message to people."""
        others = len(self._waiting or ()) + self._answered if self._waiting is not None else self._expected
        owed = sum(self._clients.values())
        told = f"{self._answered} of {'?' if others is None else others} other nodes answered"
        return f"{told}, and {owed} clients have still to" if owed > 0 else told

    def _first(self, uid: str) -> bool:
        # A node answers once, whatever its bus makes of it; some wires do not tell who answers ("").
        if uid in self._heard:
            return False
        if uid:
            self._heard.add(uid)
        return True

    def _node_done(self, uid: str) -> None:
        self._answered += 1
        if self._waiting is not None:
            self._waiting.discard(uid)
        self._check()

    def _check(self) -> None:
        told = self._waiting is not None or self._expected is not None
        nodes_done = not self._waiting and (self._expected is None or self._answered >= self._expected)
        if told and nodes_done and sum(self._clients.values()) <= 0:
            self.done.set()
