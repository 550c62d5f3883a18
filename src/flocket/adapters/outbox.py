"""What waits to be sent, in order and within bounds, while the way is closed. Does not know what is sent,
nor where.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Literal, TypeVar

__all__ = ["Outbox", "Overflow"]

Overflow = Literal["fail", "drop-oldest"]
Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """A queue of at most `max_items` and `max_bytes`: when it is full, the new item fails or the oldest are
    dropped.
    """

    def __init__(
        self, max_items: int = 1_000, max_bytes: int = 1_000_000, overflow: Overflow = "fail"
    ) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.overflow = overflow
        self.bytes = 0
        self.dropped = 0
        self._items: deque[tuple[Item, int]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, size: int) -> bool:
        """Whether there was room. Dropping the oldest makes room for all but what is larger than the whole.
        """
        if self.overflow == "drop-oldest" and size <= self.max_bytes:
            while self._items and not self._fits(size):
                self._drop()
        if not self._fits(size):
            self.dropped += 1
            return False
        self._items.append((item, size))
        self.bytes += size
        return True

    def take(self) -> Item:
        """The oldest item. There must be one."""
        item, size = self._items.popleft()
        self.bytes -= size
        return item

    def _fits(self, size: int) -> bool:
        return len(self._items) < self.max_items and self.bytes + size <= self.max_bytes

    def _drop(self) -> None:
        self.take()
        self.dropped += 1
