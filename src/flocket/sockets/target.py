"""Whom an emission is for, and how: a plain value. Knows rooms by name; does not know who is in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flocket.errors import ConfigError
from flocket.options import is_above_zero

__all__ = ["EVERYONE", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """The sockets in any of `rooms` and in none of `except_rooms`. Immutable.

    `rooms` None means every socket of the namespace; empty means nobody, which is what `to()` without a room gives.
    """

    rooms: tuple[str, ...] | None = None
    except_rooms: tuple[str, ...] = ()
    volatile: bool = False
    local: bool = False
    compress: bool = True
    timeout: float | None = None  # seconds

    def to(self, *rooms: str) -> Target:
        return replace(self, rooms=_merge(self.rooms or (), rooms))

    def excluding(self, *rooms: str) -> Target:
        return replace(self, except_rooms=_merge(self.except_rooms, rooms))

    def within(self, seconds: float) -> Target:
        if not is_above_zero(seconds):
            raise ConfigError(f"timeout({seconds!r:.80}): seconds, above 0")
        return replace(self, timeout=seconds)


EVERYONE = Target()


def _merge(present: tuple[str, ...], added: tuple[str, ...]) -> tuple[str, ...]:
    for room in added:
        if not isinstance(room, str):
            raise ConfigError(
                f"a room is a string, not {room!r:.80}; several are given one by one: to(*rooms)"
            )
    return present + tuple(room for room in dict.fromkeys(added) if room not in present)
