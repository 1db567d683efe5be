"""What the page templates are given. The templates (studio/templates) are written against this file.

Every template gets three names:

    page: PageContext      language, translation, addresses of assets
    room: RoomView         (room.html, console.html; in error.html only when the room is known)
    and the page's own one: rooms (rooms.html), speaker (console.html), problem (error.html)

| template      | served at                                   | names                     |
|---------------|---------------------------------------------|---------------------------|
| room.html     | audience door /r/{slug}                     | page, room, state_json    |
| clip.html     | audience door /r/{slug}/clip/... (its marks are filled there) | page, room, mark, embed |
| replay.html   | audience door /r/{slug}/replay/, .../{broadcast}/ (filled there) | page, room, mark, each |
| record.html   | audience door /r/{slug}/record              | page, room, record        |
| recordings.html | audience door /r/{slug}/recordings (filled there) | page, room, mark, each |
| audience.html | audience door /r/{slug}/audience            | page, room, hosts         |
|               | studio door /rooms/{slug}/audience          | ... and account, proof    |
| rooms.html    | audience door /                             | page, rooms               |
| console.html  | studio door /s/{slug} (ticket in #fragment) | page, room, speaker, state_json |
| studio.html   | studio door /                               | page, rooms               |
| error.html    | studio door, any page that cannot be shown  | page, problem             |

`state_json` is the text of the room's state.json with `<`, `>` and `&` escaped as \\u003c and so on, marked
safe: put it into `<script type="application/json" id="state">{{ state_json }}</script>`. That is data, not
script, so the strict CSP (no inline script) allows it.

All texts are plain `str` and escaped by Jinja (autoescape is on, undefined names are errors). Times are
ISO 8601 in UTC ("2026-11-22T20:00:00Z"), or "" when there is none: put them into `<time datetime="...">`
and let the script show the reader's own zone; filter `| clock` gives "20:00 UTC" for readers without
script, `| date` gives "22 Nov 2026" / "22. Nov. 2026" by language (both need `page.lang`:
`{{ room.started_at | date(page.lang) }}`), `| duration` gives "1 h 58 min" for seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hustings.archive.about import About

type Lang = Literal["de", "en"]
LANGS: tuple[Lang, ...] = ("de", "en")

type Status = Literal["scheduled", "open", "live", "paused", "ended", "cancelled"]
type InvitationState = Literal["offered", "seen", "accepted", "declined", "withdrawn", "expired"]
type SeatRole = Literal["host", "cohost", "speaker", "listener"]


class Translate(Protocol):
    """`t("room.live_since", time="20:00")` from web/i18n/{lang}.json: one flat object, key -> text with
    `{name}` places. `t.n("room.listening", 3)` takes "room.listening.one" or "room.listening.other" and
    fills `{n}`. An unknown key is an error (a test compares catalogues and templates)."""

    def __call__(self, key: str, **places: object) -> str: ...

    def n(self, key: str, count: int, **places: object) -> str: ...


@dataclass(frozen=True, slots=True)
class PageContext:
    """The same on every page."""

    lang: Lang
    t: Translate
    asset: Callable[[str], str]
    """asset("js/player.js") -> "/static/js/player.js?v=1a2b3c4d" (cached for a year). The hash in ?v= is
    over ALL of web/, so that a module's own imports may use relative paths without ?v=."""
    languages: tuple[tuple[Lang, str], ...] = (("de", "?lang=de"), ("en", "?lang=en"))
    """All languages with the link that switches this page to them."""
    home: str = "/"
    version: str = ""
    """Of Hustings, for the footer."""


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """Somebody with a seat on the stage."""

    id: str
    name: str
    role: SeatRole
    connected: bool = False
    speaking: bool = False
    muted: bool = False
    """Muted for any reason: by himself or by a host."""
    muted_by_host: bool = False
    talked_seconds: float = 0.0
    clock_until: str = ""
    """When this speaker's clock runs out, ISO 8601 UTC; "" without one."""


@dataclass(frozen=True, slots=True)
class InvitationView:
    """A public invitation: also a seat, drawn dashed, with its answer in words."""

    name: str
    role: SeatRole
    state: InvitationState
    since: str
    """When it came into this state, ISO 8601 UTC."""
    id: str = ""
    word: str = ""
    """What the invited wants everybody to read beside the answer."""
    proposed_at: str = ""
    """Another time the invited proposes."""


@dataclass(frozen=True, slots=True)
class TopicView:
    """A point of the agenda."""

    id: str
    title: str
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class ChapterView:
    """A topic begun while live."""

    title: str
    at: str
    media_time: float
    """Seconds since the broadcast went live."""


@dataclass(frozen=True, slots=True)
class PinnedView:
    """An address the host pinned. Only http and https: checked where it came in."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class HandsView:
    """Requests to speak, by number only: a name is the hosts' business until its owner is on the stage."""

    open: bool = False
    queue: tuple[str, ...] = ()
    """request_id of all who wait, next first."""
    called: tuple[str, ...] = ()
    """... of all who were brought up and have not come yet."""


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A listener's question that everybody may read."""

    id: str
    text: str
    name: str
    votes: int
    state: Literal["open", "chosen", "answered"]
    asked_at: str


@dataclass(frozen=True, slots=True)
class QuestionsView:
    """Questions of the audience: chosen first, then by votes; the first 50."""

    open: bool = False
    moderated: bool = False
    asked: int = 0
    """All that were ever asked in this broadcast, those that are not shown included."""
    list: tuple[QuestionView, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingView:
    """What the hosts have decided about what is on air; whether it works is theirs to see."""

    state: Literal["on", "off_record", "off"]
    since: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """Something that went wrong while a broadcast was on; `what` as in docs/api.md."""

    at: str
    what: str


@dataclass(frozen=True, slots=True)
class StartView:
    """How a broadcast began, or is to begin. Times are ISO 8601 UTC, those that were measured to the
    millisecond; "" when not (yet)."""

    planned_at: str = ""
    doors_due: str = ""
    """When doors open by themselves."""
    live_due: str = ""
    """When it goes live by itself."""
    opened_at: str = ""
    speaker_at: str = ""
    """When the first speaker was connected on the stage."""
    live_at: str = ""
    sound_at: str = ""
    """When the first sound left an edge."""
    late_seconds: float | None = None
    """`live_at` less `planned_at`."""
    incidents: tuple[IncidentView, ...] = ()


@dataclass(frozen=True, slots=True)
class SaidView:
    """A statement or correction as it stands in the public record; what it does not have is "" or None.
    `corrections`: of a statement."""

    seq: int
    kind: Literal["statement", "correction"]
    at: str
    who: str = ""
    text: str = ""
    """Several lines of plain text."""
    link: str = ""
    was: str = ""
    now: str = ""
    broadcast: str = ""
    position: int | None = None
    """Seconds of the broadcast."""
    entry: int | None = None
    corrections: tuple[SaidView, ...] = ()


@dataclass(frozen=True, slots=True)
class LinksView:
    """Where the sound is; "" for what does not exist now. Paths of the audience door, but `whep` and
    `whip` are absolute (another door). Always: page, state, embed, whip, record; from doors open also live;
    while live also the other ways to the sound; with a time planned, calendar; once something was asked,
    questions_log; once a broadcast was recorded, replay; where the
    audience door's address is known, feed (its podcast) and feed_host (that of all rooms of its owner)."""

    page: str = ""
    state: str = ""
    live: str = ""
    hls: str = ""
    stream_ogg: str = ""
    stream_aac: str = ""
    whep: str = ""
    whip: str = ""
    calendar: str = ""
    embed: str = ""
    audience: str = ""
    questions_log: str = ""
    replay: str = ""
    feed: str = ""
    feed_host: str = ""
    start: str = ""
    record: str = ""
    hold: str = ""


@dataclass(frozen=True, slots=True)
class RoomView:
    """What everybody may know of a room: the same facts as state.json."""

    slug: str
    title: str
    status: Status
    scheduled_at: str = ""
    opened_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    broadcast: str = ""
    """Identifier of the current or last broadcast, or ""."""
    duration_seconds: float = 0.0
    """Of an ended broadcast; 0 otherwise."""
    figures: str = "all"
    """Who sees the audience figures (rooms.model.Details)."""
    listeners: int | None = 0
    """None: not for this reader."""
    listeners_by_door: dict[str, int] | None = field(default_factory=dict)
    participants: tuple[ParticipantView, ...] = ()
    invitations: tuple[InvitationView, ...] = ()
    """Public ones that have not become participants."""
    links: LinksView = LinksView()
    audience_url: str = ""
    """Absolute address of the room's page, for OpenGraph and sharing; "" when it is not known."""
    description: str = ""
    """Several lines of plain text."""
    language: str = ""
    """BCP 47, of what is spoken; "" when nobody said."""
    time_zone: str = ""
    """IANA zone the time was planned in; "" means UTC."""
    weekly: bool = False
    cover: str = ""
    """Path of the picture at the audience door; "" without one."""
    topics: tuple[TopicView, ...] = ()
    topic_id: str = ""
    """The topic spoken about now; "" before the first."""
    chapters: tuple[ChapterView, ...] = ()
    pinned: tuple[PinnedView, ...] = ()
    locked: bool = False
    """Nobody new comes on the stage."""
    equal_time: bool = False
    """Whether pages compare talk times."""
    hands: HandsView = HandsView()
    questions: QuestionsView = QuestionsView()
    recording: RecordingView | None = None
    """While on air."""
    replay: About | None = None
    """Its last recording."""
    kept_until: str = ""
    """When the recording will be deleted; "" when nobody has said so."""
    start: StartView | None = None
    """How it began, or is to begin."""
    published: tuple[SaidView, ...] = ()
    """Statements and corrections, newest first; not in state.json."""
    stream: str = ""
    seq: int = 0
    """The last event that is in here; see feed.py."""


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """Addresses (path-absolute, studio door) the console's script needs. The ticket is in the
    address's fragment and must be sent as `Authorization: Bearer <ticket>`, never in an address.

    api:     base of the room's API, see docs/api.md.
    whip:    WHIP, RFC 9725. 409 problem+json while doors are closed (try again when the events say open).
    events:  WebSocket, see docs/api.md; the page's side is js/room_events.js.
    """

    api: str
    whip: str
    events: str


@dataclass(frozen=True, slots=True)
class ProblemView:
    """error.html: what went wrong, in the reader's words."""

    status: int
    title: str
    """Catalogue text error.{status}.title, or error.other.title."""
    detail: str
