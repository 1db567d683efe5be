"""Puts the chunks of one track in order: those that come live and those fetched from the stage.

Pure. Live chunks come in order but some may be missing (the bus delivers at most once); windows come
on request and hold all the stage still has. What leaves is in order, without a duplicate, and without
a hole that the stage could have filled; a true hole is named in front of the chunk after it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from hustings.bus.messages import MediaChunk, Window

WAITING = 3000
"""Live chunks that may wait for a window: 10 minutes. Beyond these the newest are dropped, and fetched."""
PATIENCE = 5
"""Fetches that brought nothing new after which a hole is taken as it is."""


class Arrived(NamedTuple):
    """A chunk in its turn. `reason` says why media_time jumps before it; "" when it does not."""

    chunk: MediaChunk
    reason: Literal["", "gap", "restart"]


class Assembler:
    """One track. While `fetching`, the shell asks the stage for a window after `last_seq` and gives it
    to `window`; `live` may be called at any time."""

    def __init__(self) -> None:
        self.last_seq = -1
        self.epoch = -1
        self.fetching = True
        self.duplicates = 0
        self.dropped = 0
        self._fruitless = 0
        self._waiting: dict[int, MediaChunk] = {}

    def live(self, chunk: MediaChunk) -> list[Arrived]:
        """A chunk from the bus; returns what is in its turn now."""
        if chunk.seq <= self.last_seq or chunk.seq in self._waiting:
            self.duplicates += 1
            return []
        if len(self._waiting) >= WAITING:
            self.dropped += 1
            return []
        self._waiting[chunk.seq] = chunk
        if chunk.epoch != self.epoch and self.epoch >= 0 and not self.fetching:
            # A restarted stage: its window brings the init segment along, which may be another one.
            self.resync()
        if self.fetching:
            return []
        ready = self._drain(up_to=None)
        if self._waiting:
            self.resync()
        return ready

    def resync(self) -> None:
        """The bus was away, or nothing has come for a while: ask the stage."""
        self.fetching = True
        self._fruitless = 0

    def window(self, window: Window) -> list[Arrived]:
        """The stage's answer to a request for what is after `last_seq`."""
        known = {chunk.seq for chunk in window.chunks if chunk.seq > self.last_seq}
        for chunk in window.chunks:
            if chunk.seq > self.last_seq:
                self._waiting.setdefault(chunk.seq, chunk)
        if not known:
            self._fruitless += 1
        # All that the stage has up to here is in the answer: a hole below it is a true one.
        ready = self._drain(up_to=max(known)) if known else []
        ready += self._drain(up_to=None)
        hopeless = not known and self._fruitless >= PATIENCE
        if hopeless and self._waiting:
            ready += self._give_up()
        self._settle(self.last_seq if hopeless else window.last_seq)
        return ready

    def unanswered(self) -> list[Arrived]:
        """The stage did not answer. After some times, what has come live goes on without it."""
        self._fruitless += 1
        if self._fruitless < PATIENCE:
            return []
        ready = self._give_up() if self._waiting else []
        if ready:
            self._settle(self.last_seq)
        return ready

    def _settle(self, stage_last: int) -> None:
        if not self._waiting and self.last_seq >= stage_last:
            self.fetching = False
            self._fruitless = 0

    def _give_up(self) -> list[Arrived]:
        """Takes the first hole for a true one."""
        return self._drain(up_to=min(self._waiting)) + self._drain(up_to=None)

    def _drain(self, up_to: int | None) -> list[Arrived]:
        """Takes waiting chunks in order: all to `up_to` over holes, or while there is no hole."""
        ready: list[Arrived] = []
        for seq in sorted(self._waiting):
            if seq > (self.last_seq + 1 if up_to is None else up_to):
                break
            ready.append(self._take(self._waiting.pop(seq)))
        return ready

    def _take(self, chunk: MediaChunk) -> Arrived:
        reason: Literal["", "gap", "restart"] = ""
        if self.last_seq >= 0:
            if chunk.epoch != self.epoch:
                reason = "restart"
            elif chunk.seq != self.last_seq + 1:
                reason = "gap"
        self.last_seq = chunk.seq
        self.epoch = chunk.epoch
        return Arrived(chunk, reason)
