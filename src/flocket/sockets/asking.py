"""A question to one client, and the wait for its answer. Knows acknowledgements and deadlines; no other client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from flocket.errors import AckTimeout, Disconnected
from flocket.sockets.answers import as_value
from flocket.sockets.sends import event_packet
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.says import Says

__all__ = ["ask"]


async def ask(socket: Says, event: str, args: tuple[Any, ...], target: Target) -> Any:
    """The client's answer: its value, a tuple if it sent several. Raises AckTimeout, Disconnected."""
    nsp = socket.nsp
    packet = event_packet(nsp.name, event, args, nsp._next_ack_id())
    assert packet.id is not None
    nsp.server._only_here("emit_with_ack")
    if not socket.connected:
        raise Disconnected(f"socket {socket.id} is not connected")
    waiting: asyncio.Future[list[Any] | None] = asyncio.get_running_loop().create_future()

    def on_answer(values: list[Any] | None) -> None:
        if not waiting.done():
            waiting.set_result(values)

    def too_late() -> None:
        if not waiting.done():
            waiting.set_exception(AckTimeout(f"no acknowledgement of {event!r:.80} within {seconds:g} s"))

    seconds = target.timeout if target.timeout is not None else nsp.server._ack_timeout
    socket._send_event(packet, target.compress, target.volatile)
    acks = socket._acks_made()
    acks.expect(packet.id, on_answer)
    deadline = nsp.server._deadlines.after(seconds, too_late)
    try:
        values = await waiting
    except AckTimeout:
        nsp._counters.acks_timed_out += 1
        raise
    finally:
        nsp.server._deadlines.cancel(deadline)
        acks.forget(packet.id)
    if values is None:
        raise Disconnected(f"socket {socket.id} disconnected before it answered {event!r:.80}")
    return as_value(values)
