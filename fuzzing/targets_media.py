"""What is fuzzed of sound, files and messages: RTP, SDP, CMAF, push records, playlists, bus, archive."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import fuzz_cmaf
import fuzz_receiver
import fuzz_rtp
import msgspec
from engine import Target

from hustings.archive import segment_file, track_file
from hustings.bus import messages
from hustings.clients import hls_playlist, push_reader
from hustings.cmaf.ogg import OggOpusWriter
from hustings.errors import Corrupt, HustingsError, Refused
from hustings.stage.engine import BroadcastEngine
from hustings.stage.webrtc import rtp, sdp, stun

OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=ice-options:trickle
a=fingerprint:sha-256 {fingerprint}
m=audio 9 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 0.0.0.0
a=mid:0
a=sendrecv
a=rtcp-mux
a=setup:actpass
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=ssrc:12345 cname:x
a=candidate:1 1 UDP 2122317823 127.0.0.1 40000 typ host
a=end-of-candidates
""".format(fingerprint=":".join(["AB"] * 32)).replace("\n", "\r\n")


class Rtp(Target):
    """The parser: only Corrupt leaves it, and a payload is part of its packet."""

    name, share = "rtp", 2400

    def seeds(self) -> list[bytes]:
        chance = random.Random(1)
        return [fuzz_rtp.seed_packet(chance) for _ in range(40)] + [b"\x80\xc8" + bytes(26), b"\x80\x48"]

    def check(self, data: bytes) -> None:
        rtp.is_rtcp(data)
        for level_id in {0, 1, len(data) % 15}:
            try:
                packet = rtp.parse(data, level_id)
            except Corrupt:
                continue
            assert packet.payload in data
            assert packet.level is None or 0 <= packet.level <= 127


class Stun(Target):
    """Connectivity checks: what is read can be signed anew, and then holds what was put in."""

    name, share = "stun", 200
    _password = "0123456789abcdef0123456789abcdef"

    def seeds(self) -> list[bytes]:
        name, role = b"\0\x06\0\x09evtj:h6vY\0\0\0", b"\x80\x2a\0\x08" + bytes(8)
        rest = b"\0\x25\0\0" + b"\0\x24\0\x04\x6e\x7e\x1f\xff" + b"\0\x08\0\x14" + bytes(20)
        orders = (name + role + rest, role + name + rest)
        return [b"\0\x01" + len(each).to_bytes(2) + b"\x21\x12\xa4\x42" + bytes(12) + each for each in orders]

    def check(self, data: bytes) -> None:
        found = stun.read_check(data)
        if found is None:
            return
        assert not found.signed_with(self._password)
        again = stun.read_check(found.with_tie_breaker(7, self._password))
        assert again is not None
        assert (again.ufrag, again.tie_breaker) == (found.ufrag, 7)
        assert again.signed_with(self._password)


class Stage(Target):
    """A seat on the stage gets anything as RTP: the tick goes on, every packet is accounted."""

    name, share = "stage", 150

    def __init__(self) -> None:
        self._now = 0.0
        self._given = 0

    def seeds(self) -> list[bytes]:
        packets = fuzz_receiver.real_packets()
        return [
            rtp.build(111, 100 + number, 960 * number, 7, payload, extensions={1: b"\x9e"})
            for number, payload in enumerate(packets)
        ]

    def make(self, chance: random.Random) -> bytes | None:
        """What would come next, mostly: the jitter buffer must have something to do."""
        payload = fuzz_receiver.payload(chance)
        sequence = self._given if chance.random() < 0.9 else chance.getrandbits(16)
        return rtp.build(111, sequence, 960 * sequence, 7, payload[:1400], extensions={1: b"\x9e"})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._now, self._given = 0.0, 0
        self._engine = BroadcastEngine("20261122T160000-abcdef", "room", levelling=False)
        for name in ("ada", "ben"):
            self._engine.connect(
                name,
                participant_id=name,
                name=name,
                role="speaker",
                muted=False,
                payload_type=111,
                level_id=1,
                returns=True,
            )
        yield

    def check(self, data: bytes) -> None:
        self._engine.packet("ada", data, self._now)
        self._given += 1
        if self._given % 2 == 0:
            self._now += 0.02
            self._engine.tick(self._now, 1_790_000_000.0 + self._now, 0)


class Receiver(Target):
    """A jitter buffer's whole life, some hundred packets, from a seed of eight bytes."""

    name, share = "receiver", 2

    def seeds(self) -> list[bytes]:
        return [bytes(8)]

    def make(self, chance: random.Random) -> bytes | None:
        return chance.randbytes(8)

    def check(self, data: bytes) -> None:
        fuzz_receiver.once(int.from_bytes(data[:8]))


class Sdp(Target):
    """Offers, answers and trickle fragments: Refused (4xx) or a new text without a foreign byte."""

    name, share = "sdp", 500
    tokens = (
        b"a=mid:0\r\n",
        b"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
        b"a=candidate:1 1 UDP 1 ::1 1 typ host\r\n",
        b"a=ice-ufrag:",
        b"a=setup:passive\r\n",
        b"a=recvonly\r\n",
        b"a=extmap:15 ",
        b"9" * 4000,
    )

    def seeds(self) -> list[bytes]:
        offer = OFFER.encode()
        fragment = (
            b"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        )
        answer = offer.replace(b"actpass", b"active")
        return [
            offer,
            answer,
            offer.replace(b"\r\n", b"\n"),
            fragment + b"a=candidate:1 1 UDP 1 ::1 9 typ host",
        ]

    def check(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        for read in (
            lambda: sdp.read_offer(text, "ingest"),
            lambda: sdp.read_offer(text, "egress"),
            lambda: sdp.read_answer(text),
        ):
            with contextlib.suppress(Refused):
                session = checked(read)
                rebuilt = session.text()
                assert rebuilt.isascii()
                assert len(rebuilt.splitlines()) <= 19 + sdp.MAX_CANDIDATES
        with contextlib.suppress(Refused):
            checked(lambda: sdp.read_fragment(text))


def checked(read: Any) -> Any:
    """What `read` gives; a refusal must be a client's error."""
    try:
        return read()
    except Refused as refused:
        if not 400 <= refused.status < 500:
            raise ValueError(f"not the client's fault: {refused.status}") from refused
        raise


class Cmaf(Target):
    """Chunks and init segments."""

    name, share = "cmaf", 700
    tokens = (b"moof", b"mdat", b"traf", b"trun", b"prft", b"moov", b"dOps", b"esds", b"\0\0\0\1")

    def seeds(self) -> list[bytes]:
        return fuzz_cmaf._seeds()

    def check(self, data: bytes) -> None:
        fuzz_cmaf.check(data)


class Push(Target):
    """A client's reader of push records: Corrupt, and in every cut the same."""

    name, share = "push", 900
    tokens = (b'"media_time":', b'"kind":"x"', b"[" * 3000, b"NaN", b"1e400", b"\4\0\0\0")

    def seeds(self) -> list[bytes]:
        def record(kind: int, payload: bytes) -> bytes:
            return bytes((kind, 0, 0, 0)) + len(payload).to_bytes(4) + payload

        records = [
            record(1, b"init"),
            record(2, b"\0\0\0\x10moof" + bytes(40)),
            record(3, b'{"media_time":9600,"wall_clock":1.79e9,"kind":"speaking","name":"Ada"}'),
            record(4, b'{"media_time":9600,"wall_clock":1790000000.5}'),
            record(5, b'{"media_time":9600,"reason":"slow"}'),
            record(6, b'{"reason":"ended"}'),
            record(9, b"later"),
        ]
        return [*records, b"".join(records)]

    def check(self, data: bytes) -> None:
        whole, bad = self._read([data])
        cut = len(data) // 3
        pieces, also_bad = self._read([data[:cut], data[cut : cut + 1], data[cut + 1 :]])
        assert bad == also_bad
        # Within one call Corrupt takes back the records before it; in pieces they were handed out.
        assert pieces[: len(whole)] == whole if not bad else True

    def _read(self, pieces: list[bytes]) -> tuple[list[push_reader.Record], bool]:
        reader, found = push_reader.PushReader(), []
        for piece in pieces:
            try:
                found += reader.feed(piece)
            except Corrupt:
                return found, True
            assert reader.pending <= push_reader.MAX_PAYLOAD + 8
        return found, False


class Playlist(Target):
    """A client's reader of playlists."""

    name, share = "playlist", 400
    tokens = (
        b'#EXT-X-PART:DURATION=0.6,URI="a"\n',
        b"#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n",
        b"#EXT-X-GAP\n",
        b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b"\n',
        b"#EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:00.000Z\n",
        b"#EXTINF:6,\n",
    )

    def seeds(self) -> list[bytes]:
        media = (
            b"#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:6\n#EXT-X-PART-INF:PART-TARGET=0.6\n"
            b"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.8\n#EXT-X-MEDIA-SEQUENCE:4\n"
            b'#EXT-X-MAP:URI="init.mp4"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:00.000Z\n'
            b'#EXT-X-PART:DURATION=0.6,URI="4.0.m4s",INDEPENDENT=YES\n#EXTINF:6.0,\n4.m4s\n'
            b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="5.0.m4s"\n#EXT-X-ENDLIST\n'
        )
        main = b'#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="opus"\nopus.m3u8\n'
        return [media, main]

    def check(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for read in (hls_playlist.parse_media, hls_playlist.parse_multivariant):
            with contextlib.suppress(Corrupt, HustingsError):
                read(text)
        hls_playlist.is_multivariant(text)


def all_messages() -> list[type[messages.Message]]:
    """Every message of the bus."""
    return sorted(messages.Message.__subclasses__(), key=lambda kind: kind.__name__)


class Bus(Target):
    """Every message type: what does not fit is refused by the decoder; what fits survives a second trip."""

    name, share = "bus", 1700

    def __init__(self) -> None:
        self._kinds = all_messages()
        self._decoders = [msgspec.msgpack.Decoder(kind) for kind in self._kinds]
        self._by_name = {kind.__name__.encode(): number for number, kind in enumerate(self._kinds)}
        self.tokens = [
            b"\xa4type",
            b"\xca\x7f\xc0\0\0",
            b"\xcf" + b"\xff" * 8,
            b"\x91" * 2000,
            *self._by_name,
        ]

    def seeds(self) -> list[bytes]:
        encoder = msgspec.msgpack.Encoder()
        return [encoder.encode(example(kind)) for kind in self._kinds]

    def check(self, data: bytes) -> None:
        # The decoder of the message it says to be, and one other.
        named = next((number for name, number in self._by_name.items() if name in data[:60]), 0)
        for number in {named, len(data) % len(self._kinds)}:
            decoder = self._decoders[number]
            try:
                message = decoder.decode(data)
            except messages.UNDECODABLE:
                continue
            again = messages.encode(message)
            # Not a number is unlike itself: the bytes are compared.
            assert messages.encode(decoder.decode(again)) == again


def example(kind: type[messages.Message]) -> messages.Message:
    """One of `kind`, with every field set."""
    values = {
        field.name: _example(msgspec.inspect.type_info(field.type)) for field in msgspec.structs.fields(kind)
    }
    return msgspec.convert({"type": kind.__name__, **values}, kind)


def _example(info: Any) -> Any:
    inspect = msgspec.inspect
    if isinstance(info, inspect.UnionType):
        return _example(info.types[0])
    if isinstance(info, inspect.StructType):
        tag = {info.tag_field: info.tag} if info.tag_field else {}
        return tag | {field.encode_name: _example(field.type) for field in info.fields}
    if isinstance(info, inspect.ListType):
        return [_example(info.item_type)]
    if isinstance(info, inspect.TupleType):
        return [_example(each) for each in info.item_types]
    if isinstance(info, inspect.DictType):
        return {_example(info.key_type): _example(info.value_type)}
    if isinstance(info, inspect.LiteralType):
        return info.values[0]
    simple: dict[type, Any] = {
        inspect.IntType: 7,
        inspect.FloatType: 1.5,
        inspect.BoolType: True,
        inspect.BytesType: b"data",
        inspect.StrType: "text",
        inspect.AnyType: {"a": [1, "b", None]},
        inspect.NoneType: None,
    }
    return simple[type(info)]


class Archive(Target):
    """Files as a crash or a bad disk leaves them: tracks (Ogg) and segments (CMAF)."""

    name, share = "archive", 200
    tokens = (b"OggS\0", b"OpusHead", b"OpusTags", b"HUSTINGS_BEGINS=1", b"moof", b"mdat", b"prft")

    def __init__(self) -> None:
        self._folder = ""

    def seeds(self) -> list[bytes]:
        writer = OggOpusWriter(serial=7, pre_skip=312)
        packets = fuzz_receiver.real_packets()[:10]
        ogg = writer.headers() + writer.page(packets, media_time=0, samples=9600, number=2)
        chunks = fuzz_cmaf._seeds()
        return [
            ogg,
            ogg + writer.page(packets, media_time=9600, samples=9600, number=3),
            *chunks,
            chunks[0] + chunks[1],
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory() as self._folder:
            yield

    def check(self, data: bytes) -> None:
        for codec in ("opus", "aac"):
            found = segment_file.read_segment(codec, data)
            assert found.whole_bytes <= len(data)
            for chunk in found.chunks:
                assert chunk.offset + sum(chunk.unit_sizes()) <= found.whole_bytes
        if data[:4] == b"OggS" or len(data) % 8 == 0:
            path = Path(self._folder) / "track.opus"
            path.write_bytes(data)
            with contextlib.suppress(Corrupt):
                track_file.read_track(path)


TARGETS: tuple[type[Target], ...] = (Rtp, Stun, Stage, Receiver, Sdp, Cmaf, Push, Playlist, Bus, Archive)
