"""The listener's page with made-up rooms and without a server: for tests and quick looks.

`python tests/web/listener_pages.py FOLDER [STATE,...]` photographs the states.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pages_browser import chromium
from playwright.sync_api import Browser, Page, Route

from hustings.edge.http import Request
from hustings.edge.static import StaticFiles
from hustings.studio import public
from hustings.studio.assets import Assets
from hustings.studio.context import (
    ChapterView,
    HandsView,
    InvitationView,
    Lang,
    LinksView,
    ParticipantView,
    PinnedView,
    QuestionsView,
    QuestionView,
    RecordingView,
    RoomView,
    StartView,
    TopicView,
)
from hustings.studio.i18n import load_texts
from hustings.studio.renderer import Renderer

HOME = "http://room.localhost"
"""Below localhost, so that browsers take it for secure and give out a microphone."""
PEOPLE = (
    ParticipantView(
        "a", "Elmstead Radio", "host", connected=True, speaking=True, talked_seconds=702, clock_until=""
    ),
    ParticipantView("b", "Building councillor", "speaker", connected=True, muted=True, talked_seconds=845),
    ParticipantView("c", "أصدقاء المكتبة", "speaker", connected=True, talked_seconds=391),
)
INVITED = (
    InvitationView("Head of finance", "speaker", "offered", "2026-11-14T10:00:00Z", "i1"),
    InvitationView(
        "Mayor Adaeze Okonkwo-Featherstone",
        "speaker",
        "declined",
        "2026-11-15T10:00:00Z",
        "i2",
        "I am at the council meeting that evening; ask me on the 26th.",
        "2026-11-26T19:00:00Z",
    ),
)
CHAPTERS = (
    ChapterView("Why a new library", "2026-11-23T20:00:20Z", 0.0),
    ChapterView("What it costs", "2026-11-23T20:14:00Z", 820.0),
)
QUESTIONS = (
    QuestionView(
        "aaaa1111", "What happens to the old building?", "Ida", 212, "chosen", "2026-11-23T20:05:00Z"
    ),
    QuestionView("bbbb2222", "Will it open on Sundays?", "", 148, "open", "2026-11-23T20:07:00Z"),
    QuestionView("cccc3333", "Who pays if it costs more?", "Karl M.", 97, "answered", "2026-11-23T20:12:00Z"),
)
LINKS = LinksView(
    page="/r/library",
    state="/r/library/state.json",
    embed="/r/library/embed",
    whip="http://studio.test/whip/library",
    calendar="/r/library/calendar.ics",
    start="/r/library/start.json",
)
ON_AIR = replace(
    LINKS,
    live="/r/library/live",
    hls="/r/library/hls/index.m3u8",
    stream_ogg="/r/library/stream.ogg",
    stream_aac="/r/library/stream.aac",
    questions_log="/r/library/questions.json",
)
PLANNED = RoomView(
    slug="library",
    title="One building, fifteen million questions: the new library",
    status="scheduled",
    scheduled_at="2031-12-24T19:00:00Z",
    start=StartView(
        "2031-12-24T19:00:00Z", doors_due="2031-12-24T18:50:00Z", live_due="2031-12-24T19:00:00Z"
    ),
    description="The town asks, the council answers. Two hours, open to everybody.\nAnyone may reply.",
    language="en",
    time_zone="America/New_York",
    weekly=True,
    topics=(
        TopicView("t1", "Why a new library", 15),
        TopicView("t2", "What it costs", 30),
        TopicView("t3", "Questions from the queue"),
    ),
    pinned=(PinnedView("The plans, 48 pages", "https://example.org/plans.pdf"),),
    invitations=INVITED,
    links=LINKS,
    audience_url=f"{HOME}/r/library",
)
START = StartView(
    planned_at="2026-11-23T20:00:00Z",
    opened_at="2026-11-23T19:50:00.012Z",
    speaker_at="2026-11-23T19:52:31.407Z",
    live_at="2026-11-23T20:00:00.008Z",
    sound_at="2026-11-23T20:00:00.391Z",
    late_seconds=0.01,
)
LIVE = replace(
    PLANNED,
    status="live",
    scheduled_at="2026-11-23T20:00:00Z",
    started_at="2026-11-23T20:00:00Z",
    start=START,
    broadcast="b1",
    participants=PEOPLE,
    listeners=1204,
    links=ON_AIR,
    topic_id="t2",
    chapters=CHAPTERS,
    hands=HandsView(open=True),
    questions=QuestionsView(open=True, asked=3, list=QUESTIONS),
    recording=RecordingView("on", "2026-11-23T20:00:20Z"),
)
VIEWS = {
    "scheduled": PLANNED,
    "cancelled": replace(PLANNED, status="cancelled"),
    "open": replace(
        PLANNED,
        status="open",
        participants=PEOPLE,
        links=replace(LINKS, live="/r/library/live"),
        hands=HandsView(open=True),
        questions=QuestionsView(open=True),
    ),
    "live": LIVE,
    "off-record": replace(LIVE, recording=RecordingView("off_record", "2026-11-23T20:20:00Z")),
    "not-recorded": replace(LIVE, recording=RecordingView("off", "2026-11-23T20:00:20Z")),
    "paused": replace(LIVE, status="paused"),
    "ended": replace(
        LIVE,
        status="ended",
        ended_at="2026-11-23T21:58:00Z",
        duration_seconds=7060,
        links=LINKS,
        participants=tuple(replace(each, connected=False, speaking=False) for each in PEOPLE),
        hands=HandsView(),
        recording=None,
        questions=replace(LIVE.questions, open=False),
    ),
    "bare": RoomView(slug="library", title="Talk", status="scheduled", links=LINKS, audience_url=""),
}


@dataclass(slots=True)
class Fake:
    """A door without a server: `room` is what it says, `posts` what it was sent."""

    room: dict[str, Any]
    view: RoomView
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    status: int = 202

    def change(self, **changed: Any) -> None:
        """Something has happened; the page sees it with its next look."""
        self.room = {**self.room, **changed, "seq": self.room["seq"] + 1}


_static = StaticFiles()
_renderer = Renderer(load_texts(), Assets())


def fake(page: Page, view: RoomView) -> Fake:
    """Answers all that `page` asks at HOME."""
    door = Fake(public.state(view) | {"stream": "s", "seq": 1}, view)
    page.route(f"{HOME}/**", lambda route: _answer(route, door))
    return door


def _answer(route: Route, door: Fake) -> None:
    path, _, query = route.request.url.removeprefix(HOME).partition("?")
    door.requests.append(path)
    if path.startswith("/static/"):
        reply = _static.reply(path[8:].encode(), Request(b"GET", f"{path}?{query}".encode(), {}))
        if reply is None:
            route.fulfill(status=404)
            return
        head = dict(line.split(": ", 1) for line in reply.head.decode().split("\r\n")[1:] if line)
        route.fulfill(body=reply.body, content_type=head["Content-Type"])
    elif route.request.method == "POST":
        door.posts.append((path, route.request.post_data_json or {}))
        route.fulfill(status=door.status, headers={"Retry-After": "3"}, body="{}")
    elif path == "/r/library/state.json":
        route.fulfill(body=json.dumps(door.room), content_type="application/json")
    elif path in ("/r/library", "/r/library/embed"):
        lang: Lang = "de" if route.request.headers.get("accept-language", "").startswith("de") else "en"
        draw = _renderer.embed if path.endswith("embed") else _renderer.room
        route.fulfill(body=draw(door.view, lang), content_type="text/html; charset=utf-8")
    else:
        route.fulfill(status=404)


type Arrange = Callable[[Page, Fake], None]


def ask(page: Page, _: Fake) -> None:
    page.click("#ask")


def share(page: Page, _: Fake) -> None:
    page.click("#show-share")


def keys(page: Page, _: Fake) -> None:
    page.keyboard.press("?")


def wish(page: Page, _: Fake) -> None:
    page.click("#hand")
    page.wait_for_selector("#panel[data-step=wish]")


def wait(page: Page, door: Fake) -> None:
    """A hand in the queue."""
    wish(page, door)
    page.fill("#panel input[name=name]", "Ida Wells")
    with page.expect_response("**/hand"):
        page.keyboard.press("Enter")
    request = door.posts[-1][1]["ticket_hash"][:32]
    door.change(hands={"open": True, "queue": ["0" * 32, request, "1" * 32], "called": []})
    look(page)
    page.wait_for_selector("#panel[data-step=waiting]")


def called(page: Page, door: Fake) -> None:
    wait(page, door)
    door.change(hands={"open": True, "queue": ["0" * 32], "called": [door.room["hands"]["queue"][1]]})
    look(page)
    page.wait_for_selector("#panel[data-step=called]")


def studio_says(page: Page, me: dict[str, object]) -> list[tuple[str, object]]:
    """Answers the studio's door as `me`; what it was asked."""
    asked: list[tuple[str, object]] = []
    cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://studio.test")
        if route.request.method == "OPTIONS":
            route.fulfill(status=204, headers=cors)
            return
        if not path.startswith("/api/"):
            route.fulfill(status=503, headers=cors)
            return
        body: dict[str, object] = json.loads(route.request.post_data or "{}")
        asked.append((path, body))
        if path.endswith("/consent"):
            me["agreed_at"] = "2026-11-23T20:30:00Z" if body["agree"] else None
        route.fulfill(json=me, headers=cors)

    page.route("http://studio.test/**", answer)
    return asked


def consent(page: Page, door: Fake) -> None:
    """Called in a room that records, and not asked yet."""
    studio_says(page, {"seat": "", "recording": True, "agreed_at": None})
    called(page, door)
    page.wait_for_selector("#panel [data-part=consent]:not([hidden])")


def look(page: Page) -> None:
    """Makes the page look at the state at once."""
    page.evaluate("window.dispatchEvent(new Event('online'))")


STATES: dict[str, tuple[str, Arrange | None]] = {
    **{name: (name, None) for name in VIEWS},
    "ask": ("live", ask),
    "share": ("live", share),
    "keys": ("live", keys),
    "hand wish": ("live", wish),
    "hand waiting": ("live", wait),
    "hand called": ("live", called),
    "hand consent": ("live", consent),
}


def arrange(page: Page, state: str, path: str = "/r/library") -> Fake:
    """The page in this state."""
    name, deed = STATES[state]
    door = fake(page, VIEWS[name])
    page.goto(f"{HOME}{path}")
    page.wait_for_selector("#show-keys:not([hidden])" if path == "/r/library" else "#player")
    if deed:
        deed(page, door)
    return door


def opened(browser: Browser, scheme: Literal["light", "dark"], width: int, lang: str = "en-GB") -> Page:
    """An empty page of a reader in Berlin."""
    return browser.new_context(
        viewport={"width": width, "height": 780 if width < 600 else 1000},
        color_scheme=scheme,
        locale=lang,
        timezone_id="Europe/Berlin",
    ).new_page()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    looks: list[tuple[int, Literal["light", "dark"], str]] = [
        (1440, "light", "en-GB"),
        (360, "dark", "de-DE"),
    ]
    with chromium() as browser:
        for state in sys.argv[2].split(",") if len(sys.argv) > 2 else STATES:
            for width, scheme, lang in looks:
                page = opened(browser, scheme, width, lang)
                page.on("pageerror", lambda error: print("error", error))
                arrange(page, state)
                page.wait_for_timeout(500)
                name = f"{state.replace(' ', '-')}-{width}-{scheme}-{lang[:2]}.png"
                page.screenshot(path=folder / name, full_page=True)
                page.context.close()
            print(state, flush=True)


if __name__ == "__main__":
    main()
