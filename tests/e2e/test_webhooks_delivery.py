"""One delivery over a real socket: signed, to the address that was checked, never following anybody."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook as Receiver

from hustings.studio.webhooks import sender as sender_module
from hustings.studio.webhooks.sender import Outcome, Sender

pytestmark = pytest.mark.e2e

SECRET = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"
BODY = json.dumps({"type": "room.live", "data": {"room": {"title": "Bürgergespräch"}}}, ensure_ascii=False)
HOST = "hooks.example"


class Hook:
    """A receiver that answers one fixed thing and remembers what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.bodies: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = int(
                next(line for line in head.lower().split("\r\n") if "content-length" in line).split(":")[1]
            )
            self.bodies.append((await reader.readexactly(length)).decode())
            writer.write(self.answer)
            await writer.drain()
            await reader.read(1)
        writer.close()

    def headers(self) -> dict[str, str]:
        lines = [line.partition(":") for line in self.heads[-1].split("\r\n")[1:] if ":" in line]
        return {name.lower(): value.strip() for name, _, value in lines}


@contextlib.asynccontextmanager
async def receiver(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Hook]:
    hook = Hook(answer)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0, ssl=tls)
    hook.port = server.sockets[0].getsockname()[1]
    try:
        yield hook
    finally:
        server.close()


def lookup(*addresses: str) -> Callable[[str, int], object]:
    async def found(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return found


async def deliver(url: str, sender: Sender) -> Outcome:
    return await sender.send(url, SECRET, "msg_1", BODY, time.time())


async def test_a_delivery_goes_to_the_checked_address_under_the_asked_name_and_can_be_verified() -> None:
    async with receiver(b"HTTP/1.1 204 No Content\r\n\r\n") as hook:
        sender = Sender(True, lookup("127.0.0.1"))  # type: ignore[arg-type]
        outcome = await deliver(f"http://{HOST}:{hook.port}/a?b=c", sender)
        assert outcome == Outcome(True, 204, "HTTP 204")
        assert hook.heads[0].startswith("POST /a?b=c HTTP/1.1")
        headers = hook.headers()
        assert headers["host"] == f"{HOST}:{hook.port}"
        assert "cookie" not in headers
        assert Receiver(SECRET).verify(hook.bodies[0], headers)["type"] == "room.live"


async def test_redirects_are_not_followed() -> None:
    async with receiver(b"HTTP/1.1 204 No Content\r\n\r\n") as inside:
        answer = f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
        async with receiver(answer.encode()) as hook:
            sender = Sender(True, lookup("127.0.0.1"))  # type: ignore[arg-type]
            outcome = await deliver(f"http://{HOST}:{hook.port}/", sender)
        assert (outcome.delivered, outcome.status) == (False, 307)
        assert inside.heads == []


async def test_a_private_target_is_never_connected_to() -> None:
    async with receiver(b"HTTP/1.1 204 No Content\r\n\r\n") as hook:
        for resolve in (lookup("127.0.0.1"), lookup("93.184.216.34", "127.0.0.1")):
            sender = Sender(False, resolve)  # type: ignore[arg-type]
            outcome = await deliver(f"https://{HOST}:{hook.port}/", sender)
            assert outcome.forbidden
        assert hook.heads == []


async def test_the_answers_body_is_not_read_and_a_slow_one_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 70_000) as hook:
        sender = Sender(True, lookup("127.0.0.1"))  # type: ignore[arg-type]
        outcome = await asyncio.wait_for(deliver(f"http://{HOST}:{hook.port}/", sender), 5)
        assert outcome.delivered
    monkeypatch.setattr(sender_module, "TIMEOUT", 0.3)
    async with receiver(b"") as hook:
        outcome = await deliver(f"http://{HOST}:{hook.port}/", sender)
        assert (outcome.delivered, outcome.status) == (False, 0)
        assert "No answer" in outcome.note


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"\x00",
    ],
)
async def test_what_is_no_http_is_a_failure_never_an_error(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "TIMEOUT", 1.0)
    async with receiver(answer) as hook:
        sender = Sender(True, lookup("127.0.0.1"))  # type: ignore[arg-type]
        outcome = await deliver(f"http://{HOST}:{hook.port}/", sender)
        assert (outcome.delivered, outcome.status) == (False, 0)


async def test_the_next_address_of_a_name_is_tried() -> None:
    async with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as hook:
        sender = Sender(True, lookup("::1", "127.0.0.1"))  # type: ignore[arg-type]
        assert (await deliver(f"http://{HOST}:{hook.port}/", sender)).delivered


async def test_a_receiver_says_when_to_come_again_or_never() -> None:
    busy = b"HTTP/1.1 429 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
    gone = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
    for answer, expected in (
        (busy, Outcome(False, 429, "HTTP 429", 120.0)),
        (gone, Outcome(False, 410, "HTTP 410", gone=True)),
    ):
        async with receiver(answer) as hook:
            sender = Sender(True, lookup("127.0.0.1"))  # type: ignore[arg-type]
            assert await deliver(f"http://{HOST}:{hook.port}/", sender) == expected


async def test_the_certificate_is_that_of_the_name_not_of_the_address(tmp_path: Path) -> None:
    for name, good in ((HOST, True), ("other.example", False)):
        server, authority = certificate(tmp_path, name)
        async with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", server) as hook:
            sender = Sender(True, lookup("127.0.0.1"))  # type: ignore[arg-type]
            url = f"https://{HOST}:{hook.port}/"
            assert not (await deliver(url, sender)).delivered  # nobody vouches for it
            sender._context().load_verify_locations(authority)
            outcome = await deliver(url, sender)
            assert outcome.delivered is good, outcome


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for `name`, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name != HOST:
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = folder / f"{name}.key"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return context, pem
