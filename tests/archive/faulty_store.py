"""A store that fails as it is told to: around obstore's MemoryStore, so that what it holds is real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from obstore.store import MemoryStore


class FaultyStore:
    """`fail(call, number)`: called before the number-th call of all, with its name and key; what it raises is
    what the store says. `lie(path, data)`: changes what is read."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.calls: list[tuple[str, str]] = []
        self.fail: Callable[[str, str, int], None] = lambda _call, _path, _number: None
        self.lie: Callable[[str, bytes], bytes] = lambda _path, data: data
        self.longest = 0
        """Bytes of the largest piece that went either way."""

    def _called(self, call: str, path: str) -> None:
        self.calls.append((call, path))
        self.fail(call, path, len(self.calls))

    def put(
        self,
        path: str,
        file: Any,
        *,
        use_multipart: bool | None = None,
        chunk_size: int = 0,
        max_concurrency: int = 0,
    ) -> Any:
        self._called("put", path)
        if isinstance(file, bytes):
            self.longest = max(self.longest, len(file))
            return self.inner.put(path, file)

        def counted() -> Iterable[bytes]:
            for block in file:
                self.longest = max(self.longest, len(block))
                self._called("part", path)
                yield block

        return self.inner.put(
            path, iter(counted()), use_multipart=True, chunk_size=chunk_size, max_concurrency=max_concurrency
        )

    def get_range(self, path: str, *, start: int, end: int) -> Any:
        self._called("get_range", path)
        data = self.lie(path, bytes(self.inner.get_range(path, start=start, end=end)))
        self.longest = max(self.longest, len(data))
        return data

    def head(self, path: str) -> Any:
        self._called("head", path)
        return self.inner.head(path)

    def list(self, prefix: str | None = None) -> Iterable[Sequence[Any]]:
        self._called("list", prefix or "")
        return self.inner.list(prefix)

    def delete(self, paths: str | Sequence[str]) -> None:
        for path in [paths] if isinstance(paths, str) else paths:
            self._called("delete", path)
            self.inner.delete(path)

    def sent(self) -> Sequence[str]:
        """Keys of what was put, in order."""
        return [path for call, path in self.calls if call == "put"]
