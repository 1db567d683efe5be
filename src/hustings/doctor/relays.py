"""Relays (TURN): is each there, and does it believe the passwords we make? One allocation each, RFC 8656."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Iterator

from hustings.config import Settings, host_port
from hustings.doctor.findings import Finding, ok, wrong
from hustings.errors import UsageError
from hustings.turn import Relay, credentials, read_relays

PATIENCE = 3.0
"""Seconds for each answer."""
_COOKIE = 0x2112A442
_BINDING, _ALLOCATE = 0x0001, 0x0003
_SUCCESS, _ERROR = 0x0100, 0x0110
_USERNAME, _INTEGRITY, _ERROR_CODE, _REALM, _NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
_REQUESTED_TRANSPORT = (0x0019, b"\x11\0\0\0")
"""UDP between relay and stage, whatever is spoken to the relay."""
_MOST = 2048
"""Bytes of an answer."""


def relays(settings: Settings) -> Iterator[Finding]:
    """A line for each address of HUSTINGS_TURN, and one for what such a relay needs of the firewall."""
    try:
        named = read_relays(settings.turn, settings.turn_secret)
    except UsageError as error:
        what, _, todo = str(error).partition("; ")
        yield wrong("relays", what, todo or "Correct HUSTINGS_TURN.")
        return
    if not named:
        yield ok("relays", "none named (HUSTINGS_TURN): speakers need UDP to the media port")
    for relay in named:
        yield _ask(relay, settings.turn_secret)
    if any(relay.transport == "tcp" for relay in named):
        port = (
            host_port(settings.relay_door)[1]
            if settings.relay_door
            else host_port(settings.media_door)[1] + 1
        )
        yield ok("relays", f"from those over TCP and TLS some browsers need UDP port {port}: open it to them")


def _ask(relay: Relay, secret: str) -> Finding:
    name, password = credentials(secret, "doctor", time.time())
    try:
        with _connect(relay) as line:
            if relay.kind == "stun":
                kind, _ = _exchange(line, relay, _BINDING, [], b"")
                return ok("relays", f"{relay.url} answers") if kind == _BINDING | _SUCCESS else _odd(relay)
            _, first = _exchange(line, relay, _ALLOCATE, [_REQUESTED_TRANSPORT], b"")
            realm, nonce = first.get(_REALM, b""), first.get(_NONCE, b"")
            if not realm or not nonce:
                return wrong("relays", f"{relay.url} asks for no password", "Set use-auth-secret there.")
            # RFC 8489 section 9.2.2: the key of long-term credentials.
            key = hashlib.md5(f"{name}:{realm.decode(errors='replace')}:{password}".encode()).digest()  # noqa: S324
            says = [_REQUESTED_TRANSPORT, (_USERNAME, name.encode()), (_REALM, realm), (_NONCE, nonce)]
            kind, answer = _exchange(line, relay, _ALLOCATE, says, key)
    except ssl.SSLCertVerificationError as error:
        what = f"{relay.url}: browsers will not believe its certificate ({error.verify_message})"
        return wrong("relays", what, "Give it one for its name.")
    except (OSError, ValueError, struct.error) as error:
        why = getattr(error, "strerror", None) or "no answer that could be read"
        return wrong("relays", f"{relay.url} does not answer ({why})", "Is it running, is its port open?")
    if kind == _ALLOCATE | _SUCCESS:
        return ok("relays", f"{relay.url} relays")
    code = answer.get(_ERROR_CODE, b"\0\0\0\0")
    number = 100 * (code[2] & 7) + code[3] if len(code) >= 4 else 0
    if number == 401:
        todo = "Is HUSTINGS_TURN_SECRET its static-auth-secret, and is the clock right on both machines?"
        return wrong("relays", f"{relay.url} does not believe our passwords", todo)
    return wrong("relays", f"{relay.url} refuses to relay (error {number})", "Look at its log.")


def _odd(relay: Relay) -> Finding:
    return wrong("relays", f"{relay.url} answers something else", "Is it a STUN server?")


def _connect(relay: Relay) -> socket.socket:
    if relay.transport == "tcp":
        line = socket.create_connection((relay.host, relay.port), PATIENCE)
        if relay.kind != "turns":
            return line
        try:
            return ssl.create_default_context().wrap_socket(line, server_hostname=relay.host)
        except BaseException:
            line.close()
            raise
    found = socket.getaddrinfo(relay.host, relay.port, type=socket.SOCK_DGRAM)[0]
    line = socket.socket(found[0], socket.SOCK_DGRAM)
    line.settimeout(PATIENCE)
    try:
        line.connect(found[4])
    except BaseException:
        line.close()
        raise
    return line


def _exchange(
    line: socket.socket, relay: Relay, kind: int, says: list[tuple[int, bytes]], key: bytes
) -> tuple[int, dict[int, bytes]]:
    """One request and its answer: kind and attributes. Raises OSError, ValueError, struct.error."""
    transaction = secrets.token_bytes(12)
    body = b"".join(
        struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in says
    )

    def head(size: int) -> bytes:
        return struct.pack("!HHI", kind, size, _COOKIE) + transaction

    if key:  # over the message with the length it will have (RFC 8489 section 14.5)
        digest = hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest()
        body += struct.pack("!HH", _INTEGRITY, len(digest)) + digest
    line.sendall(head(len(body)) + body)
    data = _answer(line, relay.transport == "tcp")
    answer, size, cookie = struct.unpack_from("!HHI", data)
    if cookie != _COOKIE or data[8:20] != transaction or len(data) < 20 + size:
        raise ValueError("not an answer to this request")
    found: dict[int, bytes] = {}
    at = 20
    while at + 4 <= 20 + size:
        name, length = struct.unpack_from("!HH", data, at)
        found.setdefault(name, data[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return answer, found


def _answer(line: socket.socket, stream: bool) -> bytes:
    if not stream:
        return line.recv(_MOST)
    data = b""
    while len(data) < 20 or len(data) < 20 + struct.unpack_from("!H", data, 2)[0]:
        more = line.recv(_MOST)
        if not more or len(data) > _MOST:
            raise ValueError("the answer ends early, or never")
        data += more
    return data
