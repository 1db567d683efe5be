"""WebRTC peers on libdatachannel, polled: AnsweringPeer (the stage), OffererPeer (clients).

No Python callback is ever registered with libdatachannel: with callbacks its calls wait for the
interpreter lock that they hold. State is asked for, packets are taken from the track's own bounded
queue (1 MiB in libdatachannel; what does not fit is dropped there).

All methods may be called from any thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import secrets
import socket
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import libdatachannel as rtc

from hustings.errors import Corrupt, Refused, Unavailable
from hustings.stage.webrtc import rtcp, sdp
from hustings.stage.webrtc.rtp import LEVEL_URI, RtpStream, is_rtcp
from hustings.turn import IceServer, read_relay

Description: Any = rtc.Description  # type: ignore[attr-defined]  # hidden by an import in their stub

type PeerState = Literal["connecting", "connected", "closed"]

LEVEL_ID = 1
"""The header extension id our own offers give to the audio level."""
OPUS_PAYLOAD_TYPE = 111
"""What our own offers number Opus, as browsers do."""
GATHERING_TIMEOUT = 3.0
"""Seconds for our own host candidates; there is no STUN server to wait for."""
SETTLE_TIME = 0.3
"""Seconds that libdatachannel's threads are given after the last close before the process may end."""
_OPUS_FORMAT = "minptime=10;useinbandfec=1"
_DIRECTIONS = {
    "sendonly": Description.Direction.SendOnly,
    "recvonly": Description.Direction.RecvOnly,
    "sendrecv": Description.Direction.SendRecv,
}
_open: weakref.WeakSet[_Peer] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class MediaDoor:
    """The one UDP port of the stage. `public_addresses` go into answers (NAT 1:1), with this port."""

    address: str
    port: int
    public_addresses: tuple[str, ...] = ()

    @property
    def bind_address(self) -> str | None:
        """None for all interfaces."""
        return None if self.address in ("0.0.0.0", "::", "") else self.address  # noqa: S104

    @property
    def near(self) -> tuple[str, int]:
        """Where this machine reaches it."""
        return self.bind_address or "127.0.0.1", self.port

    def listen(self) -> HeldPort:
        """Takes the UDP port and holds it, also while there is no peer. Port 0: a free one is chosen.

        Raises Unavailable when the port is in use.
        """
        port = self.port
        if port == 0:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((self.bind_address or "", 0))
                port = int(probe.getsockname()[1])
        return HeldPort(MediaDoor(self.address, port, self.public_addresses))


class HeldPort:
    """The media port, open until `stop`.

    Held by a connection that nobody answers. libdatachannel's own IceUdpMuxListener cannot be used: its
    stop() does not find a port bound to one address again, and the next STUN request for a session that is
    no more then goes to a freed object and ends the process.
    """

    def __init__(self, door: MediaDoor) -> None:
        self.door = door
        self._connection: rtc.PeerConnection | None = rtc.PeerConnection(_mux_configuration(door))
        self._track: rtc.Track | None = self._connection.add_track(
            _audio("0", "recvonly", OPUS_PAYLOAD_TYPE, 0, 0)
        )
        try:
            self._connection.set_local_description(Description.Type.Offer)
        except RuntimeError as error:
            self.stop()
            raise Unavailable(
                f"UDP port {door.address}:{door.port} cannot be opened; is another stage running?"
            ) from error

    def stop(self) -> None:
        """Gives the port back, once the peers on it are closed too. May be repeated."""
        connection, self._connection, self._track = self._connection, None, None
        if connection is not None:
            connection.close()
            _Peer.last_closed = time.monotonic()


class Far(NamedTuple):
    """What the other side said last of what we send it."""

    at: float
    """Monotonic time."""
    lost: float
    """Share of the packets since its report before that did not arrive, 0..1."""
    round_trip: float | None
    """Seconds; None until it has answered a report of ours."""


class _Peer:
    """What both sides share."""

    last_closed = -SETTLE_TIME
    """Monotonic time of the last close of any peer."""

    def __init__(self, connection: rtc.PeerConnection, track: rtc.Track, stream: RtpStream) -> None:
        self._connection: rtc.PeerConnection | None = connection
        self._track: rtc.Track | None = track
        self.stream = stream
        """Counts and builds the packets we send."""
        self.far: Far | None = None
        self._reception = rtcp.Reception()
        self._reporter = stream.ssrc or _new_ssrc()
        _open.add(self)

    @property
    def state(self) -> PeerState:
        """ "connected" once packets can be sent; "closed" also when it failed or the other side's consent
        expired (RFC 7675), which takes up to 30 s."""
        connection, track = self._connection, self._track
        if connection is None or track is None:
            return "closed"
        match connection.state():
            case rtc.PeerConnection.State.New | rtc.PeerConnection.State.Connecting:
                return "connecting"
            case rtc.PeerConnection.State.Connected | rtc.PeerConnection.State.Disconnected:
                return "connected" if track.is_open() else "connecting"
            case _:
                return "closed"

    def receive(self) -> bytes | None:
        """The next RTP packet that has arrived, or None. RTCP is told apart (RFC 5761) and read here."""
        track = self._track
        if track is None:
            return None
        for _ in range(64):
            data = track.receive()
            if data is None:
                return None
            if not isinstance(data, bytes):
                continue
            if not is_rtcp(data):
                self._reception.take(data, time.monotonic())
                return data
            self._hear(data)
        return None

    def _hear(self, data: bytes) -> None:
        """RTCP of the other side. What cannot be read is passed over: it costs nobody anything."""
        with contextlib.suppress(Corrupt):
            reports = rtcp.read(data)
            now = time.monotonic()
            if reports.sender is not None:
                self._reception.sender_report(reports.sender, now)
            for block in reports.blocks:
                if block.ssrc == self.stream.ssrc:
                    self.far = Far(now, block.lost, rtcp.round_trip(block, now + rtcp.NTP_EPOCH))

    def report(self) -> None:
        """Tells the other side what arrived of its sound and how much we sent; to be called once a second
        (RFC 3550 section 6.2 lets two that talk to one another do so at such intervals)."""
        now = time.monotonic()
        block = self._reception.block(now)
        sent = self.stream.sent
        # A clock of its own: reports need one that does not jump, and nobody sets his by it.
        packet = rtcp.write(
            self._reporter, block, sent=sent if sent.packets else None, ntp=now + rtcp.NTP_EPOCH
        )
        if block or sent.packets:
            self.send(packet)

    def send(self, packet: bytes) -> bool:
        """Sends one RTP packet; False when it could not go out (not connected yet, closed, full)."""
        track = self._track
        if track is None:
            return False
        try:
            return track.send(packet)
        except RuntimeError:
            return False

    def add_candidates(self, candidates: tuple[str, ...], mid: str) -> None:
        """Adds trickled candidates as `sdp.read_fragment` gives them."""
        connection = self._connection
        if connection is None:
            return
        for candidate in candidates:
            # libdatachannel refuses candidates before a description and some it cannot use.
            with contextlib.suppress(RuntimeError, ValueError):
                connection.add_remote_candidate(rtc.Candidate(candidate, mid))

    def round_trip(self) -> float | None:
        """Seconds, as the transport measured it last; None when it did not."""
        connection = self._connection
        rtt = connection.rtt() if connection else None
        return rtt.total_seconds() if rtt else None

    def close(self) -> None:
        """Ends the connection. May be repeated."""
        connection, self._connection, self._track = self._connection, None, None
        _open.discard(self)
        if connection is not None:
            connection.close()
            _Peer.last_closed = time.monotonic()


class AnsweringPeer(_Peer):
    """The stage's side of one session."""

    offer: sdp.Session
    answer: str
    """SDP text of our answer."""
    ufrag: str
    password: str
    """What connectivity checks of the other side are named and signed with (RFC 8445 5.3)."""

    @classmethod
    async def create(cls, offer: sdp.Session, door: MediaDoor) -> AnsweringPeer:
        """Answers a checked offer on the shared UDP port.

        An offer that is sendrecv or recvonly gets our own stream (`sends`); sendonly is answered
        recvonly. Raises Refused (422) when libdatachannel does not take the offer, Unavailable when
        no candidate was found.
        """
        connection = rtc.PeerConnection(_mux_configuration(door))
        try:
            direction = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(offer.direction, "sendrecv")
            ssrc = 0 if direction == "recvonly" else _new_ssrc()
            # The own track, with its SSRC, must be there before the remote description is.
            track = connection.add_track(
                _audio(offer.mid, direction, offer.payload_type, offer.level_id, ssrc)
            )
            peer = cls(connection, track, _stream(ssrc, offer.payload_type, offer.level_id))
            peer.offer = offer
            named = _credentials()
            peer.ufrag, peer.password = named.ice_ufrag or "", named.ice_pwd or ""
            try:
                connection.set_remote_description(Description(offer.text(), Description.Type.Offer))
                connection.set_local_description(Description.Type.Answer, named)
            except (RuntimeError, ValueError) as error:
                raise Refused(422, "This offer cannot be served", str(error)[:200]) from error
            text = await _gathered(connection)
        except BaseException:
            connection.close()
            raise
        peer.answer = sdp.with_candidates(text, door.public_addresses, door.port)
        return peer

    @property
    def sends(self) -> bool:
        """Whether the other side wants our sound."""
        return self.offer.direction != "sendonly"


class OffererPeer(_Peer):
    """A client's side: WHIP (`sendonly`, or `sendrecv` to hear the others) or WHEP (`recvonly`).

    peer = await OffererPeer.create("sendrecv")
    peer.apply(answer)                   # the text that POST peer.offer gave back
    await peer.connected()
    peer.send(peer.stream.next(opus_packet, level=30))
    """

    offer: str
    """SDP text of our offer, all candidates in it."""

    @classmethod
    async def create(
        cls,
        direction: Literal["sendonly", "sendrecv", "recvonly"],
        *,
        bind_address: str | None = None,
        relays: Sequence[IceServer] = (),
        relay_only: bool = False,
    ) -> OffererPeer:
        """Makes an offer; `bind_address` keeps it on one interface. `relays`: those by UDP are used, others
        the library cannot; `relay_only`: and nothing else. Raises Unavailable."""
        configuration = _configuration(bind_address)
        configuration.ice_servers = [server for relay in relays if (server := _ice_server(relay))]
        if relay_only:
            configuration.ice_transport_policy = rtc.TransportPolicy.Relay
        connection = rtc.PeerConnection(configuration)
        try:
            ssrc = 0 if direction == "recvonly" else _new_ssrc()
            track = connection.add_track(_audio("0", direction, OPUS_PAYLOAD_TYPE, LEVEL_ID, ssrc))
            peer = cls(connection, track, _stream(ssrc, OPUS_PAYLOAD_TYPE, LEVEL_ID))
            connection.set_local_description(Description.Type.Offer)
            peer.offer = await _gathered(connection)
        except BaseException:
            connection.close()
            raise
        return peer

    def apply(self, answer: str) -> sdp.Session:
        """Takes the server's answer. Raises Refused when it is none, or not one to our offer."""
        session = sdp.read_answer(answer)
        connection = self._connection
        if connection is None:
            raise Unavailable("the connection is closed")
        if session.payload_type != OPUS_PAYLOAD_TYPE:
            raise Refused(422, "Not an answer to our offer", "another payload type", "a=rtpmap")
        self.stream.level_id = session.level_id
        try:
            connection.set_remote_description(Description(session.text(), Description.Type.Answer))
        except (RuntimeError, ValueError) as error:
            raise Refused(422, "Not an answer to our offer", str(error)[:200]) from error
        return session

    async def connected(self, timeout: float = 15.0) -> None:
        """Waits until media can flow. Raises Unavailable when it fails or takes too long."""
        end = time.monotonic() + timeout
        while (state := self.state) != "connected":
            if state == "closed":
                raise Unavailable("The server's media port did not accept the connection.")
            if time.monotonic() > end:
                raise Unavailable(
                    f"No media connection within {timeout:g} s; does a firewall block UDP to the server?"
                )
            await asyncio.sleep(0.005)


def _ice_server(server: IceServer) -> rtc.IceServer | None:
    """For libdatachannel's ICE (libjuice), which speaks TURN over UDP only."""
    relay = read_relay(server.url)
    if relay.kind == "stun":
        return rtc.IceServer(relay.host, relay.port)
    if relay.kind == "turns" or relay.transport != "udp":
        return None
    return rtc.IceServer(
        relay.host, relay.port, server.username, server.credential, rtc.IceServer.RelayType.TurnUdp
    )


def _configuration(bind_address: str | None) -> rtc.Configuration:
    configuration = rtc.Configuration()
    configuration.bind_address = bind_address
    configuration.disable_auto_negotiation = True
    return configuration


def _mux_configuration(door: MediaDoor) -> rtc.Configuration:
    """All peers on the one port."""
    configuration = _configuration(door.bind_address)
    configuration.enable_ice_udp_mux = True
    configuration.port_range_begin = configuration.port_range_end = door.port
    return configuration


def _audio(mid: str, direction: str, payload_type: int, level_id: int, ssrc: int) -> Any:
    audio = Description.Audio(mid, _DIRECTIONS[direction])
    audio.add_opus_codec(payload_type, _OPUS_FORMAT)
    if ssrc:
        audio.add_ssrc(ssrc, "hustings", "hustings", "audio")
    if level_id:
        audio.add_ext_map(Description.Entry.ExtMap(level_id, LEVEL_URI))
    return audio


def _credentials() -> rtc.LocalDescriptionInit:
    """A name nobody guesses, besides the password (RFC 8445 5.3 lets it have 256 characters).

    libjuice takes four of its own for enough, and gives a stranger's datagrams to the session's DTLS once it
    has had a request with that name, however signed, and an indication from his address: who tries all names
    ends other people's sessions with a broken ClientHello (found by fuzzing/native.py).
    """
    init = rtc.LocalDescriptionInit()
    init.ice_ufrag, init.ice_pwd = secrets.token_hex(16), secrets.token_hex(16)
    return init


def _new_ssrc() -> int:
    return 1 + secrets.randbelow(0xFFFF_FFFE)


def _stream(ssrc: int, payload_type: int, level_id: int) -> RtpStream:
    return RtpStream(
        ssrc,
        payload_type,
        # RFC 3550 5.1; the upper half is left out so that a first wrap is not mistaken (RFC 3711 3.3.1).
        sequence=secrets.randbelow(0x8000),
        timestamp=secrets.randbits(32),
        level_id=level_id,
    )


async def _gathered(connection: rtc.PeerConnection) -> str:
    """The local description once all host candidates are in it (they nearly always are at once)."""
    end = time.monotonic() + GATHERING_TIMEOUT
    while connection.gathering_state() != rtc.PeerConnection.GatheringState.Complete:
        if time.monotonic() > end:
            raise Unavailable("No network address for media was found.")
        await asyncio.sleep(0.002)
    description = connection.local_description()
    if description is None:
        raise Unavailable("No media description was made.")
    return str(description)


@atexit.register
def _settle() -> None:
    """libdatachannel aborts a process that ends while its threads are still closing a connection."""
    for peer in list(_open):
        peer.close()
    if time.monotonic() - _Peer.last_closed < SETTLE_TIME:
        time.sleep(SETTLE_TIME)
