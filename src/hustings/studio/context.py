"""What the page templates are given. The templates (studio/templates) are written against this file.

Every template gets three names:

    page: PageContext      language, translation, addresses of assets
    room: RoomView         (room.html, speaker.html; in error.html only when the room is known)
    and the page's own one: rooms (rooms.html), speaker (speaker.html), problem (error.html)

| template      | served at                                   | names                     |
|---------------|---------------------------------------------|---------------------------|
| room.html     | audience door /r/{slug}                     | page, room, state_json    |
| rooms.html    | audience door /                             | page, rooms               |
| speaker.html  | studio door /s/{slug} (ticket in #fragment) | page, room, speaker, state_json |
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

type Lang = Literal["de", "en"]
LANGS: tuple[Lang, ...] = ("de", "en")

type Status = Literal["scheduled", "open", "live", "paused", "ended"]
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


@dataclass(frozen=True, slots=True)
class InvitationView:
    """A public invitation: also a seat, drawn dashed, with its answer in words."""

    name: str
    role: SeatRole
    state: InvitationState
    since: str
    """When it came into this state, ISO 8601 UTC."""


@dataclass(frozen=True, slots=True)
class LinksView:
    """Where the sound is; "" for what does not exist now. Paths of the audience door, but `whep` is
    absolute (another door). From doors open: page, state, live; while live: all."""

    page: str = ""
    state: str = ""
    live: str = ""
    hls: str = ""
    stream_ogg: str = ""
    stream_aac: str = ""
    whep: str = ""


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
    listeners: int = 0
    listeners_by_door: dict[str, int] = field(default_factory=dict)
    participants: tuple[ParticipantView, ...] = ()
    invitations: tuple[InvitationView, ...] = ()
    """Public ones that have not become participants."""
    links: LinksView = LinksView()
    audience_url: str = ""
    """Absolute address of the room's page, for OpenGraph and sharing; "" when it is not known."""


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """Addresses (path-absolute, studio door) the speaker page's script needs. The ticket is in the
    address's fragment and must be sent as `Authorization: Bearer <ticket>`, never in an address.

    me:      POST {} -> 200 {id, name, role, invitation, muted, muted_by_host}; marks the invitation as
             seen. 401 when the ticket is unknown or no longer good.
    answer:  POST {"answer": "accepted" | "declined"} -> 200, as `me`. Connecting by WHIP also accepts.
    mute:    POST {"muted": true|false} -> 200, as `me`.
    whip:    WHIP, RFC 9725. 409 problem+json while doors are closed (try again when the events say open).
    events:  WebSocket; first message {"ticket": "..."}; then {"type": "state", "state": <as state.json>,
             "me": <as me>} on connect and on change, {"type": "ping"} every 15 s; nothing to answer.
             Close codes: 4401 ticket unknown, 4404 room unknown, 1013 too many sockets, try later.
    """

    me: str
    answer: str
    mute: str
    whip: str
    events: str


@dataclass(frozen=True, slots=True)
class ProblemView:
    """error.html: what went wrong, in the reader's words."""

    status: int
    title: str
    """Catalogue text error.{status}.title, or error.other.title."""
    detail: str
