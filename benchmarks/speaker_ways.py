"""How late is a speaker heard by WebRTC, and how late by WebSocket?

    .venv/bin/python benchmarks/speaker_ways.py [--marks 60] [--relays] [--json]

Two pages of one Chromium on the stage of a real `hustings serve`, on loopback. One's microphone is replaced
by short tones at known times; the other's page listens to what arrives in its ear. All four pairs of ways;
with `--relays` the mouth by way of Debian's coturn, over UDP, TCP and TLS, between the direct way and the
WebSocket. "Mouth" is the moment the tone begins in the browser, "ear" the moment it is found in the stream
that the other's audio element plays (5 ms windows): microphone, loudspeaker and noise suppression are in no
figure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "web"))

from harness import Room, serve
from pages_browser import chromium, desk_is, go_on_stage
from playwright.sync_api import Browser, Page, Route
from turn_support import SECRET, Coturn, coturn

from hustings.clients.delivered import percentile

_MOUTH = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  await context.resume();
  const tone = context.createOscillator();
  tone.frequency.value = 1000;
  const gate = context.createGain();
  gate.gain.value = 0;
  const out = context.createMediaStreamDestination();
  tone.connect(gate).connect(out);
  tone.start();
  window.mark = async () => {
    gate.gain.value = 0.3;
    const at = performance.timeOrigin + performance.now();
    await new Promise((resolve) => setTimeout(resolve, 60));
    gate.gain.value = 0;
    return at;
  };
  return out.stream;
};
"""
_EAR = """
async () => {
  const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 256;
  context.createMediaStreamSource(document.querySelector("#sound").srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  window.heard = [];
  let loud = false;
  let last = 0;
  const look = () => {
    analyser.getFloatTimeDomainData(samples);
    const now = performance.timeOrigin + performance.now();
    const peak = Math.max(...samples.map(Math.abs));
    if (peak > 0.03) {
      if (!loud && now - last > 250) window.heard.push(now);
      loud = true;
      last = now;
    } else loud = false;
  };
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { look(); setTimeout(() => channel.port2.postMessage(0), 1); };
  channel.port2.postMessage(0);
}
"""
LONGEST = 1000.0
"""Milliseconds within which a mark must be heard."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair of ways; milliseconds."""

    mouth: str
    ear: str
    marks: int
    lost: int
    p50: float
    p95: float
    longest: float


DOORS = {"webrtc": "", "socket": "?way=socket"}
"""What the address says; anything else is a way to a relay, and nothing but that relay is used."""


def page_on_stage(browser: Browser, room: Room, name: str, way: str) -> Page:
    page = browser.new_context(locale="en-GB").new_page()
    page.add_init_script(_MOUTH)
    if way not in DOORS:
        page.route("**/whip/*", lambda route: _only(route, way))
    go_on_stage(page, room.links[name].replace("#", DOORS.get(way, "?relay=only") + "#"))
    desk_is(page, "heard", 60)
    taken = "socket" if way == "socket" else "webrtc"
    page.wait_for_selector(f"#desk[data-way={taken}]", state="attached", timeout=60_000)
    return page


def _only(route: Route, way: str) -> None:
    """Names one relay, by `way`, of those the studio names."""
    if route.request.method != "OPTIONS":
        route.continue_()
        return
    links = route.fetch().headers["link"].split(", <")
    kind = {"udp": "transport=udp", "tcp": "turn:", "tls": "turns:"}[way]
    fits = [link for link in links if kind in link and (way == "udp" or "transport=udp" not in link)]
    route.fulfill(status=204, headers={"Link": "<" + fits[0].removeprefix("<")})


def measure(browser: Browser, room: Room, mouth: str, ear: str, marks: int) -> Row:
    ada = page_on_stage(browser, room, "Ada", mouth)
    ben = page_on_stage(browser, room, "Ben", ear)
    ben.evaluate(_EAR)
    ada.wait_for_timeout(3000)  # buffers find their size
    ben.evaluate("window.heard.length = 0")
    said = []
    for _ in range(marks):
        said.append(float(ada.evaluate("window.mark()")))
        ada.wait_for_timeout(640)
    ada.wait_for_timeout(LONGEST)
    heard = [float(at) for at in ben.evaluate("window.heard")]
    delays = []
    for at in said:
        found = next((each - at for each in heard if 0 < each - at < 600), None)
        if found is not None:
            delays.append(found)
    for page in (ada, ben):
        page.context.close()
    ordered = sorted(delays) or [float("nan")]
    return Row(
        mouth,
        ear,
        len(said),
        len(said) - len(delays),
        round(percentile(ordered, 50)),
        round(percentile(ordered, 95)),
        round(ordered[-1]),
    )


def _named(relay: Coturn | None) -> dict[str, str]:
    """The settings that name it."""
    if relay is None:
        return {}
    return {"HUSTINGS_TURN": f"{relay.udp}, {relay.tcp}, {relay.tls}", "HUSTINGS_TURN_SECRET": SECRET}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--marks", type=int, default=60)
    parser.add_argument("--relays", action="store_true", help="the mouth by relays (coturn)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    pairs = [(mouth, ear) for mouth in ("webrtc", "socket") for ear in ("webrtc", "socket")]
    if options.relays:
        pairs = [(mouth, "webrtc") for mouth in ("webrtc", "udp", "tcp", "tls", "socket")]
    with contextlib.ExitStack() as until_the_end:
        enter = until_the_end.enter_context
        relay = enter(coturn(Path(enter(tempfile.TemporaryDirectory())))) if options.relays else None
        folder = Path(enter(tempfile.TemporaryDirectory()))
        server = enter(serve(folder, levelling=False, environment=_named(relay)))
        browser = enter(chromium(more=["--ignore-certificate-errors"]))
        room = server.room("Ways", speakers=["Ada", "Ben"])
        room.open()
        room.start()
        for mouth, ear in pairs:
            rows.append(measure(browser, room, mouth, ear, options.marks))
            if not options.json:
                print(rows[-1], flush=True)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
