"""Speakers by way of a relay, Debian's coturn: real Chromium over UDP, TCP and TLS, `hustings speak`."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import Room, Server, serve, until
from playwright.sync_api import Browser, Route
from turn_support import SECRET, TURNSERVER, Coturn, coturn

from hustings.clients.script import Script
from hustings.clients.speaker import Speaker
from hustings.config import Settings
from hustings.doctor.relays import relays
from hustings.turn import read_links

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, desk_is, go_on_stage
from screens import DEMO

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path(TURNSERVER).exists(), reason="coturn is not installed"),
]

PAIR = """async () => {
  const found = [];
  for (const peer of window.peers) {
    const stats = await peer.getStats();
    for (const report of stats.values()) {
      if (report.type !== "transport" || !report.selectedCandidatePairId) continue;
      const local = stats.get(stats.get(report.selectedCandidatePairId).localCandidateId);
      found.push([local.candidateType, local.relayProtocol]);
    }
  }
  return found;
}"""
"""What kind of candidate each connection of the page uses, and how it talks to the relay."""
WATCH = """{
  window.peers = [];
  const Real = RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...wishes) { super(...wishes); window.peers.push(this); }
  };
}"""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as relay:
        yield relay


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, relay: Coturn) -> Iterator[Server]:
    environment = {
        "HUSTINGS_TURN": f"{relay.udp}, {relay.tcp}, {relay.tls}",
        "HUSTINGS_TURN_SECRET": SECRET,
    }
    with serve(tmp_path_factory.mktemp("turn"), environment=environment) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # The relay's certificate is nobody's; what is tried is the way, not the authority.
    with chromium(more=["--ignore-certificate-errors"]) as browser:
        yield browser


def live_room(server: Server, slug: str) -> Room:
    room = server.room("Relayed", slug=slug, speakers=["Ada Byron"])
    room.open()
    room.start()
    return room


def links_of(room: Room) -> list[str]:
    bearer = {"Authorization": f"Bearer {room.tickets['Ada Byron']}"}
    answer = httpx.options(room.whip_url, headers=bearer, trust_env=False, timeout=30)
    assert answer.status_code == 204
    return answer.headers.get_list("Link")


def connected(room: Room) -> bool:
    return any(person.get("connected") for person in room.state()["participants"])


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
def test_a_page_speaks_by_way_of_a_relay_only(
    browser: Browser, server: Server, relay: Coturn, way: str
) -> None:
    room = live_room(server, f"page-{way}")
    [link] = [link for link in links_of(room) if f"<{getattr(relay, way)}>" in link]

    def only_this(route: Route) -> None:
        if route.request.method == "OPTIONS":
            route.fulfill(status=204, headers={"Link": link})
        else:
            route.continue_()

    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    found = complaints(page)
    page.add_init_script(WATCH)
    page.route("**/whip/*", only_this)
    go_on_stage(page, room.links["Ada Byron"].replace("#", "?relay=only#"))
    desk_is(page, "heard", within=60)
    until(lambda: connected(room), 60)
    [[kind, protocol]] = until(lambda: page.evaluate(PAIR), 30)
    # By the relay door the stage sees the path's own address, not the relay's: learnt from it, "prflx".
    assert (kind, protocol) in {("relay", way), ("prflx", way)}
    assert found == []
    context.close()


def test_speak_goes_by_way_of_a_relay_only(server: Server, relay: Coturn) -> None:
    room = live_room(server, "speak")
    script = Script.from_file(DEMO / "host.opus", loop=True)
    speaker = Speaker(room.whip_url, room.tickets["Ada Byron"], script, relay_only=True)
    stop = threading.Event()
    thread = threading.Thread(target=speaker.run, args=(stop,))
    thread.start()
    try:
        until(lambda: connected(room), 60)
        assert " typ relay" in (speaker.offer or "")
        assert " typ host" not in speaker.offer
    finally:
        stop.set()
        thread.join(30)


def test_the_doctor_asks_each_relay_for_an_allocation(relay: Coturn) -> None:
    def said(turn: str, secret: str = SECRET) -> list[tuple[str, str]]:
        return [(one.level, one.what) for one in relays(Settings(turn=turn, turn_secret=secret))]

    assert said(f"{relay.udp},{relay.tcp},stun:127.0.0.1:{relay.port}") == [
        ("ok", f"{relay.udp} relays"),
        ("ok", f"{relay.tcp} relays"),
        ("ok", f"stun:127.0.0.1:{relay.port} answers"),
        ("ok", "from those over TCP and TLS some browsers need UDP port 8003: open it to them"),
    ]
    [(level, what)] = said(relay.udp, "another secret")
    assert (level, what) == ("wrong", f"{relay.udp} does not believe our passwords")
    [(level, what), _] = said(relay.tls)
    assert level == "wrong"
    assert "certificate" in what
    [(level, what), _] = said("turn:127.0.0.1:1?transport=tcp")
    assert (level, "does not answer" in what) == ("wrong", True)
    assert said("nonsense")[0][0] == "wrong"
    assert said("") == [("ok", "none named (HUSTINGS_TURN): speakers need UDP to the media port")]


def test_relays_are_named_to_those_with_a_ticket_and_no_secret_is_logged(server: Server) -> None:
    room = live_room(server, "named")
    assert "Link" not in httpx.options(room.whip_url, trust_env=False, timeout=30).headers
    wrong = {"Authorization": "Bearer t_wrong"}
    assert httpx.options(room.whip_url, headers=wrong, trust_env=False, timeout=30).status_code == 401
    servers = read_links(links_of(room))
    assert [one.url.split(":")[0] for one in servers] == ["turn", "turn", "turns"]
    assert all(re.fullmatch(r"\d{10}:[A-Za-z0-9_-]+", one.username) for one in servers)
    again = read_links(links_of(room))
    assert again[0].username != servers[0].username, "made anew for each"
    log = server.log.read_text()
    assert SECRET not in log
    assert not any(one.credential in log or one.username in log for one in servers)
