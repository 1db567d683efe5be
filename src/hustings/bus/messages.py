"""What travels on the bus: MessagePack structs, decoded strictly.

Times: `media_time` and `duration` are 48 kHz samples since the broadcast began (went live);
`wall_clock` is Unix time in seconds. Fields may be added with a default; see subjects.py.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

type Codec = Literal["opus", "aac"]
CODECS: tuple[Codec, ...] = ("opus", "aac")

type RoomStatus = Literal["scheduled", "open", "live", "paused", "ended"]
type Role = Literal["host", "cohost", "speaker", "listener"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of all messages; the struct's name travels as its tag."""


# --- answers -------------------------------------------------------------------------------------


class Done(Message, frozen=True, kw_only=True):
    """The request was carried out."""


class Refusal(Message, frozen=True, kw_only=True):
    """The request was not carried out; `errors.Refused` on the other side."""

    status: int
    title: str
    detail: str = ""
    where: str = ""


# --- studio -> stage -----------------------------------------------------------------------------


class OpenBroadcast(Message, frozen=True, kw_only=True):
    """Doors open: speakers may connect and hear each other. Repeating it changes nothing.

    `live_since` is set when a restarted stage takes up a broadcast that is already live; media_time
    then continues at (now - live_since). `epoch` counts those restarts, from 0.
    """

    broadcast_id: str
    slug: str
    epoch: int = 0
    live_since: float | None = None
    levelling: bool = True
    max_voices: int = 13


class GoLive(Message, frozen=True, kw_only=True):
    """Program output begins; `live_since` is the wall clock of media_time 0."""

    broadcast_id: str
    live_since: float


class StopBroadcast(Message, frozen=True, kw_only=True):
    broadcast_id: str
    reason: str = "ended"


class SessionOffer(Message, frozen=True, kw_only=True):
    """A WHIP (`ingest`) or WHEP (`egress`) offer. A second ingest session of one participant
    replaces the first at once; the seat's mute state stays."""

    broadcast_id: str
    kind: Literal["ingest", "egress"]
    sdp: str
    participant_id: str = ""
    name: str = ""
    role: Role = "listener"
    muted: bool = False


class SessionAnswer(Message, frozen=True, kw_only=True):
    session_id: str
    sdp: str
    etag: str


class SessionTrickle(Message, frozen=True, kw_only=True):
    """PATCH with application/trickle-ice-sdpfrag (RFC 8840). `etag` is what If-Match named, or ""."""

    session_id: str
    fragment: str
    etag: str = ""


class SessionDelete(Message, frozen=True, kw_only=True):
    """Ends one session."""

    session_id: str


class MuteParticipant(Message, frozen=True, kw_only=True):
    """Server-side mute of a seat, kept over reconnects."""

    broadcast_id: str
    participant_id: str
    muted: bool


# --- stage -> everybody --------------------------------------------------------------------------


class StageHello(Message, frozen=True, kw_only=True):
    stage_id: str


class SeatReport(Message, frozen=True, kw_only=True):
    """One participant on the stage, as measured."""

    participant_id: str
    name: str
    role: Role
    connected: bool
    muted: bool
    speaking: bool
    level_dbov: float
    """Level of the last second's loudest frame, dBov (RFC 6464): 0 loudest, -127 silence."""
    talked_seconds: float
    packets_received: int
    frames_concealed: int
    playout_delay_ms: float


class StageReport(Message, frozen=True, kw_only=True):
    broadcast_id: str
    slug: str
    stage_id: str
    live: bool
    media_time: int
    seats: list[SeatReport]
    egress_sessions: int = 0
    ticks: int = 0
    ticks_late: int = 0
    """Ticks that began more than 5 ms after their time."""


class MediaChunk(Message, frozen=True, kw_only=True):
    """One CMAF chunk (moof+mdat), 200 ms. `seq` = media_time of its slot // 9600 on the broadcast's
    timeline, so it also names part (seq // 3) and segment (cmaf.timeline)."""

    broadcast_id: str
    codec: Codec
    seq: int
    epoch: int
    media_time: int
    """Decode time of the first sample, 48 kHz."""
    duration: int
    wall_clock: float
    """When the first sample left the mixer."""
    data: bytes


class TimedEvent(Message, frozen=True, kw_only=True):
    """Something that happened, at a media_time. `kind`: speaking, muted, joined, left, title ..."""

    broadcast_id: str
    seq: int
    media_time: int
    wall_clock: float
    kind: str
    data: dict[str, Any]


# --- edge -> stage -------------------------------------------------------------------------------


class WindowRequest(Message, frozen=True, kw_only=True):
    """All chunks of one codec the stage still has with seq > after_seq, oldest first, as many as fit."""

    broadcast_id: str
    codec: Codec
    after_seq: int = -1
    max_bytes: int = 512 * 1024


class Window(Message, frozen=True, kw_only=True):
    init: bytes
    chunks: list[MediaChunk]
    last_seq: int
    """The newest the stage has, -1 when there is none: ask again while the chunks do not reach it."""


# --- studio -> edges -----------------------------------------------------------------------------


class Page(Message, frozen=True, kw_only=True):
    """Bytes to serve as they are."""

    content_type: str
    body: bytes


class RoomPublic(Message, frozen=True, kw_only=True):
    """All an edge needs to know of a room. `version` only grows; an edge ignores older ones.

    `pages` keys: "page.de", "page.en" (the room's page by language), "state.json". The room with
    the slug "" holds the list of rooms ("page.de", "page.en").
    """

    slug: str
    version: int
    status: RoomStatus
    broadcast_id: str
    """The current or last broadcast; "" when there was none."""
    pages: dict[str, Page]


class RoomsSnapshotRequest(Message, frozen=True, kw_only=True):
    """Rooms after `after_slug` in order of their slugs, as many as fit."""

    after_slug: str = ""
    first: bool = True


class RoomsSnapshot(Message, frozen=True, kw_only=True):
    rooms: list[RoomPublic]
    more: bool


# --- edge -> studio ------------------------------------------------------------------------------


class AudienceReport(Message, frozen=True, kw_only=True):
    """How many are being delivered sound right now, by slug and door (push, hls, stream)."""

    edge_id: str
    wall_clock: float
    listening: dict[str, dict[str, int]]


# --- every role -> supervisor --------------------------------------------------------------------


class RoleReady(Message, frozen=True, kw_only=True):
    role: str
    pid: int
    address: str = ""


class RoleMetrics(Message, frozen=True, kw_only=True):
    """The role's own metrics in Prometheus text format."""

    role: str
    pid: int
    text: str


def encode(message: Message) -> bytes:
    """MessagePack bytes."""
    return _encoder.encode(message)


_encoder = msgspec.msgpack.Encoder()
