"""The hosts' pages: their rooms, a new room, one room. People log in for them; programs use the API."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from hustings.audience.countries import AT_LEAST
from hustings.errors import Refused
from hustings.ids import is_broadcast_id, is_slug
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Details, Invitation, Room
from hustings.rooms.table import InvitationState, RoomStatus
from hustings.store.account_records import Account
from hustings.studio import public, schedule
from hustings.studio.answers import problems
from hustings.studio.api_state import request_base
from hustings.studio.audience_api import get_audience
from hustings.studio.auth import Actor, TheStudio, get_accounts, of_session
from hustings.studio.context import Lang, RoomView
from hustings.studio.i18n import choose_language
from hustings.studio.middleware import CSP
from hustings.studio.passes import with_pass
from hustings.studio.renderer import Renderer
from hustings.studio.service import Studio
from hustings.studio.text import utc

router = APIRouter()

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]{1,260}")
PAST = 50
"""Rooms that are over, shown on the first page; the others are found by their address."""
LANGUAGES: tuple[tuple[str, str], ...] = (
    *(("ar", "العربية"), ("bg", "Български"), ("cs", "Čeština"), ("da", "Dansk"), ("de", "Deutsch")),
    *(("el", "Ελληνικά"), ("en", "English"), ("es", "Español"), ("et", "Eesti"), ("fa", "فارسی")),
    *(("fi", "Suomi"), ("fr", "Français"), ("he", "עברית"), ("hi", "हिन्दी"), ("hr", "Hrvatski")),
    *(("hu", "Magyar"), ("it", "Italiano"), ("ja", "日本語"), ("ko", "한국어"), ("lt", "Lietuvių")),
    *(("lv", "Latviešu"), ("nb", "Norsk"), ("nl", "Nederlands"), ("pl", "Polski"), ("pt", "Português")),
    *(("ro", "Română"), ("ru", "Русский"), ("sk", "Slovenčina"), ("sl", "Slovenščina"), ("sv", "Svenska")),
    *(("tr", "Türkçe"), ("uk", "Українська"), ("zh", "中文")),
)
"""Offered for what is spoken, each in its own words; the API takes any BCP 47 tag."""
TURNS: tuple[int, ...] = (30, 60, 90, 120, 180, 300, 600)
"""Seconds offered for a turn."""
DOORS = (0, 5, 10, 15, 30, 60)
"""Minutes before the time at which doors may open by themselves."""
KEEPS: tuple[int, ...] = (7, 14, 30, 90, 180, 365, 1095)
"""Days offered for keeping recordings."""


@dataclass(frozen=True, slots=True)
class Row:
    """A room in the list."""

    view: RoomView
    invited: int
    """Invitations of people that still hold, without the hosts' own."""
    accepted: int
    waiting: int
    """Invitations nobody has answered."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the form is filled with."""

    details: Details
    date: str = ""
    """As <input type=date> has it, on the clocks of `zone`; "" without a date."""
    time: str = ""
    zone: str = ""
    """"": the browser's own."""
    languages: tuple[tuple[str, str], ...] = LANGUAGES
    zones: tuple[str, ...] = ()
    turns: tuple[int, ...] = TURNS
    keeps: tuple[int, ...] = KEEPS
    keep_bound: int = 0
    """Days the server keeps recordings at most; 0: no bound."""
    doors: tuple[int, ...] = DOORS
    cover: str = ""
    """Address of the small picture; "" without one."""


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation as its host sees it."""

    id: str
    name: str
    role: str
    public: bool
    state: str
    since: str
    word: str
    proposed_at: str
    expires_at: str
    holds: bool
    """Whether a link would still work."""


async def visitor(request: Request) -> tuple[Actor, Account] | None:
    """Who is logged in with this browser."""
    return await of_session(request, get_accounts(request))


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def rooms_page(request: Request, studio: TheStudio) -> Response:
    """The rooms one may conduct: on now, coming, past."""
    found = await visitor(request)
    if found is None:
        return _to_login()
    actor, account = found
    rooms = [room for room in studio.board.rooms() if actor.may_conduct(room)]
    now = [r for r in rooms if r.status in CONNECTABLE]
    ahead = [r for r in rooms if r.status not in CONNECTABLE and _is_ahead(r, studio.clock.wall())]
    past = [r for r in rooms if r not in now and r not in ahead]
    return _html(
        request,
        "studio.html",
        account=account,
        now=[_row(studio, room, request) for room in sorted(now, key=_opened, reverse=True)],
        ahead=[_row(studio, room, request) for room in sorted(ahead, key=_begins)],
        past=[_row(studio, room, request) for room in sorted(past, key=_opened, reverse=True)[:PAST]],
    )


@router.api_route("/rooms/new", methods=["GET", "HEAD"], include_in_schema=False)
async def new_room_page(request: Request, studio: TheStudio) -> Response:
    """An empty form; the green room is on here, while the API's default is off."""
    found = await visitor(request)
    if found is None:
        return _to_login()
    title = request.query_params.get("title", "")[:140]
    bound = studio.board.keep_days
    details = Details(title=title, green_room=True, language=_lang(request))
    sheet = Sheet(details, zones=schedule.zones(), keeps=_keeps(None, bound), keep_bound=bound)
    return _html(request, "room_new.html", account=found[1], sheet=sheet)


@router.api_route("/rooms/{slug}", methods=["GET", "HEAD"], include_in_schema=False)
async def room_page(slug: str, request: Request, studio: TheStudio) -> Response:
    """One room: everything that can be said about it, and who is invited."""
    found = await _conducted(slug, request, studio)
    if isinstance(found, Response):
        return found
    account, room = found
    return _html(
        request,
        "room_manage.html",
        account=account,
        room=_view(studio, room, request),
        sheet=_sheet(room, studio.board.keep_days),
        invitations=[_invitation_row(each) for each in _people(room)],
        public_page=with_pass(studio, studio.urls.room(room.slug, request_base(request))),
        on=room.status in CONNECTABLE,
        calendar=room.details.scheduled_at is not None,
    )


@router.api_route("/rooms/{slug}/recordings/{broadcast}", methods=["GET", "HEAD"], include_in_schema=False)
async def edit_page(slug: str, broadcast: str, request: Request, studio: TheStudio) -> Response:
    """Editing a recording. What there is of it the page asks the API."""
    found = await _conducted(slug, request, studio)
    if isinstance(found, Response):
        return found
    account, room = found
    if not is_broadcast_id(broadcast):
        return _html(request, "error.html", 404)
    view = _view(studio, room, request)
    return _html(request, "edit.html", account=account, room=view, broadcast=broadcast)


@router.api_route("/rooms/{slug}/audience", methods=["GET", "HEAD"], include_in_schema=False)
async def audience_page(slug: str, request: Request, studio: TheStudio) -> Response:
    """Who listened, for hosts. The figures its script asks the API for."""
    found = await _conducted(slug, request, studio)
    if isinstance(found, Response):
        return found
    account, room = found
    view = _view(studio, room, request)
    proof = get_audience(request).proves(slug)
    more = {"hosts": True, "proof": proof, "at_least": AT_LEAST}
    answer = _html(request, "audience.html", account=account, room=view, **more)
    # Chapters, speakers and earlier minutes are at the audience's door, where they are for everybody.
    door = studio.urls.audience(request_base(request))
    if _ORIGIN.fullmatch(door):  # of the request's Host, where no setting says it
        policy = CSP.replace("connect-src 'self'", f"connect-src 'self' {door}")
        answer.headers["Content-Security-Policy"] = policy
    return answer


class LocalTime(BaseModel):
    """A local time found in UTC."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-03-29T01:30:00Z",
                    "local": "2026-03-29T03:30",
                    "offset": "+02:00",
                    "moved": True,
                }
            ]
        }
    )
    at: str
    """ISO 8601, UTC."""
    local: str
    """What the clocks in the zone show then."""
    offset: str
    moved: bool
    """Whether the time asked for is one the clocks skip, so that this is a later one."""


@router.get("/api/times", response_model=LocalTime, responses=problems(422))
async def local_time(
    local: Annotated[str, Query(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$", description="2026-03-29T02:30")],
    zone: Annotated[str, Query(min_length=1, max_length=64, description="IANA name")],
) -> LocalTime:
    """A local time in a zone as a moment. One that the clocks skip is moved forward; of one that they show
    twice the first is meant."""
    try:
        moment = schedule.to_utc(datetime.fromisoformat(local), zone)
        shown = schedule.to_local(moment.at, zone)
    except ValueError as error:
        where = "query: zone" if "zone" in str(error) else "query: local"
        raise Refused(422, "No such time", str(error), where=where) from None
    return LocalTime(
        at=utc(moment.at), local=f"{shown:%Y-%m-%dT%H:%M}", offset=f"{shown:%:z}", moved=moment.moved
    )


async def _conducted(slug: str, request: Request, studio: Studio) -> tuple[Account, Room] | Response:
    """Who asks, and his room; or what he is told instead."""
    found = await visitor(request)
    if found is None:
        return _to_login()
    actor, account = found
    room = studio.board.room(slug) if is_slug(slug) else None
    if room is None or not actor.may_conduct(room):
        # Whether a room of somebody else's is there is told at the audience door, not here.
        return _html(request, "error.html", 404)
    return account, room


def _view(studio: Studio, room: Room, request: Request) -> RoomView:
    now, base = studio.clock.monotonic(), request_base(request)
    return public.room_view(room, studio.board, studio.urls, now, base, hosts=True)


def _row(studio: Studio, room: Room, request: Request) -> Row:
    view = _view(studio, room, request)
    states = Counter(each.state for each in _people(room))
    accepted = states[InvitationState.ACCEPTED]
    waiting = states[InvitationState.OFFERED] + states[InvitationState.SEEN]
    return Row(view, accepted + waiting + states[InvitationState.DECLINED], accepted, waiting)


def _people(room: Room) -> list[Invitation]:
    """Invitations of others: not the hosts' own seats, and nobody who only raised a hand."""
    return [each for each in room.invitations.values() if not each.account_id and not each.request_id]


def _keeps(chosen: int | None, bound: int) -> tuple[int, ...]:
    """What is offered: no more than the server keeps, and what was chosen before."""
    offered = {days for days in KEEPS if not bound or days <= bound}
    return tuple(sorted(offered | ({chosen} if chosen else set())))


def _sheet(room: Room, bound: int) -> Sheet:
    details = room.details
    zone = details.time_zone or "UTC"
    shown = None if details.scheduled_at is None else schedule.to_local(details.scheduled_at, zone)
    known = schedule.zones()
    languages = LANGUAGES
    if details.language and details.language not in dict(LANGUAGES):
        languages = (*LANGUAGES, (details.language, details.language))
    turns = TURNS
    if details.turn_seconds and details.turn_seconds not in TURNS:
        turns = tuple(sorted((*TURNS, details.turn_seconds)))
    return Sheet(
        details,
        date=f"{shown:%Y-%m-%d}" if shown else "",
        time=f"{shown:%H:%M}" if shown else "",
        zone=zone if shown else details.time_zone,
        languages=languages,
        zones=known if zone in known else (zone, *known),
        turns=turns,
        keeps=_keeps(details.keep_days, bound),
        keep_bound=bound,
        doors=tuple(sorted({*DOORS, details.doors_minutes})),
        cover=f"/covers/{details.cover}-small.webp" if details.cover else "",
    )


def _invitation_row(each: Invitation) -> InvitationRow:
    gone = (InvitationState.WITHDRAWN, InvitationState.EXPIRED)
    return InvitationRow(
        id=each.id,
        name=each.name,
        role=each.role.value,
        public=each.public,
        state=each.state.value,
        since=utc(each.changed_at),
        word=each.word,
        proposed_at=utc(each.proposed_at),
        expires_at=utc(each.expires_at),
        holds=each.state not in gone,
    )


def _is_ahead(room: Room, wall: float) -> bool:
    """Scheduled, or an ended weekly one with its next date; one cancelled, until its date is over."""
    at = room.details.scheduled_at
    if room.status is RoomStatus.SCHEDULED:
        return True
    return at is not None and at > wall


def _begins(room: Room) -> tuple[bool, float, float]:
    return (room.scheduled_at is None, room.scheduled_at or 0.0, room.created_at)


def _opened(room: Room) -> float:
    return room.broadcast.opened_at if room.broadcast else room.created_at


def _to_login() -> Response:
    return RedirectResponse("/login", 303)


def _lang(request: Request) -> Lang:
    return choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))


def _html(request: Request, template: str, status: int = 200, **names: object) -> Response:
    renderer = request.app.state.renderer
    assert isinstance(renderer, Renderer)
    lang = _lang(request)
    body = renderer.page(template, lang, **names) if status == 200 else renderer.error(status, lang)
    return Response(body, status, media_type="text/html; charset=utf-8", headers={"Vary": "Accept-Language"})
