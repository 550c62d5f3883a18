"""Who among a machine's workers hears Redis for all, as they say themselves, and whose turn it is if nobody does.

This may be wrong for a moment without harm: what is told twice or not is decided elsewhere (shared_claim.py). Knows
neither Redis nor how the words travel.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.shared_claim import State

__all__ = ["Siblings", "Word"]


class Word(msgspec.Struct, array_like=True):
    """What a worker says of itself, to all siblings."""

    uid: str
    epoch: int
    machine: str  # what distinguishes its machine's markers from others'
    state: State
    leaving: bool = False
    asks: bool = False  # for such a word of each
    ended: bool = False  # it has told all up to here; what comes next is told by `successor`
    successor: str = ""


@dataclass(slots=True)
class _Sibling:
    epoch: int
    leaving: bool = False
    hung: bool = False

    @property
    def able(self) -> bool:
        return not self.leaving and not self.hung


class Siblings:
    """The others, as `me` sees them."""

    def __init__(self, me: NodeIdentity) -> None:
        self._me = me
        self._known: dict[str, _Sibling] = {}
        self._holder = ""
        self._claimant = ""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, uid: str) -> bool:
        return uid in self._known

    def said(self, word: Word) -> None:
        """Another has said something of itself."""
        sibling = self._known.setdefault(word.uid, _Sibling(word.epoch))
        sibling.leaving = word.leaving
        if word.state is State.HOLDING:
            self._holder = word.uid
        elif self._holder == word.uid:
            self._holder = word.successor if word.successor in self._known else ""
        if word.state is State.CLAIMING:
            self._claimant = word.uid
        elif self._claimant == word.uid:
            self._claimant = ""

    def yielded_to(self, uid: str) -> None:
        """`me` told until now, and this one does from here on; if it is there at all."""
        self._holder = uid if uid in self._known else ""

    def up(self, uid: str) -> None:
        """It answers, again."""
        if uid in self._known:
            self._known[uid].hung = False

    def hung(self, uid: str) -> None:
        """It does not answer: whoever waits for it may wait long."""
        if uid in self._known:
            self._known[uid].hung = True

    def gone(self, uid: str) -> None:
        """It has ended."""
        self._known.pop(uid, None)
        self._holder = "" if self._holder == uid else self._holder
        self._claimant = "" if self._claimant == uid else self._claimant

    # -- what follows ---------------------------------------------------------------------------------------

    @property
    def hear(self) -> bool:
        """Whether one of them hears Redis for all."""
        holder = self._known.get(self._holder)
        return holder is not None and not holder.hung

    @property
    def settled(self) -> bool:
        """Whether one of them does, and will."""
        return self._is_able(self._holder)

    @property
    def claimed(self) -> bool:
        """Whether one of them wants to."""
        return self._is_able(self._claimant)

    @property
    def heirs(self) -> bool:
        """Whether one of them could."""
        return any(sibling.able for sibling in self._known.values())

    @property
    def my_turn(self) -> bool:
        """Whether `me` is the oldest of those who could."""
        mine = (self._me.epoch, self._me.uid)
        return all(mine < (sibling.epoch, uid) for uid, sibling in self._known.items() if sibling.able)

    def older(self, word: Word) -> bool:
        """Whether whoever says this is older than `me`."""
        return (word.epoch, word.uid) < (self._me.epoch, self._me.uid)

    def _is_able(self, uid: str) -> bool:
        sibling = self._known.get(uid)
        return sibling is not None and sibling.able
