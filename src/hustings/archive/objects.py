"""The store: where recordings lie beside, or instead of, the local folder (docs/recording.md, Storage).

A thin layer over obstore: the few things that are done with a store, each with an end (nothing waits for
ever) and one kind of error. An object's key is its file's path below the data folder. Every method waits for
the network or a disk: none is for an event loop's thread. Usable from several threads.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from hustings.archive.unfinished import Bucket, abort_uploads

PART: Final = 8 << 20
"""Bytes of one part of a multipart upload, and of one range when all of an object is read; a file that is not
longer is sent at once. S3 takes 10,000 parts: 80 GB."""
AT_ONCE: Final = 2
"""Parts on their way at a time."""
RESTS: Final = 5.0
"""Seconds in which a store that has just failed is not asked by who has somebody waiting."""
_REMOVED_AT_ONCE: Final = 500
_LEFT_BEHIND: Final = re.compile(r".+#[0-9]+")
"""How obstore names what it has not finished in a folder."""
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")


class StoreFailed(OSError):
    """The store did not do what was asked. `strerror`: a sentence for who runs the server; no keys in it."""

    def __init__(self, problem: str) -> None:
        super().__init__(errno.EIO, problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class Store(Protocol):
    """What is used of obstore's stores."""

    def put(
        self,
        path: str,
        file: Any,
        *,
        use_multipart: bool | None = None,
        chunk_size: int = ...,
        max_concurrency: int = ...,
    ) -> Any: ...
    def get_range(self, path: str, *, start: int, end: int) -> Any: ...
    def head(self, path: str) -> Any: ...
    def list(self, prefix: str | None = None) -> Iterable[Sequence[Any]]: ...
    def delete(self, paths: str | Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """One object. `size`: bytes."""

    key: str
    size: int


class Objects:
    """`bucket`: how unfinished uploads are found, for S3; `folder`: where the objects are, if they are files.
    `hasty`: somebody waits, so a store that has failed is left alone for RESTS seconds and then asked once.
    All methods raise StoreFailed."""

    def __init__(
        self,
        store: Store,
        *,
        bucket: Bucket | None = None,
        folder: Path | None = None,
        hasty: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._folder = folder
        self._hasty = hasty
        self._now = now
        self._lock = threading.Lock()
        self._problem = ""
        self._rests_until = 0.0
        self._trying = False

    @property
    def problem(self) -> str:
        """Why the store failed when it was asked last; "" when it did not."""
        return self._problem

    def put(self, key: str, blocks: Iterator[bytes], size: int) -> None:
        """Stores `size` bytes, part by part when they are more than PART: all of them or nothing. What
        `blocks` raises ends the upload and passes through."""
        with self._asked():
            if size <= PART:
                self._store.put(key, b"".join(blocks), use_multipart=False)
            else:
                self._store.put(key, blocks, use_multipart=True, chunk_size=PART, max_concurrency=AT_ONCE)
            if self._folder is not None:
                _sync(self._folder / key)

    def read(self, key: str, first: int, end: int) -> bytes:
        """The bytes [first, end), fewer where the object ends before."""
        if first >= end:
            return b""
        with self._asked():
            return bytes(self._store.get_range(key, start=first, end=end))

    def blocks(self, key: str, size: int) -> Iterator[bytes]:
        """The first `size` bytes of an object, in pieces of at most PART."""
        for at in range(0, size, PART):
            yield self.read(key, at, min(at + PART, size))

    def size(self, key: str) -> int | None:
        """Bytes of the object; None when there is none."""
        with self._asked():
            try:
                return int(self._store.head(key)["size"])
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def found(self, prefix: str) -> list[Found]:
        """The objects in the folder `prefix` and below."""
        with self._asked():
            return [Found(each["path"], each["size"]) for some in self._store.list(prefix) for each in some]

    def remove(self, keys: Sequence[str]) -> None:
        """What is not there is no error."""
        with self._asked():
            for at in range(0, len(keys), _REMOVED_AT_ONCE):
                self._remove(keys[at : at + _REMOVED_AT_ONCE])

    def _remove(self, keys: Sequence[str]) -> None:
        try:
            self._store.delete(list(keys))
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise
            # A store that minds: one by one, so that the others go.
            for key in keys if len(keys) > 1 else ():
                self._remove([key])

    def abort_unfinished(self, prefix: str) -> int:
        """Removes what uploads that never ended have left in the folder `prefix` and below: how many."""
        with self._asked():
            if self._bucket is not None:
                return abort_uploads(self._bucket, f"{prefix}/")
            if self._folder is None:
                return 0
            left = [path for path in (self._folder / prefix).rglob("*") if _LEFT_BEHIND.fullmatch(path.name)]
            for path in left:
                path.unlink(missing_ok=True)
            return len(left)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Around a question to the store: what it raises becomes StoreFailed."""
        from obstore.exceptions import BaseError

        self._may_ask()
        try:
            yield
        except (BaseError, FileNotFoundError, ConnectionError, TimeoutError) as error:
            self._problem = _words(error)
            self._rests_until = self._now() + RESTS
            raise StoreFailed(self._problem) from None
        else:
            self._problem = ""
        finally:
            self._trying = False

    def _may_ask(self) -> None:
        if not self._hasty:
            return
        with self._lock:
            if self._problem and (self._trying or self._now() < self._rests_until):
                raise StoreFailed(self._problem)
            # Whoever is first after the rest finds out for all: a dead store holds one thread, not every one.
            self._trying = bool(self._problem)


def _words(error: BaseException) -> str:
    text = str(error)
    name = type(error).__name__
    if name in ("PermissionDeniedError", "UnauthenticatedError") or "status code: 403" in text:
        return "The store refuses: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are wrong, or may not do this."
    if "NoSuchBucket" in text:
        return "The store has no such bucket; HUSTINGS_OBJECTS names it."
    if isinstance(error, FileNotFoundError):
        return "The store does not have a file any more that it had."
    status = _STATUS.search(text)
    if status is not None:
        return f"The store answers with an error ({status[1]})."
    return "The store does not answer."


def _sync(path: Path) -> None:
    for each, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(each, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
