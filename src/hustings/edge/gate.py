"""Who may connect: a cap in all, a cap per address, and what it costs to say no.

Pure: connections are counted by a key of their address and released again; the key "" (a reverse proxy
that the operator named) has no cap of its own. Addresses live only here,
in memory, for as long as a connection is open; none is logged.
"""

from __future__ import annotations

import enum
import resource

RESERVED_DESCRIPTORS = 128
"""Descriptors kept for the bus, listening sockets, files and the refused who linger."""
LINGERING = 256
"""Connections over the cap that still get a sentence; beyond these they are cut at once."""
INVITED = 64
"""Connections over the cap for who is invited or hosts, once that has been read."""


class Verdict(enum.Enum):
    """What becomes of a new connection."""

    WELCOME = "welcome"
    FULL = "full"
    """No place for anybody: 503."""
    CROWDED = "crowded"
    """Too many from this address: 429."""
    CUT = "cut"
    """Refused without a word: even saying no has its limit."""


def descriptor_cap(wanted: int) -> int:
    """How many connections this process may hold: `wanted`, or what the descriptor limit leaves.

    Raises the soft limit to the hard one first.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    possible = max(soft - RESERVED_DESCRIPTORS - LINGERING - INVITED, 16)
    return min(wanted, possible) if wanted else possible


class Gate:
    """Counts connections. `enter` for each new one; `leave` with the same key and verdict when it ends."""

    def __init__(self, *, total: int, per_address: int) -> None:
        self.total = total
        self.per_address = per_address
        self.inside = 0
        self.lingering = 0
        self.refused: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
        self._by_address: dict[str, int] = {}

    def enter(self, key: str) -> Verdict:
        """Counts a connection from `key` in, or says why not."""
        verdict = self._judge(key)
        if verdict is Verdict.WELCOME:
            self.inside += 1
        else:
            self.refused[verdict] += 1
            if verdict is Verdict.CUT:
                return verdict
            self.lingering += 1
        self._by_address[key] = self._by_address.get(key, 0) + 1
        return verdict

    def _judge(self, key: str) -> Verdict:
        held = self._by_address.get(key, 0)
        if key and held >= self.per_address:
            # A few over the cap are told why; an address that goes on is cut without a word.
            told = self.lingering < LINGERING and held < self.per_address + 8
            return Verdict.CROWDED if told else Verdict.CUT
        if self.inside >= self.total:
            return Verdict.FULL if self.lingering < LINGERING else Verdict.CUT
        return Verdict.WELCOME

    def leave(self, key: str, verdict: Verdict) -> None:
        """The connection that `enter` judged is gone."""
        if verdict is Verdict.CUT:
            return
        if verdict is Verdict.WELCOME:
            self.inside -= 1
        else:
            self.lingering -= 1
        self._uncount(key)

    def let_in(self, verdict: Verdict) -> bool:
        """Whether one who was told there is no place gets one all the same; from then on he was welcome."""
        if verdict is not Verdict.FULL or self.inside >= self.total + INVITED:
            return False
        self.lingering -= 1
        self.inside += 1
        return True

    def _uncount(self, key: str) -> None:
        left = self._by_address[key] - 1
        if left:
            self._by_address[key] = left
        else:
            del self._by_address[key]

    def claim(self, key: str) -> bool:
        """Counts an endless response to somebody behind a proxy; False when they have enough of them."""
        if self._by_address.get(key, 0) >= self.per_address:
            self.refused[Verdict.CROWDED] += 1
            return False
        self._by_address[key] = self._by_address.get(key, 0) + 1
        return True

    def release(self, key: str) -> None:
        """What `claim` counted has ended."""
        self._uncount(key)

    def held(self, key: str) -> int:
        """Connections of one address now."""
        return self._by_address.get(key, 0)
