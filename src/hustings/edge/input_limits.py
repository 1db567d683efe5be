"""How often one address and one device may send something: a bucket of tokens for each, in memory only.

Pure. A bucket is one number, the time at which it will be full again (GCRA, the leaky bucket as a meter), so
a forgotten bucket is a full one: with too many of them the one unused for longest goes, which has lost least.
"""

from __future__ import annotations

from dataclasses import dataclass

REMEMBERED = 20_000
"""Buckets of one kind. More than the listeners an edge can hold."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and then one each `every` seconds."""

    burst: int
    every: float


class Buckets:
    """One bucket for each key. Ask `wait`, then `charge`: so that two buckets are charged together or not."""

    def __init__(self, rate: Rate, remembered: int = REMEMBERED) -> None:
        self._every = rate.every
        self._slack = rate.every * (rate.burst - 1) + 1e-6  # sums of floats are a little off
        self._remembered = remembered
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` may send; 0.0 when it may."""
        return max(0.0, self._full_at.get(key, now) - now - self._slack)

    def charge(self, key: str, now: float) -> None:
        """`key` sends one."""
        # Taken out and put in again: a dict's order is then that of the last use.
        full_at = max(self._full_at.pop(key, now), now) + self._every
        self._full_at[key] = full_at
        if len(self._full_at) > self._remembered:
            del self._full_at[next(iter(self._full_at))]


@dataclass(frozen=True, slots=True)
class Limit:
    """What one kind of input may cost."""

    address: Rate
    device: Rate


LIMITS: dict[str, Limit] = {
    # An address may be a whole school or the hall's wireless network, a device is one browser.
    "reaction": Limit(address=Rate(60, 0.05), device=Rate(10, 0.25)),
    "hand": Limit(address=Rate(20, 1.0), device=Rate(6, 5.0)),
    "question": Limit(address=Rate(20, 2.0), device=Rate(3, 20.0)),
    "vote": Limit(address=Rate(60, 0.25), device=Rate(10, 0.5)),
}


class Limiter:
    """The buckets of one kind, by address and by device."""

    def __init__(self, limit: Limit, remembered: int = REMEMBERED) -> None:
        self._addresses = Buckets(limit.address, remembered)
        self._devices = Buckets(limit.device, remembered)

    def take(self, address: str, device: str, now: float) -> tuple[str, float]:
        """("", 0.0) when one more may be sent, and it is charged; else which limit, and seconds to wait.

        An empty `address` (a proxy that does not say whom it speaks for) or `device` has no limit.
        """
        if address and (wait := self._addresses.wait(address, now)):
            return "address", wait
        if device and (wait := self._devices.wait(device, now)):
            return "device", wait
        if address:
            self._addresses.charge(address, now)
        if device:
            self._devices.charge(device, now)
        return "", 0.0
