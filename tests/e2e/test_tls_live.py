"""Both doors with TLS, by a real server with a certificate of an authority of our own."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import HUSTINGS, Room, Server, serve, start, until
from playwright.sync_api import Browser
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))
from authority import Authority, Pair
from pages_browser import chromium, desk_is, go_on_stage, player, player_is

pytestmark = pytest.mark.e2e

VOICE = Path(__file__).parents[2] / "src" / "hustings" / "web" / "demo" / "host.opus"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Server]:
    environment = {"HUSTINGS_TLS_CERT": str(pair.cert), "HUSTINGS_TLS_KEY": str(pair.key)}
    with serve(tmp_path_factory.mktemp("tls"), environment=environment) as server:
        yield server


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[Room]:
    """A room in which `hustings speak --data` talks."""
    room = server.room("Library", slug="library", speakers=["Ada"])
    room.open()
    command = [*HUSTINGS, "speak", "library", "--ticket", room.tickets["Ada"], "--file", str(VOICE), "--loop"]
    speaker = subprocess.Popen([*command, "--data", str(server.data)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: "Ada" in json.dumps(room.state()) and _connected(room))
        room.start()
        room.wait_for_state("live")
        yield room
    finally:
        speaker.send_signal(signal.SIGTERM)
        assert speaker.wait(30) == 0


def _connected(room: Room) -> bool:
    return any(each.get("connected") for each in room.state()["participants"])


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.root))


def hustings(authority: Authority, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SSL_CERT_FILE": str(authority.root)}
    return subprocess.run(
        [*HUSTINGS, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def by_name(address: str) -> str:
    return address.replace("//127.0.0.1:", "//localhost:")


def test_doors_and_links_are_https(server: Server, live: Room, authority: Authority) -> None:
    assert server.audience_url.startswith("https://127.0.0.1:")
    assert live.once["Ada"].startswith(by_name(server.studio_url) + "/s/library#")
    with httpx.Client(verify=trusting(authority), trust_env=False) as client:
        state = client.get(f"{by_name(live.audience_url)}/state.json").json()
        assert state["links"]["whep"].startswith("https://localhost:")
        page = client.get(by_name(live.audience_url))
        assert page.headers["content-security-policy"].count("https://localhost:") == 1
        assert "strict-transport-security" not in page.headers, "only with --domain"
        assert client.get(f"{server.studio_url}/healthz").status_code == 200
    with httpx.Client(trust_env=False) as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
        stranger.get(f"{server.studio_url}/healthz")


@pytest.mark.parametrize("via", ["push", "hls", "stream", "whep"])
def test_listening_at_every_door(live: Room, authority: Authority, via: str) -> None:
    ended = hustings(
        authority, "listen", by_name(live.audience_url), "--via", via, "--seconds", "6", "--json"
    )
    assert ended.returncode == 0, ended.stderr
    heard = json.loads(ended.stdout)
    assert heard["seconds"] > 2
    if via == "push":
        assert heard["gaps"] == 0


def test_an_authority_nobody_knows_is_said_in_one_line(live: Room) -> None:
    ended = subprocess.run(
        [*HUSTINGS, "listen", live.audience_url, "--seconds", "2"], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "certificate" in ended.stderr


def test_the_page_plays_in_chromium(live: Room, browser: Browser) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    for door in ("push", "hls"):
        page.goto(f"{by_name(live.audience_url)}?door={door}")
        page.click("#play")
        player_is(page, "playing", within=40)
        assert player(page)["door"] == door
    context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_a_speakers_page_has_its_microphone_and_its_socket(server: Server, browser: Browser) -> None:
    """By WHIP over https from a page over https, and with the socket of events (wss)."""
    room = server.room("Salon", slug="salon", speakers=["Ben"])
    room.open()
    context = browser.new_context(ignore_https_errors=True, locale="en-GB")
    page = context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    go_on_stage(page, by_name(room.once["Ben"]))
    desk_is(page, "stage")
    until(lambda: _connected(room))
    assert page.evaluate("isSecureContext")
    assert sockets
    assert all(url.startswith("wss://localhost:") for url in sockets)
    context.close()


def test_the_sessions_cookie_is_for_tls_only(server: Server, authority: Authority) -> None:
    secret = (server.data / "keys" / "setup").read_text().strip()
    origin = by_name(server.studio_url)
    with httpx.Client(verify=trusting(authority), trust_env=False, headers={"Origin": origin}) as client:
        body = {"secret": secret, "name": "olga", "password": "a long enough pass phrase"}
        answer = client.post(f"{origin}/api/setup", json=body)
        assert answer.is_success, answer.text
        assert "secure" in answer.headers["set-cookie"].lower()


def test_old_versions_and_plain_http_are_refused(server: Server, authority: Authority) -> None:
    for url in (server.audience_url, server.studio_url):
        port = int(url.rpartition(":")[2])
        old = trusting(authority)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", port)) as sock, pytest.raises(ssl.SSLError):
            old.wrap_socket(sock, server_hostname="localhost")
    answer = httpx.get(server.audience_url.replace("https:", "http:"), trust_env=False)
    assert (answer.status_code, "https://" in answer.text) == (400, True)


def _serial(url: str, authority: Authority) -> str:
    with (
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as sock,
        trusting(authority).wrap_socket(sock, server_hostname="localhost") as secure,
    ):
        certificate = secure.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


def test_a_new_certificate_is_taken_while_a_listener_listens_on(
    server: Server, live: Room, authority: Authority
) -> None:
    before = {_serial(url, authority) for url in (server.audience_url, server.studio_url)}
    assert len(before) == 1
    stop, fault, heard = threading.Event(), [], [0]

    def listen() -> None:
        with httpx.Client(verify=trusting(authority), trust_env=False, timeout=10) as client:
            try:
                with client.stream("GET", f"{by_name(live.audience_url)}/live") as response:
                    for data in response.iter_raw():
                        heard[0] += len(data)
                        if stop.is_set():
                            return
                fault.append("ended")
            except httpx.HTTPError as error:
                fault.append(repr(error))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        until(lambda: heard[0] > 10_000)
        socket_url = by_name(server.studio_url).replace("https:", "wss:") + "/api/rooms/library/events"
        with connect(socket_url, ssl=trusting(authority), proxy=None) as events:
            events.send(json.dumps({"ticket": server.token}))
            events.recv(timeout=30)
            authority.issue()
            server.process.send_signal(signal.SIGHUP)
            until(lambda: _serial(server.audience_url, authority) not in before)
            until(lambda: _serial(server.studio_url, authority) not in before)
            # A key that does not fit: said in the log, and the good one stays.
            (authority.folder / "server.key").write_bytes(authority.issue("other").key.read_bytes())
            until(lambda: "certificate not reloaded" in server.log.read_text())
            for url in (server.audience_url, server.studio_url):
                assert _serial(url, authority) not in before
            authority.issue()
            at = heard[0]
            until(lambda: heard[0] > at + 10_000)
            events.ping().wait(30)
        assert fault == []
    finally:
        stop.set()
        thread.join(30)


def test_the_doctor_finds_a_running_server_well(server: Server, live: Room) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
    ended = subprocess.run(
        [*HUSTINGS, "doctor", "--data", str(server.data), "--json"],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["ok"]) == (0, True), ended.stdout
    texts = [each["what"] for each in told["findings"]]
    assert any(text.startswith("alive: bus, edge-0,") for text in texts)
    assert sum("door answers at https://127.0.0.1:" in text for text in texts) == 2
    assert any("the stage holds UDP port" in text for text in texts)
    assert any("is good for" in text and "localhost" in text for text in texts)


def test_what_cannot_be_served_is_said_in_one_line(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    old, good = authority.issue("old", age=40, days=-3), authority.issue("good")
    for cert, key, words in (
        (old.cert, old.key, "expired 3 days ago"),
        (good.cert, old.key, "does not fit"),
        (tmp_path / "none", old.key, "No such file"),
    ):
        command = [*HUSTINGS, "serve", f"--data={tmp_path}/d", f"--tls-cert={cert}", f"--tls-key={key}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert words in ended.stderr


def test_all_addresses_ipv6_too(tmp_path: Path, pair: Pair) -> None:
    if not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    environment = {"HUSTINGS_TLS_CERT": str(pair.cert), "HUSTINGS_TLS_KEY": str(pair.key)}
    server = start(tmp_path, environment=environment, host="[::]")
    try:
        for url in (server.audience_url, server.studio_url):
            port = url.rpartition(":")[2]
            for host in ("[::1]", "127.0.0.1"):
                answer = httpx.get(f"https://{host}:{port}/healthz", verify=server.verify, trust_env=False)
                assert answer.status_code == 200, (host, port)
    finally:
        assert server.stop() == 0


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
