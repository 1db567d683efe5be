"""What was read of the store last, kept in memory in blocks: many listen to the same, and each takes little
at a time. Usable from several threads; who asks for a block that is on its way waits for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from hustings.archive.objects import Objects

BLOCK: Final = 256 * 1024
"""Bytes of a block: three segments of AAC, some 20 s of a download."""
KEPT: Final = 32 << 20
"""Bytes kept in all."""

type _Name = tuple[str, str, int]


class Blocks:
    """Reads of one store."""

    def __init__(self, objects: Objects, *, kept: int = KEPT) -> None:
        self._objects = objects
        self._most = kept
        self._lock = threading.Lock()
        self._blocks: OrderedDict[_Name, bytes] = OrderedDict()
        self._bytes = 0
        self._reading: dict[_Name, threading.Event] = {}

    def read(self, key: str, version: str, size: int, first: int, end: int) -> bytes:
        """The bytes [first, end) of an object of `size` bytes, fewer where it ends before. `version`: another
        one whenever it is another object. Raises StoreFailed."""
        first, end = max(0, first), min(end, size)
        parts: list[bytes] = []
        for number in range(first // BLOCK, -(-end // BLOCK) if first < end else 0):
            start = number * BLOCK
            block = self._block((key, version, number), min(start + BLOCK, size))
            parts.append(block[max(0, first - start) : end - start])
        return b"".join(parts)

    def _block(self, name: _Name, end: int) -> bytes:
        while True:
            with self._lock:
                known = self._blocks.get(name)
                if known is not None:
                    self._blocks.move_to_end(name)
                    return known
                coming = self._reading.get(name)
                if coming is None:
                    mine = self._reading[name] = threading.Event()
                    break
            # If that fails, whoever comes first finds out for himself; a dead store says so at once.
            coming.wait()
        try:
            data = self._objects.read(name[0], name[2] * BLOCK, end)
            if name[2] * BLOCK + len(data) == end:
                self._keep(name, data)
            return data
        finally:
            with self._lock:
                del self._reading[name]
            mine.set()

    def _keep(self, name: _Name, data: bytes) -> None:
        with self._lock:
            self._blocks[name] = data
            self._bytes += len(data)
            while self._bytes > self._most and len(self._blocks) > 1:
                self._bytes -= len(self._blocks.popitem(last=False)[1])
