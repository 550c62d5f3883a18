"""Several workers on one stream, each reading it in its own time: no message is told by two, and none by nobody.

The stream is a list; what travels to and from it waits until the machine below lets it arrive.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flocket.adapters.shared_claim import Claim, State

WORKERS = 3
SLOW = [HealthCheck.too_slow]  # on a busy machine
numbers = st.integers(0, WORKERS - 1)


class Worker:
    def __init__(self, number: int) -> None:
        self.claim = Claim(f"uid{number}")
        self.commands: deque[str] = deque()  # on their way to Redis
        self.subscribed = False  # as Redis has it
        self.unread: deque[bytes | int | None] = deque()  # markers, messages, and confirmations (None)
        self.markers: deque[bytes] = deque()  # on their way to Redis, on another connection


class Stream(RuleBasedStateMachine):
    lossy = True

    def __init__(self) -> None:
        super().__init__()
        self.workers = [Worker(number) for number in range(WORKERS)]
        self.published = 0
        self.told: list[int] = []
        self.first = -1  # the first message behind any marker

    def say(self, item: bytes | int) -> None:
        for worker in self.workers:
            if worker.subscribed:
                worker.unread.append(item)

    @rule()
    def somebody_publishes(self) -> None:
        self.say(self.published)
        self.published += 1

    @rule(number=numbers)
    def one_claims(self, number: int) -> None:
        worker = self.workers[number]
        if worker.claim.state is State.IDLE:
            worker.claim.begin()
            worker.commands.append("subscribe")

    @rule(number=numbers)
    def a_command_arrives(self, number: int) -> None:
        worker = self.workers[number]
        if worker.commands:
            worker.subscribed = worker.commands.popleft() == "subscribe"
            if worker.subscribed:
                worker.unread.append(None)

    @rule(number=numbers)
    def a_marker_arrives(self, number: int) -> None:
        worker = self.workers[number]
        if worker.markers:
            self.say(worker.markers.popleft())
            if self.first < 0:
                self.first = self.published

    @rule(number=numbers, count=st.integers(1, 6))
    def one_reads(self, number: int, count: int) -> None:
        worker = self.workers[number]
        for _ in range(min(count, len(worker.unread))):
            item = worker.unread.popleft()
            if item is None:
                worker.markers.append(worker.claim.marker)
            elif isinstance(item, int):
                if worker.claim.state is State.HOLDING:
                    self.told.append(item)
            elif worker.claim.read(item):
                worker.claim.resign()
                worker.commands.append("unsubscribe")

    @precondition(lambda self: self.lossy)
    @rule(number=numbers)
    def one_loses_its_connection(self, number: int) -> None:
        worker = self.workers[number]
        worker.commands.clear()
        worker.unread.clear()
        worker.subscribed = False
        worker.claim.lost()
        if worker.claim.state is State.CLAIMING:
            worker.commands.append("subscribe")

    @precondition(lambda self: self.lossy)
    @rule(number=numbers)
    def a_marker_seems_to_be_lost(self, number: int) -> None:
        worker = self.workers[number]
        if worker.claim.state is State.CLAIMING and worker.subscribed and not worker.commands:
            worker.markers.append(worker.claim.marker)

    @precondition(lambda self: self.lossy)
    @rule(number=numbers)
    def one_gives_up(self, number: int) -> None:
        worker = self.workers[number]
        if worker.claim.state is not State.IDLE:
            worker.claim.resign()
            worker.commands.append("unsubscribe")

    @invariant()
    def none_is_told_twice(self) -> None:
        assert len(self.told) == len(set(self.told))

    def teardown(self) -> None:
        if self.lossy:
            return
        while any(worker.commands or worker.markers or worker.unread for worker in self.workers):
            for number in range(WORKERS):
                self.a_command_arrives(number)
                self.a_marker_arrives(number)
                self.one_reads(number, 6)
        if self.first >= 0:
            assert sorted(self.told) == list(range(self.first, self.published))
            assert [worker.claim.state for worker in self.workers].count(State.HOLDING) == 1


class Faithful(Stream):
    """As long as nobody loses its connection, and no marker is lost."""

    lossy = False


TestNoMessageIsToldTwice = Stream.TestCase
TestEachMessageIsToldOnce = Faithful.TestCase
for case in (TestNoMessageIsToldTwice, TestEachMessageIsToldOnce):
    case.settings = settings(max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=SLOW)


@pytest.mark.parametrize("marker", [b"", b" ", b"uid", b"uid x", b"uid -1", b"\xff 1", b" 1"])
def test_what_is_no_marker_is_refused_and_changes_nothing(marker: bytes) -> None:
    claim = Claim("uid")
    claim.begin()
    claim.read(claim.marker)
    with pytest.raises(ValueError):
        claim.read(marker)
    assert claim.state is State.HOLDING
