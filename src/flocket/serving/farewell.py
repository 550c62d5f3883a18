"""Hear the signal that ends a host which is not ours, before it waits for requests that wait for us.

Knows signal handlers, and leaves the host's own in charge; does not know what is done about it. Without this
`uvicorn module:io` would wait for the polls under way for ever, as it ends the lifespan only after them.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

__all__ = ["on_farewell"]

ENDS = (signal.SIGTERM, signal.SIGINT)


def on_farewell(call: Callable[[], object]) -> Callable[[], None]:
    """Call `call` in the running loop when a signal ends the process; what is returned forgets about it."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # Python lets nobody else handle signals
    loop = asyncio.get_running_loop()
    ours: dict[int, tuple[Callable[[int, FrameType | None], None], Callable[[int, FrameType | None], object]]] = {}

    def chain(number: int) -> None:
        before = signal.getsignal(number)
        if not callable(before) or before is signal.default_int_handler:
            return  # nobody handles it: it ends the process at once, as ever

        def handle(number: int, frame: FrameType | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(call)
            before(number, frame)

        signal.signal(number, handle)
        ours[number] = (handle, before)

    def forget() -> None:
        for number, (handle, before) in ours.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, before)

    for number in ENDS:
        chain(number)
    return forget
