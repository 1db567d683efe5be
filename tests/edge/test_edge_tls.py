"""TLS around a connection in memory: the gate and the deadlines reach handshakes, nothing is lost."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
from edge_memory import House, MemoryTransport, dechunk, make_house, read_answers, read_records

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))

from authority import Authority

from hustings.edge.protocol import HEADER_DEADLINE
from hustings.edge.tls import Pipes, TlsConnection
from hustings.tls.server import make_context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue()
    return make_context(pair.cert, pair.key)


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.root))


PIPES = Pipes()
"""One pair for all, as in an edge."""


class Secure:
    """A client with TLS of its own on a transport in memory."""

    def __init__(
        self, house: House, context: ssl.SSLContext, trusting: ssl.SSLContext, *, room: int | None = None
    ) -> None:
        self.transport = MemoryTransport(room=room)
        self.server = TlsConnection(house.edge.connection(), context, PIPES)
        self.transport.protocol = self.server  # type: ignore[assignment]  # it is a protocol, too
        self.server.connection_made(self.transport)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusting.wrap_bio(self._in, self._out, server_hostname="localhost")
        self.ended = False

    def shake_hands(self) -> None:
        for _ in range(4):
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._carry()
            else:
                break
        self._carry()

    def nothing_is_left(self) -> None:
        """Whatever happened, nothing of it is left for the next connection."""
        assert PIPES.incoming.pending == PIPES.outgoing.pending == 0

    def _carry(self) -> None:
        """What we say goes there, what came from there is taken in."""
        said = self._out.read()
        if said and not self.transport.lost:
            self.server.data_received(said)
        self.nothing_is_left()
        self._in.write(bytes(self.transport.taken))
        self.transport.taken.clear()

    def send(self, *pieces: bytes) -> None:
        """Each a record of its own; all of them in one read of the server."""
        for piece in pieces:
            self._tls.write(piece)
        self._carry()

    def read(self) -> bytes:
        self._carry()
        found = b""
        while True:
            try:
                piece = self._tls.read(65536)
            except ssl.SSLWantReadError:
                return found
            except ssl.SSLZeroReturnError:
                piece = b""
            if not piece:
                self.ended = True
                return found
            found += piece

    def end(self) -> None:
        """close_notify."""
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._carry()


GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_requests_and_replies(house: House, context: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    await house.room("scheduled")
    client = Secure(house, context, trusting)
    client.shake_hands()
    client.send(GET % b"/healthz")
    (answer,) = read_answers(client.read())
    assert answer.status == 200
    # Cut into records wherever; two requests; a file larger than a record holds.
    asked = GET % b"/static/js/player.js" + GET % b"/healthz"
    client.send(asked[:7], asked[7:60], asked[60:])
    first, second = read_answers(client.read())
    assert (first.status, second.status) == (200, 200)


async def test_a_body_of_many_records_arrives_whole(
    web: Path, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    (web / "big.png").write_bytes(bytes(range(256)) * 400)
    house = make_house(web)
    client = Secure(house, context, trusting)
    client.shake_hands()
    client.send(GET % b"/static/big.png")
    (answer,) = read_answers(client.read())
    assert answer.body == bytes(range(256)) * 400
    await house.end()


async def test_a_listener_hears_what_others_hear(
    house: House, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    await house.live(5)
    secure, plain = Secure(house, context, trusting), house.client()
    secure.shake_hands()
    secure.send(GET % b"/r/hall/live")
    plain.get("/r/hall/live")
    house.produce(3)
    house.step(0.5)
    heard = read_answers(secure.read())[0].body
    assert heard == plain.answers()[0].body
    assert read_records(dechunk(heard)[0]).kinds().count(2) >= 3
    assert len(house.edge.channels["hall"].push["opus"]) == 2
    secure.end()
    assert len(house.edge.channels["hall"].push["opus"]) == 1, "who says goodbye has left"


async def test_a_listener_who_does_not_read_is_left_out(
    house: House, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    await house.live(5)
    client = Secure(house, context, trusting)
    client.shake_hands()
    client.transport.room = 0
    client.send(GET % b"/r/hall/live")
    house.produce(100)
    assert client.transport.get_write_buffer_size() < 100_000
    house.step(25)
    assert client.transport.lost
    assert house.edge.metrics.cut["stalled_listener"] == 1


async def test_the_gate_judges_before_the_handshake(
    web: Path, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    house = make_house(web, per_address=2)
    idle = [Secure(house, context, trusting) for _ in range(2)]
    assert house.edge.gate.inside == 2
    third = Secure(house, context, trusting)
    third.shake_hands()
    third.send(GET % b"/healthz")
    assert read_answers(third.read())[0].status == 429
    many = [Secure(house, context, trusting) for _ in range(20)]
    assert many[-1].transport.lost, "cut without a word, and without a key exchange"
    house.step(HEADER_DEADLINE + 2)
    assert all(client.transport.lost for client in idle)
    assert house.edge.gate.inside == 0
    await house.end()


async def test_a_handshake_that_trickles_is_ended_in_time(
    house: House, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    client = Secure(house, context, trusting)
    for _ in range(12):
        house.step(1)
        if not client.transport.lost:
            client.server.data_received(b"\x16")
    assert client.transport.lost


async def test_what_is_no_handshake_is_ended_and_counted(
    house: House, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    for nonsense in (b"\x16" + b"x" * 600, b"\x16\x03\x01\x40\x00" + bytes(64 * 1024)):
        client = Secure(house, context, trusting)
        client.server.data_received(nonsense)
        assert client.transport.lost
    assert house.edge.metrics.cut["tls"] == 2
    good = Secure(house, context, trusting)
    good.shake_hands()
    good.server.data_received(b"\x17\x03\x03\x00\x20" + b"forged" * 600)
    assert good.transport.lost
    good.nothing_is_left()
    assert house.edge.metrics.cut["tls"] == 3


async def test_plain_http_is_told_to_use_tls(
    house: House, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    client = Secure(house, context, trusting)
    client.server.data_received(GET % b"/")
    (answer,) = read_answers(bytes(client.transport.taken))
    assert answer.status == 400
    assert "https://" in answer.json()["detail"]
    assert client.transport.lost


async def test_the_end_is_said(house: House, context: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    client = Secure(house, context, trusting)
    client.shake_hands()
    client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert read_answers(client.read())
    assert client.ended, "no close_notify: the client cannot tell an end from a cut"


async def test_a_bad_request_gets_its_answer_and_an_end(
    house: House, context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    client = Secure(house, context, trusting)
    client.shake_hands()
    client.send(b"NONSENSE\r\n\r\n")
    assert read_answers(client.read())[0].status == 400
    assert client.ended
    assert client.transport.eof_sent or client.transport.lost
