"""Which roles hang: they run but say nothing, and not for want of a processor. Pure, but for `waited`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SILENT_FOR: Final = 30.0
"""Seconds without a metrics message after which a role that was ready counts as hung."""
AT_MOST: Final = 300.0
"""Seconds after which it does, whatever it waited for."""
LOOKS: Final = 5.0
"""Seconds between two looks."""


def waited(pid: int) -> float:
    """Seconds a process's first thread has been able to run and had no processor (/proc/PID/schedstat,
    Linux' Documentation/scheduler/sched-stats.rst).

    0 where the kernel does not say: then want of a processor excuses nobody.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@dataclass(slots=True)
class _Seen:
    heard: float
    waited: float
    excused: float = 0.0


@dataclass(slots=True)
class Hung:
    """To be asked every `LOOKS` seconds."""

    _looked: float | None = None
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def look(self, now: float, roles: Mapping[str, tuple[float, float]]) -> list[str]:
        """Names of those to kill; `roles`: when each was heard last, and how long it `waited` in all."""
        since, self._looked = (now if self._looked is None else self._looked), now
        for name in self._seen.keys() - roles.keys():
            del self._seen[name]
        for name, (heard, waits) in roles.items():
            seen = self._seen.get(name)
            if seen is None or seen.heard != heard:
                self._seen[name] = _Seen(heard, waits)
                continue
            if waits - seen.waited > (now - since) / 2:
                seen.excused += now - since
            seen.waited = waits
        # A bus that was away, or a machine that stood still, silences all: no role's fault.
        if now - since >= 2 * LOOKS or all(now - heard >= 2 * LOOKS for heard, _ in roles.values()):
            return []
        return [name for name, seen in self._seen.items() if self._hangs(seen, now)]

    @staticmethod
    def _hangs(seen: _Seen, now: float) -> bool:
        silent = now - seen.heard
        return silent > AT_MOST or silent - seen.excused > SILENT_FOR
