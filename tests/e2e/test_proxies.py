"""The proxies of docs/examples in front of a real server: nothing is held back, and nobody is mistaken.

The files are run as they are, with ports, folders and certificates of the test in place of those in them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from harness import HUSTINGS, Room, Server, serve, until
from websockets.sync.client import connect
from websockets.typing import Origin

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))
from authority import Authority, Pair

from hustings.clients.push_reader import Media, PushReader, ServerClock
from hustings.supervisor.doors import free_port

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
VOICE = ROOT / "src" / "hustings" / "web" / "demo" / "host.opus"
TALK, STUDIO = "talk.example.org", "studio.example.org"
PER_ADDRESS = 4


@dataclass(slots=True)
class Ports:
    secure: int
    plain: int
    audience: int
    studio: int


def nginx(folder: Path, pair: Pair, ports: Ports) -> list[str]:
    text = (EXAMPLES / "nginx.conf").read_text()
    for old, new in (
        ("/run/nginx.pid", f"{folder}/nginx.pid"),
        ("/var/log/nginx/error.log", f"{folder}/error.log"),
        ("/etc/ssl/talk.pem", str(pair.cert)),
        ("/etc/ssl/talk.key", str(pair.key)),
        ("127.0.0.1:8000", f"127.0.0.1:{ports.audience}"),
        ("127.0.0.1:8001", f"127.0.0.1:{ports.studio}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{ports.secure} ssl"),
        ("listen 80;", f"listen 127.0.0.1:{ports.plain};"),
        ("worker_processes auto;", "worker_processes 1; daemon off;"),
        ("worker_connections 40000;", "worker_connections 1000;"),
        ("worker_rlimit_nofile 100000;", ""),
    ):
        assert old in text, old
        text = text.replace(old, new)
    text = re.sub(r"listen \[::\]:\d+( ssl)?;", "", text)  # not every machine has IPv6
    (folder / "nginx.conf").write_text(text)
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, pair: Pair, ports: Ports) -> list[str]:
    text = (EXAMPLES / "Caddyfile").read_text()
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{ports.audience}")
    text = text.replace("127.0.0.1:8001", f"127.0.0.1:{ports.studio}")
    for name in (TALK, STUDIO):
        # A certificate of ours, as no authority can look here.
        opened = f"{name}:{ports.secure} {{\n\tbind 127.0.0.1\n\ttls {pair.cert} {pair.key}\n"
        assert f"\n{name} {{\n" in text
        text = text.replace(f"\n{name} {{\n", f"\n{opened}")
    general = f"{{\n\tadmin off\n\thttp_port {ports.plain}\n\thttps_port {ports.secure}\n}}\n"
    (folder / "Caddyfile").write_text(general + text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES: dict[str, Callable[[Path, Pair, Ports], list[str]]] = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {
        "HUSTINGS_AUDIENCE_URL": f"https://{TALK}",
        "HUSTINGS_STUDIO_URL": f"https://{STUDIO}",
        "HUSTINGS_PROXIES": "127.0.0.1",
        "HUSTINGS_PER_ADDRESS": str(PER_ADDRESS),
    }
    with serve(tmp_path_factory.mktemp("proxied"), environment=environment) as server:
        yield server


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[Room]:
    room = server.room("Library", slug="library", speakers=["Ada"])
    room.open()
    command = [*HUSTINGS, "speak", "library", "--ticket", room.tickets["Ada"], "--file", str(VOICE), "--loop"]
    speaker = subprocess.Popen([*command, "--data", str(server.data)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: any(each.get("connected") for each in room.state()["participants"]))
        room.start()
        room.wait_for_state("live")
        yield room
    finally:
        speaker.send_signal(signal.SIGTERM)
        assert speaker.wait(30) == 0


class Front:
    """A proxy that runs, asked as a browser would that finds both names at 127.0.0.1."""

    def __init__(self, ports: Ports, trusting: ssl.SSLContext) -> None:
        self.ports = ports
        self.trusting = trusting
        self.client = httpx.Client(verify=trusting, trust_env=False, timeout=30)

    def request(self, name: str, path: str, method: str = "GET", **headers: str) -> httpx.Request:
        url = f"https://127.0.0.1:{self.ports.secure}{path}"
        told = {"Host": name, **headers}
        return self.client.build_request(method, url, headers=told, extensions={"sni_hostname": name})

    def get(self, name: str, path: str, **headers: str) -> httpx.Response:
        return self.client.send(self.request(name, path, **headers))

    @contextlib.contextmanager
    def stream(self, name: str, path: str) -> Iterator[httpx.Response]:
        response = self.client.send(self.request(name, path), stream=True)
        try:
            yield response
        finally:
            response.close()


@pytest.fixture(scope="module", params=sorted(PROXIES))
def front(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    server: Server,
) -> Iterator[Front]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    audience, studio = (urlsplit(url).port or 0 for url in (server.audience_url, server.studio_url))
    ports = Ports(free_port(), free_port(), audience, studio)
    pair = authority.issue("front", names=(TALK, STUDIO))
    # nginx gives its workers to another user when root starts it: they need no file of ours but these.
    command = PROXIES[request.param](folder, pair, ports)
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    front = Front(ports, ssl.create_default_context(cafile=str(authority.root)))
    try:
        until(lambda: process.poll() is None and _answers(front), within=60)
        yield front
    finally:
        front.client.close()
        process.terminate()
        process.wait(30)


def _answers(front: Front) -> bool:
    try:
        return front.get(TALK, "/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_pages_and_links(front: Front, live: Room) -> None:
    state = front.get(TALK, "/r/library/state.json").json()
    assert state["links"]["whep"] == f"https://{STUDIO}/whep/library"
    page = front.get(TALK, "/r/library", Accept="text/html")
    assert f"connect-src 'self' https://{STUDIO} wss://{STUDIO};" in page.headers["content-security-policy"]
    assert live.once["Ada"].startswith(f"https://{STUDIO}/s/library#")
    plain = httpx.get(
        f"http://127.0.0.1:{front.ports.plain}/r/library", headers={"Host": TALK}, trust_env=False
    )
    assert plain.status_code in (301, 308)
    assert plain.headers["location"].startswith(f"https://{TALK}")


def test_push_is_passed_on_as_it_comes(front: Front, live: Room) -> None:
    reader, media, latest = PushReader(), 0, 99.0
    with front.stream(TALK, "/r/library/live") as response:
        assert response.status_code == 200
        for data in response.iter_raw():
            for record in reader.feed(data):
                media += isinstance(record, Media)
                if isinstance(record, ServerClock):
                    latest = time.time() - record.wall_clock
            if media >= 40:
                break
    assert latest < 5, "held back on its way"


def test_streams_for_players(front: Front, live: Room) -> None:
    with front.stream(TALK, "/r/library/stream.ogg") as response:
        assert next(response.iter_raw()).startswith(b"OggS")


def test_blocking_reload(front: Front, live: Room) -> None:
    index = front.get(TALK, "/r/library/hls/index.m3u8").text
    path = next(line for line in index.splitlines() if line and not line.startswith("#"))
    address = httpx.URL("https://x/r/library/hls/index.m3u8").join(path).raw_path.decode()
    playlist = front.get(TALK, address).text
    first = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", playlist)
    assert first is not None
    following = int(first[1]) + playlist.count("#EXTINF") + 1
    begun = time.monotonic()
    answer = front.get(TALK, f"{address}{'&' if '?' in address else '?'}_HLS_msn={following}&_HLS_part=0")
    assert answer.status_code == 200
    assert time.monotonic() - begun > 0.5, "it did not wait for what is not there yet"
    later = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", answer.text)
    assert later is not None
    assert int(later[1]) + answer.text.count("#EXTINF") >= following


def test_byte_ranges(front: Front, live: Room) -> None:
    whole = front.get(TALK, "/static/img/card.png")
    assert whole.status_code == 200
    part = front.get(TALK, "/static/img/card.png", Range="bytes=100-299")
    assert part.status_code == 206
    assert part.content == whole.content[100:300]
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole.content)}"


def test_the_socket_of_events(front: Front, server: Server, live: Room) -> None:
    with (
        socket.create_connection(("127.0.0.1", front.ports.secure)) as sock,
        connect(
            f"wss://{STUDIO}/api/rooms/library/events",
            sock=sock,
            ssl=front.trusting,
            origin=Origin(f"https://{STUDIO}"),
            proxy=None,
        ) as events,
    ):
        events.send(json.dumps({"ticket": live.tickets["Ada"]}))
        assert json.loads(events.recv(timeout=30))["type"] == "state"


def test_the_studio_knows_its_address(front: Front, server: Server, live: Room) -> None:
    token = {"Authorization": f"Bearer {server.token}"}
    assert front.get(STUDIO, "/api/rooms", **token).json()
    cookie = front.client.send(
        front.client.build_request(
            "POST",
            f"https://127.0.0.1:{front.ports.secure}/api/setup",
            json={"secret": "x" * 32, "name": "olga", "password": "a long enough pass phrase"},
            headers={"Host": STUDIO, "Origin": "https://evil.example.org"},
            extensions={"sni_hostname": STUDIO},
        )
    )
    assert cookie.status_code == 403, "another site's page"


def test_listeners_are_counted_by_their_own_address(front: Front, server: Server, live: Room) -> None:
    """All come from 127.0.0.1 here, and no more may listen than from any one address; what a client says
    of itself in X-Forwarded-For counts for nothing."""
    heard: list[Iterator[bytes]] = []
    with contextlib.ExitStack() as stack:
        for n in range(PER_ADDRESS):
            request = front.request(TALK, "/r/library/live", **{"X-Forwarded-For": f"198.51.100.{n}"})
            response = front.client.send(request, stream=True)
            stack.callback(response.close)
            assert response.status_code == 200
            heard.append(response.iter_raw())  # kept: one that is dropped closes its connection
            next(heard[-1])
        request = front.request(TALK, "/r/library/live", **{"X-Forwarded-For": "198.51.100.99"})
        refused = front.client.send(request, stream=True)
        stack.callback(refused.close)
        assert refused.status_code == 429
        # Pages are for everybody all the same.
        assert front.get(TALK, "/healthz").status_code == 200
