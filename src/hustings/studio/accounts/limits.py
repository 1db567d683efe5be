"""How often somebody may try: token buckets in memory, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import Counter

from hustings.studio.problems import Limited

_limited = Counter("hustings_studio_logins_limited_total", "Attempts to log in that came too soon.", ["by"])

MAX_KEYS = 20_000


class Buckets:
    """For each key `size` attempts at once, then one every `every` seconds.

    The longest unseen key is forgotten when there are more than MAX_KEYS.
    """

    def __init__(
        self, size: int, every: float, monotonic: Callable[[], float], max_keys: int = MAX_KEYS
    ) -> None:
        self._size = size
        self._every = every
        self._now = monotonic
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the bucket of a key will be full again."""

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str) -> float:
        """0 when there was one to take; else the seconds until there will be."""
        now = self._now()
        full_at = max(self._full_at.get(key, now), now) + self._every
        wait = full_at - now - self._size * self._every
        if wait > 1e-9:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return 0.0

    def forget(self, key: str) -> None:
        """The key has all its attempts again."""
        self._full_at.pop(key, None)


class Limits:
    """Of everything somebody may try without being known: passwords, passkeys, one-time links."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._addresses = Buckets(30, 4.0, monotonic)
        self._names = Buckets(10, 30.0, monotonic)

    def attempt(self, address: str, name: str = "") -> None:
        """One attempt from `address`, with `name` for a password. Raises Limited."""
        self._check("address", self._addresses.take(address))
        if name:
            self._check("account", self._names.take(name))

    def succeeded(self, name: str) -> None:
        """The owner of the name is in: earlier attempts of others do not keep him waiting."""
        self._names.forget(name)

    def _check(self, by: str, wait: float) -> None:
        if wait > 0:
            _limited.labels(by).inc()
            raise Limited("Too many attempts", f"Try again in {wait:.0f} seconds.", max(1.0, wait))
