"""A speaker's track over a bad network: everything accounted, everything in its place, always decodable."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.cmaf.ogg_track import CAUSES, PRE_SKIP, Cause, Gap, OggTrack, opus_samples

TICK = 960
_PAGE = struct.Struct("<4sBBqIIIB")


@dataclass
class Stored:
    """What a reader finds in a track's bytes."""

    begins: int
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    """(sample of the stream the packet begins at, packet)."""
    longest_page: int = 0
    samples: int = 0
    pages: int = 0


def read(data: bytes) -> Stored:
    """Walks the pages as RFC 3533 says and holds them to their granule positions."""
    at, number, position, stored = 0, 0, 0, Stored(-1)
    while at < len(data):
        magic, _, _, granule, _, page, _, count = _PAGE.unpack_from(data, at)
        assert magic == b"OggS"
        assert page == number
        table = data[at + 27 : at + 27 + count]
        body = at + 27 + count
        packets, size = [], 0
        for lacing in table:
            size += lacing
            if lacing < 255:
                packets.append(data[body : body + size])
                body += size
                size = 0
        assert size == 0, "a packet goes on over a page's end"
        at, number = body, number + 1
        if number == 2:
            field = packets[0].index(b"HUSTINGS_BEGINS=")
            size_of_field = int.from_bytes(packets[0][field - 4 : field], "little")
            stored.begins = int(packets[0][field + 16 : field + size_of_field])
        if number <= 2:
            continue
        start = position
        for packet in packets:
            stored.packets.append((position, packet))
            position += opus_samples(packet)
        assert granule == (position if packets else -1)
        stored.longest_page = max(stored.longest_page, position - start)
    stored.samples, stored.pages = position, number
    return stored


class Network:
    """A sender with a clock of its own, seeded losses, repetitions and delays; the sound is heard `playout`
    samples after it was said."""

    def __init__(self, seed: int, ppm: float = 0.0, loss: float = 0.0, jitter: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.rate = 1 + ppm * 1e-6
        self.loss, self.jitter = loss, jitter
        self.playout = 2_400
        self.first = self.random.randrange(1 << 32)
        self.sequence = self.random.randrange(1 << 16)
        self.sent = 0
        self.flying: list[tuple[float, int, int, bytes]] = []
        self.heard: dict[bytes, float] = {}
        self.received = 0

    def media_time(self, frame: int) -> float:
        """When frame number `frame` is heard."""
        return frame * 960 / self.rate + self.playout

    def payload(self, frame: int) -> bytes:
        return bytes([0x78]) + frame.to_bytes(4) + b"x" * self.random.choice((30, 80, 300))

    def send(self, now: int) -> None:
        """All frames that are said by now."""
        while self.sent * 960 / self.rate <= now:
            frame, self.sent = self.sent, self.sent + 1
            payload = self.payload(frame)
            self.heard[payload] = self.media_time(frame)
            copies = 0 if self.random.random() < self.loss else 1 + (self.random.random() < self.loss / 4)
            for _ in range(copies):
                delay = self.random.expovariate(1 / self.jitter) if self.jitter else 0.0
                place = (self.sequence + frame) & 0xFFFF, (self.first + frame * 960) & 0xFFFF_FFFF
                self.flying.append((now + delay, *place, payload))

    def arrived(self, now: int) -> list[tuple[int, int, bytes]]:
        there = sorted(p for p in self.flying if p[0] <= now)
        self.flying = [p for p in self.flying if p[0] > now]
        self.received += len(there)
        return [p[1:] for p in there]

    def played(self, media_time: int) -> int:
        """The sender's sample that is heard at `media_time`, as an RTP timestamp."""
        return (self.first + round((media_time - self.playout) * self.rate)) & 0xFFFF_FFFF


def run(
    network: Network,
    seconds: float,
    states: dict[int, Cause | None] | None = None,
    away: tuple[int, int] = (0, 0),
) -> tuple[OggTrack, bytes, list[Gap]]:
    """A track of so many seconds. `states`: from which tick on packets are not to be written, and why;
    `away`: ticks between which the network is cut."""
    track = OggTrack(1, {"ARTIST": "Ada"})
    data, gaps = b"", []
    cause: Cause | None = None
    for tick in range(round(seconds * 50)):
        now = tick * TICK
        cause = (states or {}).get(tick, cause)
        network.send(now)
        connected = not away[0] <= tick < away[1]
        arrived = network.arrived(now)
        if not connected:
            network.received -= len(arrived)
            arrived = []
        for sequence, timestamp, payload in arrived:
            track.packet(sequence, timestamp, payload, cause=cause)
        if connected and tick > 3:
            track.mapping(network.played(now + TICK), now + TICK)
        track.advance(now + TICK, "lost" if connected else "away")
        counts = track.counts
        assert counts.received == network.received == counts.written + counts.declared + track.waiting
        if tick % 7 == 0:
            pages, more = track.drain()
            data += b"".join(pages)
            gaps += more
    track.finish(round(seconds * 50) * TICK)
    pages, more = track.drain()
    return track, data + b"".join(pages), gaps + more


def check(network: Network, track: OggTrack, data: bytes, gaps: list[Gap], within: int = 480) -> Stored:
    stored = read(data)
    counts = track.counts
    assert track.waiting == 0
    assert counts.received == network.received == counts.written + counts.declared
    assert sum(gap.packets for gap in gaps) == counts.declared
    assert {gap.cause for gap in gaps} <= set(CAUSES)
    real = [(at, packet) for at, packet in stored.packets if packet in network.heard]
    assert len(real) == counts.written
    for at, packet in real:
        media_time = at - PRE_SKIP + stored.begins
        assert abs(media_time - network.heard[packet]) <= within
    assert stored.longest_page <= 23_040
    # What is filled is what is declared, sample by sample.
    filled = sum(opus_samples(packet) for _, packet in stored.packets if packet not in network.heard)
    assert filled == sum(gap.samples for gap in gaps)
    return stored


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    ppm=st.floats(-200, 200),
    loss=st.sampled_from([0.0, 0.01, 0.1, 0.4]),
    jitter=st.sampled_from([0, 240, 2_400, 6_000]),
    muted=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([None, "muted", "no_consent"])), max_size=4
    ),
    away=st.tuples(st.integers(50, 400), st.integers(0, 200)),
)
def test_whatever_the_network_does_everything_is_accounted_and_in_its_place(
    seed: int,
    ppm: float,
    loss: float,
    jitter: float,
    muted: list[tuple[int, Cause | None]],
    away: tuple[int, int],
) -> None:
    network = Network(seed, ppm, loss, jitter)
    states: dict[int, Cause | None] = dict(muted)
    track, data, gaps = run(network, 10, states, (away[0], away[0] + away[1]))
    if data:
        check(network, track, data, gaps)


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_clock_that_drifts_for_half_an_hour_stays_within_10_ms(ppm: int) -> None:
    network = Network(5, ppm, 0.0, 240)
    track, data, gaps = run(network, 1800)
    check(network, track, data, gaps)
    drift = [gap for gap in gaps if gap.cause == "drift"]
    # 1800 s at 200 ppm are 360 ms: 36 corrections of 10 ms.
    assert 30 <= len(drift) <= 80
    assert {gap.cause for gap in gaps} <= {"drift"}
    left_out = sum(gap.packets for gap in drift)
    assert (left_out > 20) == (ppm > 0)


def test_an_undisturbed_track_is_the_packets_as_they_came() -> None:
    network = Network(1)
    track, data, gaps = run(network, 20)
    stored = check(network, track, data, gaps, within=1)
    assert gaps == []
    assert track.counts.written == 1000
    assert stored.longest_page == 9_600


def test_long_gaps_are_cheap_and_declared_once() -> None:
    network = Network(2)
    track, data, gaps = run(network, 300, away=(500, 14_500))
    stored = check(network, track, data, gaps)
    silent = [packet for _, packet in stored.packets if packet not in network.heard]
    assert sum(map(len, silent)) < 280 * 130, "bytes for 280 s"
    assert len([gap for gap in gaps if gap.cause == "away"]) == 1
    assert sum(gap.samples for gap in gaps) == pytest.approx(280 * 48_000, abs=20_000)


def test_another_session_goes_on_in_the_same_track() -> None:
    track = OggTrack(1, {})
    for tick in range(100):
        track.packet(tick, tick * 960, b"\x78first", cause=None)
        track.mapping((tick + 1) * 960, (tick + 1) * 960)
        track.advance((tick + 1) * 960, "lost")
    track.source()
    for tick in range(110, 200):
        track.packet(tick * 7, 4_000_000_000 + tick * 960, b"\x78second")
        track.mapping(4_000_000_000 + (tick + 1) * 960, (tick + 1) * 960)
        track.advance((tick + 1) * 960, "away")
    track.finish(200 * 960)
    pages, gaps = track.drain()
    stored = read(b"".join(pages))
    places = {packet: at for at, packet in reversed(stored.packets)}
    assert places[b"\x78second"] - places[b"\x78first"] == 110 * 960
    assert (track.counts.written, sum(gap.samples for gap in gaps)) == (190, 10 * 960)


def test_what_is_no_opus_and_what_comes_twice_is_declared() -> None:
    track = OggTrack(1, {})
    track.packet(1, 0, b"")
    track.packet(1, 0, b"\x7b")
    track.packet(2, 960, b"\x78a")
    track.packet(2, 960, b"\x78a")
    track.refuse(3, "disk")
    track.finish(96_000)
    _, gaps = track.drain()
    assert [(gap.packets, gap.cause) for gap in gaps] == [(2, "damaged"), (1, "late"), (3, "disk")]
    assert (track.counts.received, track.counts.written) == (7, 1)


def test_timestamps_that_begin_anew_are_followed() -> None:
    track = OggTrack(1, {})
    for tick in range(400):
        timestamp = (tick * 960 + (3_000_000_000 if tick < 200 else 1_000)) & 0xFFFF_FFFF
        track.packet(tick, timestamp, b"\x78" + tick.to_bytes(2))
        track.mapping((timestamp + 960) & 0xFFFF_FFFF, (tick + 1) * 960)
        track.advance((tick + 1) * 960, "lost")
    track.finish(400 * 960)
    stored = read(b"".join(track.drain()[0]))
    last = next(at for at, packet in stored.packets if packet == b"\x78" + (399).to_bytes(2))
    assert abs(last - 399 * 960) <= 480
    assert track.counts.written > 390


def voice_track(tmp_path: Path) -> tuple[Path, OggTrack, list[Gap]]:
    """Ten seconds of a tone as a browser sends it, with single losses, a long gap and a muted stretch."""
    from hustings.audio.opus import OpusEncoder

    encoder = OpusEncoder(32_000, application="voip")
    track = OggTrack(3, {"ARTIST": "Ada"})
    tone = (0.3 * np.sin(2 * np.pi * 400 * np.arange(480_000) / 48_000)).astype(np.float32)
    for tick in range(500):
        payload = encoder.encode(tone[tick * 960 : tick * 960 + 960])
        if tick % 40 != 7 and not 200 <= tick < 260:
            track.packet(tick, tick * 960, payload, cause="muted" if 350 <= tick < 400 else None)
        track.mapping((tick + 1) * 960, (tick + 1) * 960)
        track.advance((tick + 1) * 960, "lost")
    track.finish(480_000)
    pages, gaps = track.drain()
    path = tmp_path / "track.opus"
    path.write_bytes(b"".join(pages))
    return path, track, gaps


def test_decoders_accept_the_track_and_keep_its_time(tmp_path: Path) -> None:
    path, track, _ = voice_track(tmp_path)
    with av.open(io.BytesIO(path.read_bytes()), "r") as container:
        stream = container.streams.audio[0]
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(stream)])
    assert len(sound) == track.position - track_begins(track) - PRE_SKIP

    def loud(tick: int) -> float:
        return float(np.sqrt(np.mean(sound[tick * 960 : tick * 960 + 960] ** 2)))

    assert loud(100) == pytest.approx(0.21, abs=0.02)
    assert loud(230) < 0.001, "a long gap is silent"
    assert loud(375) < 0.001, "and so is who is muted"
    assert loud(450) == pytest.approx(0.21, abs=0.02)
    edges = [tick for tick in range(150, 440) if (loud(tick) > 0.1) != (loud(tick + 1) > 0.1)]
    assert edges == pytest.approx([199, 259, 349, 399], abs=1)


_SET_DTX = 4016


def conversation() -> list[bytes | None]:
    """Twelve seconds as a browser with DTX sends them: a voice for 3 s, 3 s of a quiet room, and so on; None:
    libopus says that nothing need be sent (a packet of at most 2 bytes)."""
    from hustings.audio.opus import OpusEncoder

    encoder = OpusEncoder(32_000, application="voip")
    encoder._set(_SET_DTX, 1)
    time = np.arange(576_000) / 48_000
    room = np.random.default_rng(1).normal(0, 1e-4, 576_000)
    voice = sum(np.sin(2 * np.pi * hertz * time) / hertz for hertz in range(140, 3_000, 140)) * 20
    talking = (time // 3) % 2 == 0
    samples = (room + np.where(talking, voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)), 0)).astype(
        np.float32
    )
    packets = [encoder.encode(samples[tick * 960 : tick * 960 + 960]) for tick in range(600)]
    return [packet if len(packet) > 2 else None for packet in packets]


def dtx_gaps(lost: set[int], cut: range = range(0)) -> list[Gap]:
    """What is declared of `conversation` when the packets of these numbers are lost."""
    track = OggTrack(4, {})
    sequence = -1
    for tick, payload in enumerate(conversation()):
        if payload is not None:
            sequence += 1
            if sequence not in lost and tick not in cut:
                track.packet(65_400 + sequence & 0xFFFF, tick * 960, payload)
        track.mapping((tick + 1) * 960, (tick + 1) * 960)
        track.advance((tick + 1) * 960, "lost")
        track.flush()
    track.finish(600 * 960)
    pages, gaps = track.drain()
    stored = read(b"".join(pages))
    real = {packet for packet in conversation() if packet is not None}
    filled = sum(opus_samples(packet) for _, packet in stored.packets if packet not in real)
    assert filled == sum(gap.samples for gap in gaps), "what is filled is what is declared"
    return gaps


def test_pauses_of_a_sender_with_dtx_are_paused_however_long() -> None:
    paused = sum(payload is None for payload in conversation())
    assert paused > 200, "libopus has sent nothing for 4 s"
    gaps = dtx_gaps(set())
    assert {gap.cause for gap in gaps} == {"paused"}
    assert max(gap.samples for gap in gaps) > 16_000, "longer than a track waits for what is late"
    assert sum(gap.samples for gap in gaps) == pytest.approx(paused * 960, abs=20 * 960)


def test_what_is_lost_within_a_pause_is_lost_and_nothing_else() -> None:
    sent = [tick for tick, payload in enumerate(conversation()) if payload is not None]
    # Sent before a pause of 19 frames: the noise of the room, renewed each 400 ms. And one of the voice.
    renewals = [
        n for n in range(1, len(sent) - 1) if sent[n + 1] - sent[n] > 15 and sent[n] - sent[n - 1] > 15
    ]
    lost = {renewals[1], renewals[3], 20}
    gaps = dtx_gaps(lost)
    assert sum(gap.samples for gap in gaps if gap.cause == "lost") == 3 * 960
    assert {gap.cause for gap in gaps} == {"lost", "paused"}
    paused = sum(payload is None for payload in conversation())
    assert sum(gap.samples for gap in gaps if gap.cause == "paused") == pytest.approx(
        paused * 960, abs=20 * 960
    )


def test_a_long_loss_of_sound_is_no_pause() -> None:
    gaps = dtx_gaps(set(), range(60, 110))
    lost = [gap for gap in gaps if gap.cause == "lost"]
    assert sum(gap.samples for gap in lost) == 50 * 960
    assert 59 * 960 <= min(gap.begins for gap in lost) <= 61 * 960


def track_begins(track: OggTrack) -> int:
    assert track.begins is not None
    return track.begins


@pytest.mark.skipif(shutil.which("opusinfo") is None, reason="opus-tools is not installed")
def test_opusinfo_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    path, track, _ = voice_track(tmp_path)
    result = subprocess.run(["opusinfo", path], capture_output=True, text=True, check=False)
    assert "WARNING" not in result.stdout + result.stderr, result.stdout
    assert result.returncode == 0
    assert "Playback length: 0m:09.9" in result.stdout, track.position


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffmpeg is not installed")
def test_ffprobe_reads_a_track_cut_anywhere(tmp_path: Path) -> None:
    path, _, _ = voice_track(tmp_path)
    data = path.read_bytes()
    for share in (0.3, 0.7, 1.0):
        cut = tmp_path / "cut.opus"
        cut.write_bytes(data[: int(len(data) * share)])
        show = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "packet=pts_time", str(cut)]
        result = subprocess.run(show, capture_output=True, text=True, check=True)
        times = [float(packet["pts_time"]) for packet in json.loads(result.stdout)["packets"]]
        assert times[-1] > 9.0 * share - 0.9


def test_who_is_heard_later_after_a_rest_is_placed_there_from_his_first_word_on() -> None:
    track = OggTrack(1, {})
    for tick in range(300):
        track.packet(tick, tick * 960, b"\x78" + tick.to_bytes(2), quiet=tick < 200)
        if tick < 100 or tick >= 200:
            playout = 960 if tick < 100 else 2_880
            track.mapping((tick + 1) * 960 - playout, (tick + 1) * 960)
        track.advance((tick + 1) * 960, "lost")
    track.finish(300 * 960)
    pages, gaps = track.drain()
    stored = read(b"".join(pages))
    places = {packet: at - PRE_SKIP + stored.begins for at, packet in stored.packets}
    assert abs(places[b"\x78" + (50).to_bytes(2)] - 51 * 960) <= 480
    for tick in range(200, 300):
        assert abs(places[b"\x78" + tick.to_bytes(2)] - (tick + 3) * 960) <= 480
    assert {gap.cause for gap in gaps} == {"drift"}
