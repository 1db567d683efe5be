"""The lobby's page as an edge gives it, at a door that is played: for tests and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route

from hustings.edge import effort
from hustings.edge.http import Request
from hustings.edge.lobby_page import lobby_reply
from hustings.place_tokens import PlaceTokens

AT = "http://hustings.test"
TOKENS = PlaceTokens("a key of the test's")
NUMBER = bytes(8)
PLACE = TOKENS.write("waiting", 1_800_000_000, NUMBER)
TESTED = TOKENS.write("tested", 1_800_000_000, NUMBER)
STATES = ("lobby-waiting", "lobby-test", "lobby-crowded")
"""A place and how many are before; the effort test while it runs; too many of one network."""

type Answer = dict[str, Any]


class Door:
    """`told`: what the page is told at first; `then`: what `/lobby` answers, one after the other, by what was
    asked."""

    def __init__(
        self, page: Page, told: Answer, *then: Callable[[dict[str, str]], Answer] | Answer, status: int = 503
    ) -> None:
        self.asked: list[dict[str, str]] = []
        self._told, self._then, self._status = told, list(then), status
        self.let_in = False
        page.route(f"{AT}/**", self._route)

    def _route(self, route: Route) -> None:
        target = route.request.url.removeprefix(AT)
        headers = {
            b"accept": b"text/html",
            b"accept-language": route.request.headers["accept-language"].encode(),
        }
        request = Request(b"GET", target.encode(), headers)
        if request.path == b"/lobby":
            self.asked.append(request.parameters())
            step = self._then.pop(0) if len(self._then) > 1 else self._then[0]
            answer = step(request.parameters()) if callable(step) else step
            self.let_in = answer["in"]
            route.fulfill(body=json.dumps(answer), content_type="application/json")
        elif self.let_in:
            route.fulfill(
                body="<!doctype html><title>inside</title><h1>Inside</h1>", content_type="text/html"
            )
        elif request.path.startswith(b"/r/"):
            reply = lobby_reply(self._told, request, self._status)
            lines = reply.head.decode().split("\r\n")[1:-1]
            route.fulfill(
                status=self._status, headers=dict(line.split(": ", 1) for line in lines), body=reply.body
            )
        else:
            route.fulfill(status=404)


def waiting(seconds: float, ahead: int) -> Answer:
    return {"in": False, "place": PLACE, "wait": seconds, "ahead": ahead}


def sum_to_do() -> Answer:
    return {"in": False, "place": PLACE, "wait": 9.0, "effort": effort.challenge(TOKENS, NUMBER)}


def arrange(page: Page, state: str, lang: str) -> None:
    """One of STATES."""
    if state == "lobby-crowded":
        Door(page, {"place": PLACE, "wait": 600.0}, waiting(600, 0), status=429)
    elif state == "lobby-test":
        never = {
            **sum_to_do(),
            "effort": {**effort.challenge(TOKENS, NUMBER), "challenge": "0" * 64, "max": 1e9},
        }
        Door(page, never, never)
    else:
        Door(page, waiting(600, 1234), waiting(600, 1234))
    page.goto(f"{AT}/r/library?lang={lang}")
    page.wait_for_selector("#test:not(:empty)" if state == "lobby-test" else "#next:not(:empty)")
