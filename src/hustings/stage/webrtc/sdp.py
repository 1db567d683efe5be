"""What an SDP offer, answer or trickle fragment must hold for us, and what we pass on of it.

An offer is text from a stranger, on its way to a C++ library. Nothing of it goes there as it came: the
few values we need are checked against their grammar here and `Session.text` writes a new, minimal SDP.

RFC 8866 (SDP), RFC 8839 and 8840 (ICE in SDP, trickle), RFC 8842 (DTLS), RFC 7587 (Opus), RFC 9725 (WHIP).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Literal

from hustings.errors import Refused
from hustings.stage.webrtc.rtp import LEVEL_URI

MAX_BYTES = 64 * 1024
MAX_LINES = 1500
MAX_CANDIDATES = 16
"""Candidates beyond these are left out: each makes our server send checks to an address of their choice."""

type Direction = Literal["sendonly", "recvonly", "sendrecv", "inactive"]
type Kind = Literal["ingest", "egress"]
type Setup = Literal["actpass", "active", "passive"]

_LINE = re.compile(r"[a-z]=[^\x00-\x1f\x7f]*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_HEX_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*")
_OPUS = re.compile(r"(\d{1,3}) opus/48000/2", re.IGNORECASE)
_EXTMAP = re.compile(r"(\d{1,3})(?:/[a-z]+)? (\S+)(?: .*)?")
_CANDIDATE = re.compile(
    r"candidate:([A-Za-z0-9+/]{1,32}) ([12]) ([A-Za-z]{3,8}) (\d{1,10}) (\S{1,64}) (\d{1,5})"
    r" typ (host|srflx|prflx|relay)(?: .*)?"
)
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_DIRECTIONS: tuple[Direction, ...] = ("sendonly", "recvonly", "sendrecv", "inactive")


@dataclass(frozen=True, slots=True)
class Session:
    """One audio m-line as offered or answered; all that we use of it, checked."""

    mid: str
    direction: Direction
    payload_type: int
    """Opus."""
    ufrag: str
    pwd: str
    fingerprint: str
    """Algorithm and value, "sha-256 AB:CD..."."""
    setup: Setup
    level_id: int = 0
    """Header extension id of the audio level (RFC 6464); 0: not offered."""
    ssrc: int = 0
    """What the other side says it sends as; 0: it does not say."""
    candidates: tuple[str, ...] = field(default=())
    ptime: int = 0
    """Milliseconds of sound it would like in a packet (RFC 8866 6.4); 0: it does not say."""
    max_ptime: int = 0
    """... and takes at most."""

    def text(self) -> str:
        """A minimal SDP with the same meaning, built from checked values only."""
        lines = [
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {self.mid}",
            f"m=audio 9 UDP/TLS/RTP/SAVPF {self.payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{self.mid}",
            f"a={self.direction}",
            "a=rtcp-mux",
            f"a=rtpmap:{self.payload_type} opus/48000/2",
            f"a=fmtp:{self.payload_type} minptime=10;useinbandfec=1",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.pwd}",
            "a=ice-options:trickle",
            f"a=fingerprint:{self.fingerprint}",
            f"a=setup:{self.setup}",
        ]
        if self.level_id:
            lines.append(f"a=extmap:{self.level_id} {LEVEL_URI}")
        if self.ssrc:
            lines.append(f"a=ssrc:{self.ssrc} cname:hustings")
        lines += [f"a={candidate}" for candidate in self.candidates]
        return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickle fragment (RFC 8840 section 9). `ufrag` and `pwd` are "" where it does not name them."""

    ufrag: str
    pwd: str
    mid: str
    candidates: tuple[str, ...]
    complete: bool
    """a=end-of-candidates was there."""


def read_offer(text: str, kind: Kind) -> Session:
    """Checks an offer for WHIP (`ingest`) or WHEP (`egress`).

    Raises Refused: 413 too long, 400 not a WebRTC offer, 422 one that we cannot serve.
    """
    session = _read(text)
    if kind == "ingest" and session.direction not in ("sendonly", "sendrecv"):
        raise _unservable(
            f"a speaker's offer must be sendonly or sendrecv, not {session.direction}", "m=audio"
        )
    if kind == "egress" and session.direction not in ("recvonly", "sendrecv"):
        raise _unservable(f"a listener's offer must be recvonly, not {session.direction}", "m=audio")
    if kind == "egress":
        # draft-ietf-wish-whep: the answer is sendonly; a listener's microphone is not wanted.
        session = replace(session, direction="recvonly", ssrc=0)
    return session


def read_answer(text: str) -> Session:
    """Checks an answer, for clients. Raises Refused as `read_offer`."""
    session = _read(text)
    if session.setup == "actpass":
        raise _malformed("an answer must choose setup:active or passive (RFC 8842 5.3)", "a=setup")
    return session


def read_fragment(text: str) -> Fragment:
    """Checks a trickle fragment; raises Refused (413, 400)."""
    lines = _lines(text)
    mid = _first(lines, "a=mid:")
    if mid and not _TOKEN.fullmatch(mid):
        raise _malformed("the mid is no token", "a=mid")
    ufrag, pwd = _first(lines, "a=ice-ufrag:"), _first(lines, "a=ice-pwd:")
    if (ufrag and not _UFRAG.fullmatch(ufrag)) or (pwd and not _PWD.fullmatch(pwd)):
        raise _malformed("ice-ufrag or ice-pwd does not follow RFC 8839 5.4", "a=ice-ufrag")
    return Fragment(ufrag, pwd, mid, _candidates(lines), "a=end-of-candidates" in lines)


def with_candidates(answer: str, addresses: tuple[str, ...], port: int) -> str:
    """Our answer with a host candidate for each public address before the candidates it has (NAT 1:1)."""
    lines = answer.splitlines()
    at = next((i for i, line in enumerate(lines) if line.startswith("a=candidate:")), len(lines))
    # RFC 8445 5.1.2.1: host type preference 126, component 1; the first address is preferred.
    own = [
        f"a=candidate:public{n} 1 UDP {126 << 24 | (65535 - n) << 8 | 255} {address} {port} typ host"
        for n, address in enumerate(addresses)
    ]
    return "\r\n".join(lines[:at] + own + lines[at:]) + "\r\n"


def with_relay_door(answer: str, port: int) -> str:
    """Our answer with a second candidate for each IPv4 address, at the relay door's `port`, less wanted than
    all others (relay_door.py)."""
    lines = answer.splitlines()
    last = max((n for n, line in enumerate(lines) if line.startswith("a=candidate:")), default=-1)
    more = []
    for line in lines:
        match line.split(" "):
            case [name, component, transport, priority, address, _, *rest] if (
                name.startswith("a=candidate:") and "." in address
            ):
                low = int(priority) - (1 << 24)
                more.append(f"{name}r {component} {transport} {low} {address} {port} {' '.join(rest)}")
    return "\r\n".join(lines[: last + 1] + more + lines[last + 1 :]) + "\r\n"


def _malformed(detail: str, where: str = "") -> Refused:
    return Refused(400, "Not a WebRTC offer", detail, where)


def _unservable(detail: str, where: str = "") -> Refused:
    return Refused(422, "This offer cannot be served", detail, where)


def _lines(text: str) -> list[str]:
    if len(text) > MAX_BYTES:
        raise Refused(413, "Offer too long", f"at most {MAX_BYTES} bytes are read")
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    if len(lines) > MAX_LINES:
        raise Refused(413, "Offer too long", f"at most {MAX_LINES} lines are read")
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):
            raise _malformed("this line is no SDP (RFC 8866 section 5)", f"line {number}")
    return lines


def _read(text: str) -> Session:
    lines = _lines(text)
    if lines[0] != "v=0":
        raise _malformed("SDP begins with v=0 (RFC 8866 5.1)", "line 1")
    starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise _unservable("there is no m= line; offer one audio stream", "m=")
    kinds = [lines[i][2:].split(" ", 1)[0] for i in starts]
    if "audio" not in kinds:
        raise _unservable(f"there is no audio, only {_list(kinds)}", f"m={kinds[0]}"[:40])
    if len(starts) > 1:
        raise _unservable(f"one audio stream is served, not {_list(kinds)}", f"line {starts[1] + 1}")
    head, media = lines[: starts[0]], lines[starts[0] :]
    payload_type = _opus(media)
    ufrag, pwd = _ice(head, media)
    mid = _first(media, "a=mid:") or "0"
    if not _TOKEN.fullmatch(mid):
        raise _malformed("the mid is no token of at most 32 characters (RFC 5888)", "a=mid")
    if "a=rtcp-mux" not in media:
        raise _unservable("rtcp-mux is required (RFC 9725 section 4.2)", "a=rtcp-mux")
    return Session(
        mid=mid,
        direction=_direction(head, media),
        payload_type=payload_type,
        ufrag=ufrag,
        pwd=pwd,
        fingerprint=_fingerprint(head, media),
        setup=_setup(head, media),
        level_id=_level_id(head + media),
        ssrc=_ssrc(media),
        candidates=_candidates(head + media),
        ptime=_milliseconds(media, "a=ptime:"),
        max_ptime=_milliseconds(media, "a=maxptime:"),
    )


def _list(kinds: list[str]) -> str:
    return ", ".join(kind[:16] for kind in kinds[:4]) + (" ..." if len(kinds) > 4 else "")


def _first(lines: list[str], prefix: str) -> str:
    return next((line[len(prefix) :].strip() for line in lines if line.startswith(prefix)), "")


def _direction(head: list[str], media: list[str]) -> Direction:
    """RFC 8866 6.7: media level before session level, sendrecv where neither says."""
    for lines in (media, head):
        for line in lines:
            for direction in _DIRECTIONS:
                if line == f"a={direction}":
                    return direction
    return "sendrecv"


def _opus(media: list[str]) -> int:
    fields = media[0][2:].split(" ")
    if len(fields) < 4 or len(fields) > 100:
        raise _malformed("the m= line needs port, protocol and formats (RFC 8866 5.14)", "m=audio")
    if fields[1] == "0":
        raise _unservable("the audio stream is rejected (port 0)", "m=audio")
    if "SAVP" not in fields[2] or "TLS" not in fields[2]:
        raise _unservable("audio must be UDP/TLS/RTP/SAVPF (RFC 8827)", "m=audio")
    for line in media:
        match = _OPUS.fullmatch(line.removeprefix("a=rtpmap:")) if line.startswith("a=rtpmap:") else None
        if match and match[1] in fields[3:] and 0 <= int(match[1]) <= 127 and not 64 <= int(match[1]) <= 95:
            return int(match[1])
    raise _unservable("Opus (opus/48000/2, RFC 7587) is not among the codecs", "a=rtpmap")


def _ice(head: list[str], media: list[str]) -> tuple[str, str]:
    ufrag = _first(media, "a=ice-ufrag:") or _first(head, "a=ice-ufrag:")
    pwd = _first(media, "a=ice-pwd:") or _first(head, "a=ice-pwd:")
    if not _UFRAG.fullmatch(ufrag):
        raise _malformed("a=ice-ufrag is missing or does not follow RFC 8839 5.4", "a=ice-ufrag")
    if not _PWD.fullmatch(pwd):
        raise _malformed("a=ice-pwd is missing or does not follow RFC 8839 5.4", "a=ice-pwd")
    return ufrag, pwd


def _setup(head: list[str], media: list[str]) -> Setup:
    match _first(media, "a=setup:") or _first(head, "a=setup:"):
        case ("actpass" | "active" | "passive") as setup:
            return setup
        case _:
            raise _malformed("a=setup must be actpass, active or passive (RFC 8842)", "a=setup")


def _fingerprint(head: list[str], media: list[str]) -> str:
    for lines in (media, head):
        for line in lines:
            if not line.startswith("a=fingerprint:"):
                continue
            algorithm, _, value = line.removeprefix("a=fingerprint:").strip().partition(" ")
            size = _DIGEST_BYTES.get(algorithm.lower())
            if size and len(value) == 3 * size - 1 and _HEX_PAIRS.fullmatch(value):
                return f"{algorithm.lower()} {value.upper()}"
    raise _malformed("a=fingerprint with sha-256, sha-384 or sha-512 is missing (RFC 8122)", "a=fingerprint")


def _level_id(lines: list[str]) -> int:
    for line in lines:
        match = _EXTMAP.fullmatch(line.removeprefix("a=extmap:")) if line.startswith("a=extmap:") else None
        if match and match[2] == LEVEL_URI and 1 <= int(match[1]) <= 14:
            return int(match[1])
    return 0


def _ssrc(media: list[str]) -> int:
    number = _first(media, "a=ssrc:").partition(" ")[0]
    return int(number) if re.fullmatch(r"[0-9]{1,10}", number) and int(number) < 1 << 32 else 0


def _milliseconds(media: list[str], name: str) -> int:
    """What cannot be is not said."""
    number = _first(media, name)
    return int(number) if re.fullmatch(r"[0-9]{1,4}", number) else 0


def _candidates(lines: list[str]) -> tuple[str, ...]:
    """UDP candidates with literal unicast addresses, written anew. Names (mDNS) and TCP are left out:
    nothing of an offer is looked up in the DNS, and the browser finds us by our own candidates."""
    kept: list[str] = []
    for line in lines:
        match = _CANDIDATE.fullmatch(line[2:]) if line.startswith("a=candidate:") else None
        if match is None or match[2] != "1" or match[3].upper() != "UDP":
            continue
        try:
            address = ipaddress.ip_address(match[5])
        except ValueError:
            continue
        port, priority = int(match[6]), int(match[4])
        if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
            continue
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
            continue
        if not 1 <= port <= 65535 or not 1 <= priority < 1 << 31:
            continue
        candidate = f"candidate:{match[1]} 1 UDP {priority} {address} {port} typ {match[7]}"
        if candidate not in kept:
            kept.append(candidate)
        if len(kept) == MAX_CANDIDATES:
            break
    return tuple(kept)
