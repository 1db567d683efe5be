"""`--domain`: a certificate comes by itself from an authority that really looks, and is renewed."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import load_pem_x509_certificates
from harness import HUSTINGS, Server, serve, until

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))
from acme_server import AcmeServer, acme_server
from authority import Authority

from hustings.clients import trust
from hustings.clients.api import StudioApi
from hustings.errors import HustingsError
from hustings.supervisor.doors import free_port
from hustings.tls.acme_client import Acme, AcmeFailed
from hustings.tls.files import read_certificate
from hustings.tls.http_door import HttpDoor

pytestmark = pytest.mark.e2e

DOMAIN = "localhost"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def acme(authority: Authority) -> Iterator[AcmeServer]:
    with acme_server(authority, free_port()) as server:
        yield server


def environment(acme: AcmeServer) -> dict[str, str]:
    return {
        "HUSTINGS_DOMAIN": DOMAIN,
        "HUSTINGS_HTTP_DOOR": f"127.0.0.1:{acme.http_port}",
        "HUSTINGS_ACME_DIRECTORY": acme.url,
    }


def shown(url: str, authority: Authority) -> str:
    """Serial number of the certificate a browser that knows the authority is shown; "" when it refuses."""
    context = ssl.create_default_context(cafile=str(authority.root))
    try:
        with (
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as sock,
            context.wrap_socket(sock, server_hostname=DOMAIN) as secure,
        ):
            certificate = secure.getpeercert()
            assert certificate is not None
            return str(certificate["serialNumber"])
    except ssl.SSLCertVerificationError:
        return ""


def both(server: Server, authority: Authority) -> set[str]:
    return {shown(url, authority) for url in (server.audience_url, server.studio_url)}


def test_the_whole_life_of_a_certificate(tmp_path: Path, authority: Authority, acme: AcmeServer) -> None:
    acme.days = 0.5 / 24 / 60  # half a minute: due again at once
    with serve(tmp_path, environment=environment(acme)) as server:
        first = until(lambda: shown(server.audience_url, authority))
        path = server.data / "keys" / f"tls-{DOMAIN}.pem"
        assert path.stat().st_mode & 0o777 == 0o600
        assert (server.data / "keys" / "acme-account.json").stat().st_mode & 0o777 == 0o600
        acme.days = 90
        server.process.send_signal(signal.SIGHUP)
        until(lambda: read_certificate(path, path).days_left(time.time()) > 80 or None)
        second = {f"{load_pem_x509_certificates(path.read_bytes())[0].serial_number:X}"}
        until(lambda: {serial.lstrip("0") for serial in both(server, authority)} == second)
        assert first not in second
        assert len(acme.accounts) == 1, "one account for all orders"
        assert len(acme.proofs) == len([order for order in acme.orders if order.status == "valid"]) >= 2

        home = f"https://{DOMAIN}:{server.audience_url.rpartition(':')[2]}"
        plain = f"http://127.0.0.1:{acme.http_port}"
        for target in ("/", "/r/library?door=hls"):
            answer = httpx.get(plain + target, headers={"Host": "evil.example.org"}, trust_env=False)
            assert (answer.status_code, answer.headers["location"]) == (308, home + target)
        gone = httpx.get(f"{plain}/.well-known/acme-challenge/{acme.orders[0].token}", trust_env=False)
        assert gone.status_code == 404

        # What was to be believed at the start was the placeholder.
        server.verify = trust.only(path)
        server.api.close()
        server.api = StudioApi(server.studio_url, server.token, verify=server.verify)
        for url in (server.audience_url, server.studio_url):
            answer = httpx.get(f"{url}/healthz", verify=server.verify, trust_env=False)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        invited = server.room("Salon", slug="salon", speakers=["Ben"])
        assert invited.once["Ben"].startswith(f"https://{DOMAIN}:")

        # Nothing to do: nobody is asked again.
        orders = len(acme.orders)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log.read_text().count("looking at certificates") == 2)
        assert {serial.lstrip("0") for serial in both(server, authority)} == second
        assert len(acme.orders) == orders


def test_an_authority_that_is_away_never_ends_the_server(
    tmp_path: Path, authority: Authority, acme: AcmeServer
) -> None:
    acme.fault = "Too many certificates for this name."
    with serve(tmp_path, environment=environment(acme)) as server:
        until(lambda: "Too many certificates" in server.log.read_text())
        assert both(server, authority) == {""}, "the placeholder is no certificate to believe"
        for url in (server.audience_url, server.studio_url):
            assert httpx.get(f"{url}/healthz", verify=server.verify, trust_env=False).status_code == 200
        failing = re.compile(r"^hustings_certificate_failing\S* 1", re.MULTILINE)  # not what its HELP says
        until(lambda: failing.search(httpx.get(server.metrics_url).text))
        doctor = [*HUSTINGS, "doctor", f"--data={server.data}", "--json"]
        ended = subprocess.run(doctor, capture_output=True, text=True, timeout=60)
        faults = [each for each in json.loads(ended.stdout)["findings"] if each["level"] == "wrong"]
        assert ended.returncode == 1
        assert {each["subject"] for each in faults} == {"certificate", "server"}
        acme.fault = ""
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "" not in both(server, authority) or None)


def test_what_the_authority_says_is_passed_on(tmp_path: Path, authority: Authority, acme: AcmeServer) -> None:
    client = Acme(acme.url, tmp_path / "account.json")
    with pytest.raises(AcmeFailed, match=r"could not prove talk\.example\.org: http://127\.0\.0\.1.*Connect"):
        client.obtain("talk.example.org", lambda token, text: None)
    nobody = Acme(f"http://127.0.0.1:{free_port()}", tmp_path / "account.json")
    with pytest.raises(HustingsError, match="cannot be reached"):
        nobody.obtain("talk.example.org", lambda token, text: None)


def test_an_account_that_was_lost_is_found_again_by_its_key(
    tmp_path: Path, authority: Authority, acme: AcmeServer
) -> None:
    """The file's address of the account is gone, the key is not: the authority tells it (section 7.3.1)."""
    path = tmp_path / "account.json"
    with pytest.raises(AcmeFailed):
        Acme(acme.url, path).obtain("a.example.org", lambda token, text: None)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "uri": ""}))
    with pytest.raises(AcmeFailed, match="could not prove"):
        Acme(acme.url, path).obtain("a.example.org", lambda token, text: None)
    assert json.loads(path.read_text())["uri"] == kept["uri"]
    assert len(acme.accounts) == 1


def test_a_server_starts_with_what_it_had(tmp_path: Path, authority: Authority, acme: AcmeServer) -> None:
    """With a good certificate in the folder nobody is asked."""
    pair = authority.issue("kept", names=(DOMAIN,), days=80, age=10)
    keys = tmp_path / "data" / "keys"
    keys.mkdir(parents=True)
    path = keys / f"tls-{DOMAIN}.pem"
    path.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
    with serve(tmp_path, environment=environment(acme)) as server:
        assert "" not in both(server, authority)
        until(lambda: "http      http" in server.log.read_text() or None)
    assert acme.orders == []
    assert read_certificate(path, path).names == (DOMAIN,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--domain", "Talk Example"], "is no host name"),
        (["--domain", "192.0.2.1"], "is no host name"),
        (["--domain", "-x.example.org"], "is no host name"),
        (["--domain", "a.example.org", "--tls-cert", "x"], "either --domain"),
        (["--tls-key", "x"], "give --tls-cert"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    doors = [f"--{name}=127.0.0.1:0" for name in ("audience", "studio", "media", "metrics")]
    command = [*HUSTINGS, "serve", f"--data={tmp_path}/d", *doors, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert words in ended.stderr


def test_port_80_bears_nonsense() -> None:
    """Nothing but a plain GET or HEAD is answered with anything, and a slow client holds nothing."""
    import asyncio

    async def ask(door: HttpDoor, data: bytes) -> bytes:
        server = await asyncio.start_server(door.connected, "127.0.0.1", 0, limit=8192)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        try:
            writer.write(data)
            writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
            server.close()

    door = HttpDoor("https://talk.example.org")
    begun = time.monotonic()
    for data, status in (
        (b"GET / HTTP/1.1\r\n\r\n", b"308"),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"GET http://evil.example.org/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /x\r\ny HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", b""),
        (b"GET / HT", b""),
    ):
        answer = asyncio.run(ask(door, data))
        assert answer[9:12] == status, data[:30]
        assert b"evil" not in answer
    assert time.monotonic() - begun < 10
