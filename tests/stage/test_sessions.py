"""How many listeners by WebRTC the stage takes: by what each costs its tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from test_sdp import CHROMIUM

from hustings.bus.messages import SessionOffer
from hustings.errors import Refused
from hustings.stage import sessions
from hustings.stage.sessions import Sessions
from hustings.stage.webrtc.peer import AnsweringPeer, MediaDoor

LISTENS = CHROMIUM.replace("a=sendrecv", "a=recvonly").replace("\n", "\r\n")
SHORT_ONLY = LISTENS.replace("a=rtcp-mux", "a=maxptime:20\r\na=rtcp-mux")


class Ticker:
    """Carries out at once what is handed to the tick's thread."""

    def __init__(self, engine: Any) -> None:
        self.engines = {engine.broadcast_id: engine}

    def call(self, do: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(do())
        except Refused as error:
            done.set_exception(error)
        return done

    def hold(self, *_: object, **__: object) -> None: ...


async def listeners(monkeypatch: pytest.MonkeyPatch, sdps: list[str]) -> list[int]:
    """What each offer in turn is answered: 201, or the status it is refused with."""

    async def create(description: Any, _door: MediaDoor) -> Any:
        return SimpleNamespace(offer=description, answer="v=0", sends=True)

    monkeypatch.setattr(AnsweringPeer, "create", create)
    engine: Any = SimpleNamespace(broadcast_id="b", slug="hall", listen=lambda *_: None)
    stage = Sessions(MediaDoor("127.0.0.1", 9), Ticker(engine))  # type: ignore[arg-type]
    answers = []
    for sdp in sdps:
        try:
            await stage.offer(engine, SessionOffer(broadcast_id="b", kind="egress", sdp=sdp))
            answers.append(201)
        except Refused as error:
            answers.append(error.status)
    return answers


def test_who_takes_long_packets_counts_for_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_LISTENERS", 3)
    everyone = asyncio.run(listeners(monkeypatch, [LISTENS] * 7))
    assert everyone == [201] * 6 + [503]
    refusing = asyncio.run(listeners(monkeypatch, [SHORT_ONLY] * 4))
    assert refusing == [201] * 3 + [503]
    mixed = asyncio.run(listeners(monkeypatch, [SHORT_ONLY, SHORT_ONLY, LISTENS, LISTENS, LISTENS]))
    assert mixed == [201] * 4 + [503]
