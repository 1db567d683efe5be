"""The web files of the package, held in memory: `GET /static/{path}`.

Paths are looked up in a table made at the start, so no request ever touches the file system.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import hustings
from hustings.edge.http import ANY_ORIGIN, Headers, Reply, Request, Resource

WEB = Path(hustings.__file__).parent / "web"
FOR_EVER: Headers = (("Cache-Control", "public, max-age=31536000, immutable"),)
"""For addresses that carry the content's hash (?v=...): they never change."""
ASK_AGAIN: Headers = (("Cache-Control", "no-cache"),)

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".m4a": "audio/mp4",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
EXCERPTS = {
    "listener": (
        *("app.", "status.", "state.", "room.", "seats.", "seat.", "role.", "invitation."),
        *("player.", "ask.", "hand."),
    ),
    "replay": ("replay.", "clip."),
    "record": tuple(
        f"record.{word}"
        for word in (
            *("bad.", "broken", "chain_only", "whole", "unsafe", "unread", "long", "kept"),
            *("as_before", "not_as_before", "checking"),
        )
    ),
    "audience": ("audience.",),
}
"""Texts that the listener's page needs before Play, those of recordings and clips, of records and of figures:
i18n/{name}.{lang}.json holds these of i18n/{lang}.json."""
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/[ \t]*(?=\n))", re.MULTILINE | re.DOTALL)
_COMPRESS = ("text/", "application/json", "image/svg", "application/manifest")


class StaticFiles:
    """All files under `folder` whose kind is known. Others (the demo's voices) are not for the web."""

    def __init__(self, folder: Path = WEB) -> None:
        self._files: dict[bytes, tuple[Resource, Resource]] = {}
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            kind = TYPES.get(path.suffix)
            if kind is None or not path.is_file():
                continue
            body = path.read_bytes()
            compress = kind.startswith(_COMPRESS)
            name = path.relative_to(folder).as_posix()
            if path.parent.name == "js":
                body = without_comments(body)
            self._add(name, kind, body, compress=compress)
            if path.parent.name == "i18n" and path.suffix == ".json":
                for excerpt, beginnings in EXCERPTS.items():
                    part = _excerpt(body, beginnings)
                    self._add(f"i18n/{excerpt}.{path.name}", kind, part, compress=compress)

    def _add(self, name: str, kind: str, body: bytes, *, compress: bool) -> None:
        lasting = Resource(kind, body, (*FOR_EVER, *ANY_ORIGIN), compress=compress, level=9)
        asking = Resource(
            kind, body, (*ASK_AGAIN, *ANY_ORIGIN), compress=compress, etag=lasting.etag, level=9
        )
        self._files[name.encode()] = (lasting, asking)

    def __len__(self) -> int:
        return len(self._files)

    def reply(self, name: bytes, request: Request) -> Reply | None:
        """The file, or None when there is none of that name."""
        found = self._files.get(name)
        if found is None:
            return None
        lasting, asking = found
        versioned = request.query.startswith(b"v=") or b"&v=" in request.query
        return (lasting if versioned else asking).reply(request)


def without_comments(module: bytes) -> bytes:
    """A module of ours as listeners get it: comments that have lines to themselves are left empty.

    Lines keep their numbers, as complaints in a browser name them. A template literal over several
    lines must have none that begins like a comment; a test looks.
    """
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), module)


def _excerpt(catalogue: bytes, beginnings: tuple[str, ...]) -> bytes:
    """The texts of one language whose keys begin so: those of the studio's pages are most of all."""
    texts: dict[str, str] = json.loads(catalogue)
    kept = {key: text for key, text in texts.items() if key.startswith(beginnings)}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()
