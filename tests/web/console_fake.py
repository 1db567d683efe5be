"""The console with a studio that is made up: the real template and scripts, and answers that a test decides.

For states that a real room takes long to reach, and for pictures. Sound is real: the page's own second
peer answers.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute

import hustings
from hustings.studio.context import Lang, PageContext
from hustings.studio.i18n import load_texts
from hustings.studio.renderer import make_environment

WEB = Path(hustings.__file__).parent / "web"
HOME = "http://studio.localhost"
TITLE = "One building, fifteen million questions: the new library"
TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml"}

STAGE = """
(() => {
  const real = window.fetch;
  window.fakeStage = { refuse: null, blocked: BLOCKED, peers: [] };
  window.fetch = async (address, options) => {
    if (!String(address).includes("/whip/")) return real(address, options);
    const answer = (body, status, headers) =>
      Object.defineProperty(new Response(body, { status, headers }), "url", { value: location.href });
    if (options.method !== "POST") return answer("", 200);
    const { refuse } = window.fakeStage;
    const problem = { "Content-Type": "application/problem+json" };
    if (refuse) return answer(JSON.stringify(refuse), refuse.status, problem);
    const peer = new RTCPeerConnection();
    window.fakeStage.peers.push(peer);
    window.fakeStage.who = options.headers;
    const context = new AudioContext();
    const sound = context.createMediaStreamDestination();
    const tone = new OscillatorNode(context, { frequency: 220 });
    tone.connect(new GainNode(context, { gain: 0.02 })).connect(sound);
    peer.addTrack(sound.stream.getAudioTracks()[0], sound.stream);
    await peer.setRemoteDescription({ type: "offer", sdp: options.body });
    await peer.setLocalDescription();
    await new Promise((done) => {
      const look = () => peer.iceGatheringState === "complete" && done();
      peer.addEventListener("icegatheringstatechange", look);
      setTimeout(done, 1500);
      look();
    });
    const { sdp } = peer.localDescription;
    // Candidates at which nobody answers.
    if (window.fakeStage.blocked) peer.close();
    return answer(sdp, 201, { Location: "/whip/library/1" });
  };
  // What an audio thread asks for does not come by the test's routes: it is given in one piece.
  const module = AudioWorklet.prototype.addModule;
  AudioWorklet.prototype.addModule = async function (address) {
    const files = [new URL("./socket_playout.js", address), address];
    const texts = await Promise.all(files.map(async (file) => (await real(file)).text()));
    const text = texts.join("\\n").replace(/^import .*$/gm, "").replace(/^export /gm, "");
    return module.call(this, URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  };
})();
"""


def ago(**span: float) -> str:
    """A moment in the past, ISO 8601."""
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="seconds").replace("+00:00", "Z")


def person(name: str, role: str = "speaker", **more: Any) -> dict[str, Any]:
    """Somebody on the stage."""
    return {
        "id": name.lower().replace(" ", "-"),
        "name": name,
        "role": role,
        "connected": True,
        "speaking": False,
        "muted": False,
        "muted_by_host": False,
        "talked_seconds": 0.0,
        "clock_until": None,
        **more,
    }


def scheduled_room(**more: Any) -> dict[str, Any]:
    """state.json before anything has happened."""
    return {
        "slug": "library",
        "title": TITLE,
        "status": "scheduled",
        "description": "The town asks, the council answers. Two hours, open to everybody.",
        "language": "en",
        "time_zone": "America/New_York",
        "weekly": False,
        "scheduled_at": ago(days=-3, hours=-2)[:17] + "00Z",
        "opened_at": None,
        "started_at": None,
        "ended_at": None,
        "broadcast": None,
        "listeners": 0,
        "listeners_by_door": {},
        "participants": [],
        "invitations": [],
        "links": {"page": "/r/library", "calendar": "/r/library/calendar.ics"},
        "topics": [],
        "topic_id": "",
        "chapters": [],
        "pinned": [],
        "locked": False,
        "equal_time": False,
        "hands": {"open": True, "queue": [], "called": []},
        "questions": {"open": True, "moderated": False, "asked": 0, "list": []},
        "recording": None,
        "stream": "s",
        "seq": 1,
        **more,
    }


def live_room(**more: Any) -> dict[str, Any]:
    """Half an hour into a conversation of three, one still invited."""
    live = scheduled_room(
        status="live",
        opened_at=ago(minutes=50),
        scheduled_at=ago(minutes=32, seconds=17),
        started_at=ago(minutes=32, seconds=17),
        broadcast="b",
        recording={"state": "on", "since": ago(minutes=32, seconds=17)},
        listeners=1204,
        equal_time=True,
        participants=[
            person("Elmstead Radio", "host", speaking=True, talked_seconds=702.0),
            person("Building councillor", talked_seconds=845.0, clock_until=ago(seconds=-83)),
            person("Library friends", talked_seconds=391.0, muted=True, muted_by_host=True),
        ],
        invitations=[
            {
                "id": "i4",
                "name": "Head of finance",
                "role": "speaker",
                "state": "offered",
                "since": ago(days=9),
                "word": "",
                "proposed_at": None,
            }
        ],
        topics=[
            {"id": "t1", "title": "Why a new library", "minutes": 10},
            {"id": "t2", "title": "What it costs", "minutes": 15},
            {"id": "t3", "title": "Questions from the queue", "minutes": 30},
            {"id": "t4", "title": "Last word", "minutes": 5},
        ],
        topic_id="t2",
        chapters=[
            {"title": "Why a new library", "at": ago(minutes=32), "media_time": 0},
            {"title": "What it costs", "at": ago(minutes=12, seconds=13), "media_time": 1},
        ],
        questions={
            "open": True,
            "moderated": False,
            "asked": 38,
            "list": [
                {
                    "id": "q1",
                    "text": "What happens to the old building?",
                    "name": "Ida",
                    "votes": 212,
                    "state": "chosen",
                    "asked_at": ago(minutes=20),
                },
                {
                    "id": "q2",
                    "text": "Will it open on Sundays?",
                    "name": "",
                    "votes": 148,
                    "state": "open",
                    "asked_at": ago(minutes=15),
                },
            ],
        },
    )
    return live | more


def invited(name: str = "Building councillor", **more: Any) -> dict[str, Any]:
    """`me` of somebody invited."""
    return {
        "id": name.lower().replace(" ", "-"),
        "name": name,
        "role": "speaker",
        "invitation": "seen",
        "muted": False,
        "muted_by_host": False,
        "place": "",
        "aside": False,
        "conducts": False,
        "clock_until": None,
        "word": "",
        "proposed_at": None,
        "seat": "",
        "green_room": False,
        "recording": True,
        "agreed_at": ago(days=2),
        **more,
    }


def recording(**more: Any) -> dict[str, Any]:
    """What hosts see of the recording: all well."""
    return {
        "on": True,
        "off_record": False,
        "not_agreed": [],
        "state": "on",
        "since": ago(minutes=32),
        "problem": "",
        "safe_seconds": 1935,
        "bytes": 12_000_000,
        "received": 290_000,
        "written": 287_000,
        "declared": 3_000,
        **more,
    }


def host_me(**more: Any) -> dict[str, Any]:
    """`me` of the host."""
    state = {"role": "host", "invitation": "accepted", "conducts": True, "place": "stage", "seat": "seated"}
    return {**invited("Elmstead Radio"), **state, **more}


def desk(**more: Any) -> dict[str, Any]:
    """What only hosts see."""
    return {
        "waiting": [
            {
                "id": "parents",
                "name": "Parents' council",
                "connected": True,
                "muted": False,
                "level_dbov": -24,
                "loss": 0.0,
                "since": ago(minutes=3),
                "aside": "",
                "agreed": True,
            }
        ],
        "requests": [
            {
                "id": "r1",
                "name": "Listener from row 7",
                "state": "waiting",
                "asked_at": ago(minutes=2, seconds=10),
                "talked_seconds": 0,
            },
            {
                "id": "r2",
                "name": "Listener, school gate",
                "state": "waiting",
                "asked_at": ago(seconds=48),
                "talked_seconds": 75.0,
            },
        ],
        "quality": {
            "building-councillor": {"level_dbov": -50, "loss": 0.0, "jitter_ms": 4, "delay_ms": 40},
            "library-friends": {"level_dbov": -60, "loss": 0.04, "jitter_ms": 22, "delay_ms": 90},
        },
        "invitations": [
            {
                "id": f"i{n}",
                "participant_id": name.lower().replace(" ", "-"),
                "name": name,
                "role": "speaker",
                "public": public,
                "state": state,
                "since": ago(days=9),
                "word": word,
                "proposed_at": None,
            }
            for n, name, public, state, word in (
                (2, "Building councillor", True, "accepted", ""),
                (3, "Library friends", False, "accepted", ""),
                (4, "Head of finance", True, "offered", ""),
                (5, "Old mayor", True, "declined", "Gladly another time, not on a Monday."),
            )
        ],
        "questions_pending": [],
        "bans": [],
        "green_room": True,
        "hands": True,
        "moderated": False,
        "queue_by_talk": False,
        "turn_seconds": 120,
        "recording": recording(),
        "reactions": {"applause": 31, "heart": 12, "agree": 7},
        **more,
    }


class FakeStudio:
    """One room, one page. `calls` is what the page asked for, `answers` what it is told instead of 200."""

    def __init__(self, room: dict[str, Any], me: dict[str, Any], host: dict[str, Any] | None = None) -> None:
        self.room, self.me, self.host = room, me, host
        self.calls: list[tuple[str, str, Any]] = []
        self.answers: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self.blocked = False
        """The speaker's network lets no UDP through."""
        self._sockets: list[WebSocketRoute] = []
        self._texts = load_texts()

    def open(self, context: BrowserContext, fragment: str = "t_ticket") -> Page:
        """A page of `context` at this studio."""
        page = context.new_page()
        page.add_init_script(STAGE.replace("BLOCKED", json.dumps(self.blocked)))
        page.route(f"{HOME}/**", self._serve)
        page.route_web_socket(f"{HOME.replace('http', 'ws')}/**", self._follow)
        page.goto(f"{HOME}/s/library#{fragment}")
        return page

    def change(self, page: Page, **members: Any) -> None:
        """The room, `me` or the desk changes: `room_*`, `me_*` and `host_*`."""
        parts = {"room": self.room, "me": self.me, "host": self.host or {}}
        for name, value in members.items():
            part, _, member = name.partition("_")
            parts[part][member] = value
        for socket in self._sockets:
            socket.send(json.dumps(self._state()))
        # In the page's order: the message, what it draws, then this answer.
        page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
        )
        page.wait_for_timeout(50)

    def levels(self, levels: dict[str, int]) -> None:
        """How loud everybody is now."""
        for socket in self._sockets:
            socket.send(json.dumps({"type": "levels", "levels": levels}))

    def close(self, code: int) -> None:
        """Ends the page's sockets."""
        for socket in self._sockets:
            socket.close(code=code)

    def asked(self, path: str) -> list[Any]:
        """The bodies of the calls to `path`."""
        return [body for _, asked, body in self.calls if asked == path]

    def told(self, page: Page, path: str, times: int) -> list[Any]:
        """The same, once there are `times` of them."""
        self.called(page, lambda: len(self.asked(path)) >= times)
        return self.asked(path)

    def called(self, page: Page, enough: Callable[[], bool]) -> None:
        """Waits for calls that are under way."""
        for _ in range(600):
            if enough():
                return
            page.wait_for_timeout(50)

    def _state(self) -> dict[str, Any]:
        message = {"type": "state", "stream": "s", "seq": 1, "state": self.room, "me": self.me}
        return copy.deepcopy({**message, **({"host": self.host} if self.host else {})})

    def _follow(self, socket: WebSocketRoute) -> None:
        if socket.url.endswith("/whip/library/socket"):
            socket.on_message(lambda message: self._relay(socket, message))
            return
        self._sockets.append(socket)
        socket.on_message(lambda _: socket.send(json.dumps(self._state())))

    def _relay(self, socket: WebSocketRoute, message: str | bytes) -> None:
        """The studio's end of a speaker's socket. What is said comes back, for want of anybody else."""
        if isinstance(message, bytes):
            socket.send(message)
            return
        said = json.loads(message)
        if "ticket" in said:
            socket.send(json.dumps({"type": "ready", "session": "1", "payload_type": 111, "level_id": 1}))
        elif said["type"] == "ping":
            socket.send(json.dumps({"type": "pong", "at": said["at"]}))

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(HOME).split("?")[0].split("#")[0]
        if path == "/s/library":
            headers = {"Content-Type": "text/html; charset=utf-8", "Permissions-Policy": "microphone=(self)"}
            route.fulfill(
                body=self._html(route.request.headers.get("accept-language", "en")), headers=headers
            )
        elif path.startswith("/static/"):
            file = WEB / path.removeprefix("/static/")
            if not file.is_file():
                route.fulfill(status=404)
                return
            route.fulfill(
                body=file.read_bytes(), content_type=TYPES.get(file.suffix, "application/octet-stream")
            )
        elif path.startswith("/api/rooms/library"):
            self._api(route, path.removeprefix("/api/rooms/library"))
        else:
            route.fulfill(status=404)

    def _api(self, route: Route, path: str) -> None:
        body = json.loads(route.request.post_data or "null")
        self.calls.append((route.request.method, path, body))
        status, answer = self.answers.get(path, (200, self._does(path, body)))
        route.fulfill(status=status, body=json.dumps(answer), content_type="application/json")

    def _does(self, path: str, body: Any) -> Mapping[str, Any]:
        if path == "/me/answer":
            self.me["invitation"] = body["answer"]
        elif path == "/me/word":
            self.me |= body
        elif path == "/me/consent":
            self.me["agreed_at"] = ago() if body["agree"] else None
        elif path == "/off-record":
            assert self.host is not None
            self.host["recording"]["off_record"] = body["off"]
        elif path == "/participants/me/mute":
            self.me |= {"muted": body["muted"], "muted_by_host": False}
        elif path == "/redeem":
            return {"ticket": "t_new", "me": self.me}
        elif path.endswith("/link") or path == "/invitations":
            return {"name": (body or {}).get("name", ""), "link": f"{HOME}/s/library#l_{'x' * 24}"}
        return self.me

    def _html(self, accepted: str) -> str:
        lang: Lang = "de" if accepted.startswith("de") else "en"
        page = PageContext(lang=lang, t=self._texts[lang], asset=lambda name: f"/static/{name}", version="0")
        base = "/api/rooms/library"
        return (
            make_environment()
            .get_template("console.html")
            .render(
                page=page,
                room=SimpleNamespace(
                    **self.room,
                    audience_url="http://audience.localhost/r/library",
                    figures="all" if self.room["listeners"] is not None else "hosts",
                ),
                speaker=SimpleNamespace(api=base, whip="/whip/library", events=f"{base}/events"),
                state_json=Markup(json.dumps(self.room).replace("<", "\\u003c")),  # escaped here
            )
        )


def context_of(
    browser: Browser, width: int = 1440, scheme: str = "light", lang: str = "en"
) -> BrowserContext:
    """A window of a reader."""
    return browser.new_context(
        viewport={"width": width, "height": 780 if width < 600 else 1000},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of its literals
        locale="de-DE" if lang == "de" else "en-GB",
        timezone_id="Europe/Berlin",
        permissions=["microphone"],
    )
