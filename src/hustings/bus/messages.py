"""What travels on the bus: MessagePack structs, decoded strictly.

Times: `media_time` and `duration` are 48 kHz samples since the broadcast began (went live);
`wall_clock` is Unix time in seconds. Fields may be added with a default; see subjects.py.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

type Codec = Literal["opus", "aac"]
CODECS: tuple[Codec, ...] = ("opus", "aac")

type RoomStatus = Literal["scheduled", "open", "live", "paused", "ended", "cancelled"]
type Place = Literal["stage", "green"]
type Role = Literal["host", "cohost", "speaker", "listener"]
type Way = Literal["webrtc", "socket"]
type InputKind = Literal["hand", "reaction", "question", "vote"]
type RecordingState = Literal["off", "on", "off_record", "waiting", "failing"]
type ReactionKind = Literal["applause", "heart", "laugh", "surprise", "agree", "disagree"]
REACTIONS: tuple[ReactionKind, ...] = ("applause", "heart", "laugh", "surprise", "agree", "disagree")


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
    """Doors open: speakers may connect and hear each other; may be repeated. `live_since` is set when a
    restarted stage takes up a broadcast that is live: media_time goes on at (now - live_since). `epoch`
    counts those restarts, from 0."""

    broadcast_id: str
    slug: str
    epoch: int = 0
    live_since: float | None = None
    levelling: bool = True
    max_voices: int = 13
    recording: bool = False
    """What is said on air is written. Nobody counts as having agreed before a SetRecording says so."""


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
    place: Place = "stage"
    aside: str = ""
    """See PlaceParticipant."""
    way: Way = "webrtc"
    """`socket`: RTP packets over the bus; no `sdp`, and `returns` says whether the others are to be heard."""
    returns: bool = True
    when_connected: bool = False
    """The seat is taken once the connection stands; until then it is as it was."""


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


class PlaceParticipant(Message, frozen=True, kw_only=True):
    """Where a participant is heard, kept over reconnects. `green`: in the green room, alone with the
    program in his ear. `aside` names who is talked with off air: a host's names the waiting guest, the
    guest's own is the host's; the two hear each other and nobody else hears either. "" ends that."""

    broadcast_id: str
    participant_id: str
    place: Place = "stage"
    aside: str = ""


class RemoveParticipant(Message, frozen=True, kw_only=True):
    """Ends the participant's session and gives the seat up. Nothing there is as good as done."""

    broadcast_id: str
    participant_id: str


class SetRecording(Message, frozen=True, kw_only=True):
    """How the broadcast is recorded from now on; may be repeated. `consents`: the participants who have
    agreed, all of them each time; who is not named any more has taken it back."""

    broadcast_id: str
    on: bool
    off_record: bool = False
    consents: list[str] = []


class AnnounceEvent(Message, frozen=True, kw_only=True):
    """The stage puts this on the timeline as a TimedEvent at its current media_time (a topic begun)."""

    broadcast_id: str
    kind: str
    data: dict[str, Any]


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
    place: Place = "stage"
    aside: str = ""
    loss: float = 0.0
    """Share of packets lost in the last 5 s, 0 to 1."""
    jitter_ms: float = 0.0
    way: Way = "webrtc"


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


class StageLevels(Message, frozen=True, kw_only=True):
    """Five times a second while anybody is connected: level in dBov by participant, green room included."""

    broadcast_id: str
    slug: str
    levels: dict[str, int]


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
    silent: bool = False
    """Nothing in it is louder than -60 dBFS."""


class TimedEvent(Message, frozen=True, kw_only=True):
    """Something that happened, at a media_time. `kind`: speaking, muted, joined, left, title ..."""

    broadcast_id: str
    seq: int
    media_time: int
    wall_clock: float
    kind: str
    data: dict[str, Any]


class RecordingReport(Message, frozen=True, kw_only=True):
    """How the recording stands: once a second per open broadcast, and at once when `state` changes.

    `waiting`: somebody on air has not agreed, so the program's recording holds silence. `failing`: what is
    said is not being written, or not all of it; `problem` says why, in words for the host, else it is "".
    While a second path is written to, `state` is what it would be, and `problem` says so.
    """

    broadcast_id: str
    slug: str
    state: RecordingState
    since: float
    """Unix seconds since which `state` holds."""
    bytes: int = 0
    """Handed to the disk in this epoch."""
    safe_media_time: int = 0
    """Everything written up to here has been covered by an fsync that succeeded."""
    received: int = 0
    """Packets of all speakers while live, in this epoch; received = written + declared."""
    written: int = 0
    declared: int = 0
    problem: str = ""


class RecordingReady(Message, frozen=True, kw_only=True):
    """`recording.json` is there: the broadcast can be replayed."""

    broadcast_id: str
    slug: str


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

    `pages` keys: "page.de", "page.en" (the room's page by language), "embed.de", "embed.en", "state.json" and
    what else edge.pages knows. The room with the slug "" holds the list of rooms ("page.de", "page.en").
    """

    slug: str
    version: int
    status: RoomStatus
    broadcast_id: str
    """The current or last broadcast; "" when there was none."""
    pages: dict[str, Page]
    accepts: list[InputKind] | None = None
    """What listeners may send now (studio.listeners.accepts); None: by the status, as before this field."""
    stream: str = ""
    seq: int = 0
    """The last RoomEvent that is in state.json."""
    kept: list[str] = []
    """Pages that are as in version `kept_since` and left out here: who has an older version, or none,
    asks for a snapshot. A snapshot leaves out only what the one who asks has said to have."""
    kept_since: int = 0


class RoomEvent(Message, frozen=True, kw_only=True):
    """One change of a room's public state, in order. Who has the state with `stream` and `seq` - 1 gets
    the state with `seq` by putting `changed` in (paths and values, see studio.feed); everybody else fetches
    state.json. `stream` names this studio's run, and a later run's sorts after it; `seq` counts from 1 in it.
    `kind` says what happened, in the words of docs/api.md; `data` what of it is worth telling a person."""

    slug: str
    stream: str
    seq: int
    at: float
    kind: str
    data: dict[str, Any]
    changed: dict[str, Any]


class RoomReactions(Message, frozen=True, kw_only=True):
    """All edges' reactions of the last half second, for the edges to show: kind -> how many."""

    slug: str
    counts: dict[str, int]


class RoomsSnapshotRequest(Message, frozen=True, kw_only=True):
    """Rooms after `after_slug` in order of their slugs, as many as fit."""

    after_slug: str = ""
    first: bool = True
    have: dict[str, int] = {}
    """Versions of rooms after `after_slug` that are there, whole: of these, pages that are as they were then
    are not sent again (RoomPublic.kept). A room that is not in here is sent whole."""


class RoomsSnapshot(Message, frozen=True, kw_only=True):
    rooms: list[RoomPublic]
    more: bool


# --- edge -> studio ------------------------------------------------------------------------------


class AudienceReport(Message, frozen=True, kw_only=True):
    """How many are being delivered sound right now, by slug and door (push, hls, stream)."""

    edge_id: str
    wall_clock: float
    listening: dict[str, dict[str, int]]
    load: Literal["", "widened", "refusing"] = ""
    """What this edge does about its load: batches widened, newcomers refused."""


class FirstSound(Message, frozen=True, kw_only=True):
    """The first chunk of a broadcast that is not silence has left this edge's door at `wall_clock`. Said at
    once and every few seconds while the room is on: the bus may lose one."""

    edge_id: str
    slug: str
    broadcast_id: str
    epoch: int
    media_time: int
    wall_clock: float


class Reactions(Message, frozen=True, kw_only=True):
    """One edge's reactions since the last such message, at most two a second: slug -> kind -> how many. A
    request, answered by Done; not answered: sent again with the same `number`, which is counted once."""

    edge_id: str
    number: int
    counts: dict[str, dict[str, int]]


class ListenerInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one listener sent, checked in form and limited by the edge. `address` (IPv6: /64) and `device`
    go no further than the studio's memory, which makes keyed hashes of them."""

    slug: str
    kind: Literal["hand", "lower", "question", "vote"]
    address: str
    device: str
    wall_clock: float
    name: str = ""
    text: str = ""
    ticket_hash: str = ""
    """hand, lower: SHA-256 (hex) of the ticket the listener's page made; a hand's request_id is its
    first 32 digits. lower: the edge made it from the ticket itself, so only its owner can."""
    question_id: str = ""


class ListenerBatch(Message, frozen=True, kw_only=True):
    """A request, answered by Done, at most ten a second and 200 inputs each; not answered: sent again."""

    edge_id: str
    batch_id: str
    inputs: list[ListenerInput]


# --- studio <-> scribe ---------------------------------------------------------------------------


class JobsDue(Message, frozen=True, kw_only=True):
    """There is a new job of this kind in the database: who does such jobs need not wait for its next look."""

    kind: str


type DownloadKind = Literal["mp3", "m4a", "flac"]
type DownloadState = Literal["waiting", "making", "made", "failed"]


class DownloadReport(Message, frozen=True, kw_only=True):
    """How a file for downloading gets on: at most once a second while it is made, and when `state` changes.

    `waiting`: another try comes later; `failed`: none does. `problem`: why, for the host, else ""."""

    broadcast_id: str
    slug: str
    kind: DownloadKind
    state: DownloadState
    progress: float = 0.0
    """0 to 1."""
    problem: str = ""


class RecordingDeleted(Message, frozen=True, kw_only=True):
    """Of this broadcast's recording there is nothing any more but a tombstone."""

    broadcast_id: str
    slug: str


class RecordingWithheld(Message, frozen=True, kw_only=True):
    """This recording, or edition, is for its hosts only from now on."""

    broadcast_id: str
    slug: str


class EditReport(Message, frozen=True, kw_only=True):
    """How an edition gets on: at most once a second while it is made, and when `state` changes.
    `broadcast_id`: the original's."""

    broadcast_id: str
    slug: str
    edition: str
    state: DownloadState
    progress: float = 0.0
    """0 to 1."""
    problem: str = ""


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


UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder of msgspec raises: text that is not UTF-8 and nesting without end are no MsgspecError."""
_encoder = msgspec.msgpack.Encoder()
