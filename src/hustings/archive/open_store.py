"""Opens the store that HUSTINGS_OBJECTS names (docs/operating.md, Object store)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from hustings.archive.objects import AT_ONCE, PART, Objects, Store
from hustings.archive.unfinished import Bucket
from hustings.errors import UsageError

if TYPE_CHECKING:
    from hustings.config import Settings

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Variables in which the keys to a store come."""
_PATIENT: Final = {"connect": 10.0, "read": 60.0, "request": 300.0, "tries": 3, "trying": 120.0}
_HASTY: Final = {"connect": 2.0, "read": 4.0, "request": 4.0, "tries": 1, "trying": 4.0}
"""Seconds. A request that somebody waits for is given up after some nine."""


@dataclass(frozen=True, slots=True)
class Where:
    """What HUSTINGS_OBJECTS and what belongs to it say: a folder, or a bucket with its name and its keys."""

    folder: Path | None = None
    name: str = ""
    bucket: Bucket | None = None
    endpoint: str = ""


def where(settings: Settings, environment: Mapping[str, str] = os.environ) -> Where | None:
    """Where the store is; None when there is none but the data folder. Raises UsageError."""
    if not settings.objects:
        return None
    url = urlsplit(settings.objects)
    if url.scheme == "file" and not url.netloc and len(url.path) > 1 and not url.query:
        return Where(folder=Path(unquote(url.path)))
    prefix = url.path.strip("/")
    named = _BUCKET.fullmatch(url.netloc) and (not prefix or _PREFIX.fullmatch(prefix))
    if url.scheme != "s3" or not named or url.query or url.fragment:
        raise UsageError(
            "HUSTINGS_OBJECTS is no address of a store: write s3://BUCKET/PREFIX or file:///FOLDER."
        )
    endpoint = settings.objects_endpoint.rstrip("/")
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc):
        raise UsageError("HUSTINGS_OBJECTS_ENDPOINT is no address: write for example https://s3.example.org.")
    key_id, secret, token = (environment.get(name, "") for name in KEYS)
    if not key_id or not secret:
        raise UsageError(
            "HUSTINGS_OBJECTS needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment."
        )
    endpoint = endpoint or f"https://s3.{settings.objects_region}.amazonaws.com"
    bucket = Bucket(
        url=f"{endpoint}/{url.netloc}",
        region=settings.objects_region,
        prefix=f"{prefix}/" if prefix else "",
        key_id=key_id,
        secret=secret,
        token=token,
    )
    return Where(name=url.netloc, bucket=bucket, endpoint=endpoint)


def open_objects(
    settings: Settings, *, hasty: bool = False, environment: Mapping[str, str] = os.environ
) -> Objects | None:
    """The store; None when there is none. Nothing is asked yet: whether it answers and takes the keys shows
    when it is used. `hasty`: for who has somebody waiting. Raises UsageError."""
    place = where(settings, environment)
    if place is None:
        return None
    if place.folder is not None:
        return Objects(_Folder(place.folder), folder=place.folder, hasty=hasty)
    assert place.bucket is not None
    return Objects(_s3(place, place.bucket, hasty=hasty), bucket=place.bucket, hasty=hasty)


class _Folder:
    """A folder as a store. It is opened when it is used: a disk that is not mounted is a store that fails,
    and nothing is written where it should be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: Store | None = None

    def _store(self) -> Store:
        if not self._folder.is_dir():
            raise ConnectionError("no such folder")
        if self._opened is None:
            from obstore.store import LocalStore

            self._opened = LocalStore(self._folder)
        return self._opened

    def put(
        self,
        path: str,
        file: Any,
        *,
        use_multipart: bool | None = None,
        chunk_size: int = PART,
        max_concurrency: int = AT_ONCE,
    ) -> Any:
        return self._store().put(
            path, file, use_multipart=use_multipart, chunk_size=chunk_size, max_concurrency=max_concurrency
        )

    def get_range(self, path: str, *, start: int, end: int) -> Any:
        return self._store().get_range(path, start=start, end=end)

    def head(self, path: str) -> Any:
        return self._store().head(path)

    def list(self, prefix: str | None = None) -> Iterable[Sequence[Any]]:
        return self._store().list(prefix)

    def delete(self, paths: str | Sequence[str]) -> None:
        self._store().delete(paths)


def _s3(place: Where, bucket: Bucket, *, hasty: bool) -> Store:
    from obstore.store import S3Store

    limits = _HASTY if hasty else _PATIENT
    more: dict[str, Any] = {"session_token": bucket.token} if bucket.token else {}
    return S3Store(
        place.name,
        prefix=bucket.prefix.rstrip("/") or None,
        endpoint=place.endpoint,
        region=bucket.region,
        access_key_id=bucket.key_id,
        secret_access_key=bucket.secret,
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": place.endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=limits["connect"]),
            "read_timeout": timedelta(seconds=limits["read"]),
            "timeout": timedelta(seconds=limits["request"]),
        },
        retry_config={
            "max_retries": int(limits["tries"]),
            "retry_timeout": timedelta(seconds=limits["trying"]),
        },
        **more,
    )
