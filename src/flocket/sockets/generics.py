"""The type of `socket.data`: what `Server(data=...)` makes. A dict unless the user says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # defaults of type variables, which typing has from 3.13 on

    T = TypeVar("T", default=dict[str, Any])
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["T"]
