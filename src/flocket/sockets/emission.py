"""What `emit` and its like return: nothing that must be kept, and something that may be awaited.

Does not know what was sent; it is given how to wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

__all__ = ["Emission"]


class Emission:
    """Awaiting it gives the others a turn, and waits while the receivers' or the bus's buffers are above their mark.

    It is no coroutine: to drop it is fine, and warns nobody. It may be awaited more than once.
    """

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Awaitable[None]]) -> None:
        self._wait = wait

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()
