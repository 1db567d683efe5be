"""The web files of the package at the studio door, from memory: GET /static/{path}."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from hustings.studio.i18n import WEB
from hustings.studio.problems import problem

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
_COMPRESSED = frozenset({".css", ".js", ".mjs", ".json", ".svg", ".webmanifest", ".txt"})


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    gzipped: bytes
    """Empty where it does not help."""
    content_type: str
    etag: str


class Assets:
    """Everything under `folder` that a page may ask for; read once."""

    def __init__(self, folder: Path = WEB) -> None:
        self._files: dict[str, Asset] = {}
        total = hashlib.sha256()
        for path in sorted(folder.rglob("*")):
            if path.suffix not in _TYPES or not path.is_file() or path.name.startswith("."):
                continue
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()
            name = path.relative_to(folder).as_posix()
            total.update(f"{name} {digest}\n".encode())
            packed = gzip.compress(body, 6, mtime=0) if path.suffix in _COMPRESSED else b""
            gzipped = packed if len(packed) < len(body) else b""
            self._files[name] = Asset(body, gzipped, _TYPES[path.suffix], f'"{digest[:16]}"')
        self.version = total.hexdigest()[:8]
        """Over all files, so that a module's own imports may go without ?v=."""

    def address(self, name: str) -> str:
        """Where `name` is served; changes when any file does, so that it may be cached for a year."""
        return f"/static/{name}?v={self.version}"

    def respond(self, name: str, request: Request) -> Response:
        """The file, 304, or 404."""
        asset = self._files.get(name)
        if asset is None:
            return problem(404, "There is nothing here", where="path")
        versioned = request.query_params.get("v") == self.version
        headers = {
            "ETag": asset.etag,
            "Vary": "Accept-Encoding",
            "Cache-Control": "public, max-age=31536000, immutable" if versioned else "no-cache",
        }
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = asset.body
        if asset.gzipped and "gzip" in request.headers.get("accept-encoding", ""):
            body = asset.gzipped
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers={**headers, "Content-Type": asset.content_type})
