"""Names of WHIP and WHEP sessions: unguessable, bound to their owner, and good over a restart.

The name is the stage's session identifier with a keyed hash over it, its room and its owner, so the
studio keeps no list and a session cannot be named by anybody it was not given to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from hustings.errors import Refused

_STAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAC_BYTES = 16


class SessionIds:
    """`key`: secret bytes that stay the same over restarts."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, kind: str, slug: str, owner: str, session_id: str) -> str:
        """The last part of the session's address. `owner`: the participant, or "" for WHEP."""
        if _STAGE_ID.fullmatch(session_id) is None:
            raise ValueError("the stage's session identifier does not fit into an address")
        return f"{session_id}.{self._mac(kind, slug, owner, session_id)}"

    def session(self, kind: str, slug: str, owner: str, name: str) -> str:
        """The stage's identifier. Raises Refused (404) for a name that was not given to this owner."""
        session_id, _, mac = name.rpartition(".")
        if _STAGE_ID.fullmatch(session_id) is None or not hmac.compare_digest(
            mac.encode("utf-8", "replace"), self._mac(kind, slug, owner, session_id).encode()
        ):
            raise Refused(404, "No such session", "It has ended, or it is not yours.", where="path")
        return session_id

    def _mac(self, *parts: str) -> str:
        message = "\0".join(parts).encode()
        digest = hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
