"""Who listens by WebRTC (WHEP), and in how many packets.

A packet of 20 ms for each listener and tick is what they cost most by. Three joined to one of 60 ms hold the
same sound (`audio/opus_join.py`) for a third of the work and 40 ms more delay. Those get them who ask for it
(`a=ptime:60` and more, RFC 8866 6.4), and all who do not refuse it (either below 60) once there are many. The
listeners are in three groups whose turns follow one another, so that each tick sends a third.

Who reports loss gets packets of 20 ms with error correction: a long one that is lost is heard more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hustings.audio.frame import FRAME_SAMPLES
from hustings.audio.opus_join import join

JOINED = 3
"""Frames in a long packet."""
LONG_MS = 60
MANY = 100
"""Listeners of one broadcast from which on long packets are the rule."""

type Part = tuple[bytes, int]
"""A payload and the samples it lasts; an empty payload: only time passes."""


@dataclass(slots=True)
class Batch:
    """What some sessions are to be sent now, in this order."""

    sessions: tuple[str, ...]
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Wish:
    """What an offer says about the length of packets, in ms; 0: nothing (RFC 8866 6.4)."""

    ptime: int = 0
    max_ptime: int = 0

    @property
    def refuses(self) -> bool:
        return 0 < self.max_ptime < LONG_MS or 0 < self.ptime < LONG_MS

    @property
    def asks(self) -> bool:
        return self.ptime >= LONG_MS and not self.refuses


NO_WISH = Wish()


@dataclass(slots=True)
class _Group:
    """Listeners who get long packets in the same ticks."""

    sessions: tuple[str, ...] = ()
    frames: list[bytes] = field(default_factory=list)

    def parts(self) -> list[Part]:
        """What has been gathered, which is then gone."""
        frames, self.frames = self.frames, []
        joined = join(frames) if frames else None
        if joined is not None:
            return [(joined, len(frames) * FRAME_SAMPLES)]
        return [(frame, FRAME_SAMPLES) for frame in frames]


class WhepAudience:
    """The WHEP sessions of one broadcast."""

    def __init__(self) -> None:
        self._wishes: dict[str, Wish] = {}
        self._groups = [_Group() for _ in range(JOINED)]
        self._turn = 0
        self._short: tuple[str, ...] = ()
        self._many = False
        self._asking = 0

    def __len__(self) -> int:
        return len(self._wishes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._wishes)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._wishes

    def add(self, session_id: str, wish: Wish) -> None:
        """Hears packets of 20 ms until its group's turn."""
        self._wishes[session_id] = wish
        self._asking += wish.asks
        self._short += (session_id,)
        # Both ways with room in between, so that one who comes and goes does not change it for all.
        self._many = len(self._wishes) >= (MANY * 3 // 4 if self._many else MANY)

    def remove(self, session_id: str) -> bool:
        """Whether it was there."""
        wish = self._wishes.pop(session_id, None)
        if wish is None:
            return False
        self._asking -= wish.asks
        self._many = len(self._wishes) >= (MANY * 3 // 4 if self._many else MANY)
        self._short = tuple(each for each in self._short if each != session_id)
        for group in self._groups:
            group.sessions = tuple(each for each in group.sessions if each != session_id)
        return True

    def packets(self, packet: bytes, robust: Mapping[str, bytes], skipped: int = 0) -> list[Batch]:
        """What this tick's packet of 20 ms brings to whom. `robust`: the packet that those who report loss
        share instead, by session; `skipped`: ticks not run before this one."""
        batches = self._across(skipped) if skipped else []
        if not self._wishes:
            return batches
        turn = self._turn = (self._turn + 1) % JOINED
        for number, group in enumerate(self._groups):
            group.frames.append(packet)
            if number == turn:
                parts = group.parts()
                if group.sessions:
                    batches.append(Batch(group.sessions, parts))
        plain = tuple(each for each in self._short if each not in robust) if robust else self._short
        if plain:
            batches.append(Batch(plain, [(packet, FRAME_SAMPLES)]))
        if len(plain) < len(self._short):
            losing = tuple(each for each in self._short if each in robust)
            batches.append(Batch(losing, [(robust[losing[0]], FRAME_SAMPLES)]))
        if self._many or self._asking or self._groups[turn].sessions:
            self._move(self._groups[turn], robust)
        return batches

    def _across(self, skipped: int) -> list[Batch]:
        """Time that nobody heard: what was gathered before it goes out first."""
        gap: Part = (b"", skipped * FRAME_SAMPLES)
        batches = [Batch(group.sessions, [*group.parts(), gap]) for group in self._groups]
        batches.append(Batch(self._short, [gap]))
        return [batch for batch in batches if batch.sessions]

    def _move(self, group: _Group, robust: Mapping[str, bytes]) -> None:
        """In a group's turn nothing of it waits: now its listeners may change to short packets and others
        come, a third of them in each."""
        keep = tuple(each for each in group.sessions if self._long(each, robust))
        leave = tuple(each for each in group.sessions if not self._long(each, robust))
        able = [each for each in self._short if self._long(each, robust)]
        room = -(-(sum(len(other.sessions) for other in self._groups) + len(able)) // JOINED) - len(keep)
        come = tuple(able[: max(0, room)])
        if leave or come:
            group.sessions = keep + come
            coming = set(come)
            self._short = tuple(each for each in self._short if each not in coming) + leave

    def _long(self, session_id: str, robust: Mapping[str, bytes]) -> bool:
        wish = self._wishes[session_id]
        return session_id not in robust and (wish.asks or (self._many and not wish.refuses))
