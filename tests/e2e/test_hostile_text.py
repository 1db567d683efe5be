"""Hostile text wherever people write, on every page: it stays text, runs nothing and breaks no page."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from harness import Server, serve
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium

pytestmark = pytest.mark.e2e

SCRIPTS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '" onfocus=alert(1) autofocus x="',
    "' onmouseover='alert(1)",
    "<svg onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>press</a>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<form action=//evil.example><input name=x></form>",
    "<template><script>alert(1)</script></template>",
    "<!--><img src=x onerror=alert(1)>",
    "]]><img src=x onerror=alert(1)>",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7}",
    "{name} {n} {time} %s %(x)s {0.__class__}",
    "\\u003cimg src=x onerror=alert(1)\\u003e",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#x3c;script&#x3e;alert(1)",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "`${alert(1)}`",
    "'; alert(1); //",
    "__proto__",
    "constructor",
    "toString",
    "null",
    "<plaintext>",
    "<textarea></textarea><img src=x onerror=alert(1)>",
    "</title><img src=x onerror=alert(1)>",
    "</option></select><img src=x onerror=alert(1)>",
]
SHAPES = [
    "\u202etxet desrever\u202c",
    "\u2066\u202ea\u2069b\u200f",
    "a\u200bb\u200cc\u200dd\ufeffe\u2060f",
    "Z̷̢̧̛͎̥a̸̡̛̺l̵̢̛̺g̶̢̛̺ơ̸̢̺" + "\u0301" * 40 + "x",
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏿",
    "مرحبا بالعالم",
    "שלום עולם <b>",
    "ﷺ﷽" * 8,
    "𒐫𒈙꧅" * 8,
    "W" * 80,
    "i" * 80,
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen",
    "a" + " " * 60 + "b",
    "１２３ ｆｕｌｌｗｉｄｔｈ",
    "Robert'); DROP TABLE rooms;--",
    "../../etc/passwd%00",
    "CON, NUL, =cmd|' /C calc'!A0",
]
CORPUS = SCRIPTS + SHAPES
BAD_ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "blob:https://example.org/x",
    "//evil.example/",
    "https:evil.example",
    "https://",
    "https://user:password@evil.example/",
    "https://example.org/ x",
    "https://example.org/\u0000",
    "https://example.org:0/",
    "https://[::1/",
]
WIDTHS = (360, 1440)
_NAME = 80


@dataclass
class Place:
    """A running server with hostile rooms, and one who is logged in."""

    server: Server
    cookie: str
    titles: list[str] = field(default_factory=list)
    slugs: list[str] = field(default_factory=list)
    """Rooms with all of the corpus in them."""
    links: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, json: Any = None, ticket: str = "") -> httpx.Response:
        bearer = ticket or self.server.token
        return httpx.request(
            method,
            f"{self.server.studio_url}{path}",
            json=json,
            headers={"Authorization": f"Bearer {bearer}"},
            trust_env=False,
            timeout=30,
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serve(tmp_path_factory.mktemp("hostile")) as server:
        secret = (server.data / "keys" / "setup").read_text().strip()
        body = {"secret": secret, "name": "<b>Clara</b> \"'", "password": "korrekt pferd batterie"}
        origin = {"Origin": server.studio_url}
        answer = httpx.post(f"{server.studio_url}/api/setup", json=body, headers=origin, trust_env=False)
        assert answer.status_code == 201, answer.text
        place = Place(server, answer.headers["set-cookie"].partition(";")[0])
        fill(place)
        yield place


def fill(place: Place) -> None:
    """Each text is once a title; two rooms, one open, one not, hold all of them everywhere else."""
    for text in CORPUS:
        answer = place.call("POST", "/api/rooms", {"title": text[:140]})
        assert answer.status_code == 201, (text, answer.text)
        place.titles.append(answer.json()["title"])
    for slug in ("hostile", "hostile-open"):
        room = {
            "title": "</title><img src=x onerror=alert(1)> " + "\u202e" + "W" * 90,
            "slug": slug,
            "description": "\n\n".join([*CORPUS, "Q" * 300])[:4000],
            "topics": [{"title": text, "minutes": 1} for text in CORPUS[:50]],
            "links": [
                {"label": text, "url": f"https://example.org/?{'x' * 400}&q=%22%3E"} for text in CORPUS[:10]
            ],
            "at": "2030-01-01T20:00:00+01:00",
            "time_zone": "Europe/Berlin",
            "language": "en",
        }
        answer = place.call("POST", "/api/rooms", room)
        assert answer.status_code == 201, answer.text
        place.slugs.append(slug)
        for number, text in enumerate(CORPUS):
            invite(place, slug, text, number)
    place.call("POST", "/api/rooms/hostile-open/open")
    host = place.call("POST", "/api/rooms/hostile-open/invitations", {"name": "Host", "role": "host"})
    place.links["hostile-open"] = seat(place, "hostile-open", host)


def seat(place: Place, slug: str, made: httpx.Response) -> str:
    """A link with the ticket: good more than once."""
    return f"{place.server.studio_url}/s/{slug}#{made.json()['ticket']}"


def invite(place: Place, slug: str, text: str, number: int) -> None:
    path = f"/api/rooms/{slug}"
    made = place.call("POST", f"{path}/invitations", {"name": text[:_NAME], "public": True})
    assert made.status_code == 201, (text, made.text)
    ticket = made.json()["ticket"]
    word = place.call("POST", f"{path}/me/word", {"word": text[:280]}, ticket)
    assert word.status_code in (200, 422), word.text
    place.links.setdefault(slug, seat(place, slug, made))
    if slug == "hostile-open" and number % 5 == 0:
        place.call("POST", f"{path}/me/answer", {"answer": "declined"}, ticket)


class Watch:
    """What a page does that no page of ours does."""

    def __init__(self, page: Page, place: Place) -> None:
        self.found: list[str] = []
        own = {urlsplit(url).netloc for url in (place.server.studio_url, place.server.audience_url)}
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on(
            "console",
            lambda said: self.found.append(said.text) if "Content Security Policy" in said.text else None,
        )
        page.on(
            "request",
            lambda request: (
                self.found.append(f"asked {request.url[:200]}")
                if urlsplit(request.url).netloc not in own and not request.url.startswith("data:")
                else None
            ),
        )

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()


FOREIGN = """() => {
  const never = 'iframe, object, embed, base, plaintext, animate, meta[http-equiv=refresh], style';
  const inline = 'script:not([src], [type="application/json"], [type="application/ld+json"])';
  return [...document.querySelectorAll('*')].flatMap((one) => [
    ...[...one.attributes].map((each) => each.name).filter((name) => name.startsWith('on')),
    ...(one.matches(never) || one.matches(inline) ? [one.outerHTML.slice(0, 99)] : []),
    ...(one.matches('a[href]') && !/^(https?|blob|data):/.test(one.href) ? [one.href] : []),
    ...(one.matches('img[src=x]') ? ['img x'] : []),
  ]);
}"""
REACH = """() => {
  for (const one of document.querySelectorAll('details')) one.open = true;
  for (const one of document.querySelectorAll('a, button, input, select, textarea')) one.focus();
}"""
"""What only shows when it is reached: every part is opened, everything gets the focus."""
WIDE = """(width) => [...document.querySelectorAll('main *')]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > width + 1)
  .slice(0, 8)
  .map((one) => `${one.tagName}#${one.id}.${one.className}`)"""


def context(browser: Browser, place: Place, width: int) -> BrowserContext:
    made = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB")
    name, _, value = place.cookie.partition("=")
    made.add_cookies([{"name": name, "value": value, "url": place.server.studio_url}])
    return made


def settle(page: Page) -> None:
    """Scripts have run and have drawn what they got."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(1200)


def check(page: Page, watch: Watch, width: int) -> None:
    settle(page)
    page.evaluate(REACH)
    assert page.evaluate(FOREIGN) == []
    assert watch.found == []
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"{wide} px: {page.evaluate(WIDE, width)}"


def addresses(place: Place, name: str) -> list[str]:
    audience, studio = place.server.audience_url, place.server.studio_url
    return {
        "the list of rooms": [f"{audience}/"],
        "a host's rooms": [f"{studio}/"],
        "a new room": [f"{studio}/rooms/new?title=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"],
        "a room's page": [f"{audience}/r/{slug}" for slug in place.slugs],
        "the embedded player": [f"{audience}/r/{slug}/embed" for slug in place.slugs],
        "one room for its hosts": [f"{studio}/rooms/{slug}" for slug in place.slugs],
        "the console": [place.links[slug] for slug in place.slugs],
    }[name]


PAGES = (
    *("the list of rooms", "a host's rooms", "a new room", "a room's page", "the embedded player"),
    *("one room for its hosts", "the console"),
)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_and_nothing_breaks(browser: Browser, place: Place, name: str, width: int) -> None:
    for address in addresses(place, name):
        made = context(browser, place, width)
        page = made.new_page()
        watch = Watch(page, place)
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        check(page, watch, width)
        made.close()


def _raw(body: str, route: Route) -> None:
    route.fulfill(body=body, content_type="text/html")


def test_an_unescaped_page_would_be_seen(browser: Browser, place: Place) -> None:
    """The net has no hole: each script of the corpus, written as it is, is found."""
    seen = 0
    for text in SCRIPTS:
        made = context(browser, place, 1440)
        page = made.new_page()
        watch = Watch(page, place)
        body = f"<!doctype html><title>x</title><main>{text}</main>"
        page.route("**/raw", functools.partial(_raw, body))
        page.goto(f"{place.server.studio_url}/raw")
        page.wait_for_timeout(100)
        seen += bool(watch.found or page.evaluate(FOREIGN))
        made.close()
    assert seen >= 15, "the others are no HTML: templates, other languages' scripts, escapes"


def test_titles_are_shown_as_they_were_cleaned(browser: Browser, place: Place) -> None:
    made = context(browser, place, 1440)
    page = made.new_page()
    page.goto(f"{place.server.studio_url}/")
    shown = set(page.locator(".room-title").all_text_contents())
    assert set(place.titles) <= shown
    for title in place.titles:
        assert not set(title) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff")
    made.close()


@pytest.mark.parametrize("url", BAD_ADDRESSES)
def test_links_are_http_or_nothing(place: Place, url: str) -> None:
    answer = place.call("PATCH", "/api/rooms/hostile", {"links": [{"label": "x", "url": url}]})
    assert answer.status_code == 422, answer.text
    assert "links.0.url" in answer.json()["where"]


def test_what_is_too_long_is_refused_with_its_place(place: Place) -> None:
    long = "x" * 10_000
    for body, where in (
        ({"title": long}, "body: title"),
        ({"description": long}, "body: description"),
        ({"topics": [{"title": long}]}, "body: topics.0.title"),
        ({"links": [{"label": long, "url": "https://example.org/"}]}, "body: links.0.label"),
        ({"language": long}, "body: language"),
    ):
        answer = place.call("PATCH", "/api/rooms/hostile", body)
        assert (answer.status_code, answer.json()["where"]) == (422, where)
    answer = place.call("POST", "/api/rooms/hostile/invitations", {"name": long})
    assert (answer.status_code, answer.json()["where"]) == (422, "body: name")
