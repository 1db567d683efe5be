"""Who is silent costs next to nothing, and nothing of what he says afterwards is missing."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest
from stage_engine_support import Hall, tone

from hustings.audio.frame import FRAME_SAMPLES
from hustings.audio.opus import OpusDecoder, OpusEncoder
from hustings.stage.quiet import KEPT, PACKETS_BEFORE, Rest
from hustings.stage.seat import Seat
from hustings.stage.webrtc import rtp

LEVEL = 1
type Sound = np.ndarray


def packet(level: int | None, *, ssrc: int = 7, number: int = 0, payload: bytes = b"\xf8\xff\xfe") -> bytes:
    extensions = None if level is None else {LEVEL: bytes((level,))}
    return rtp.build(111, number, number * 960, ssrc, payload, extensions=extensions)


def test_what_stays_unread() -> None:
    rest = Rest(7, 111, LEVEL)
    assert rest.take(packet(70), 1.0) == 70
    assert rest.take(packet(127), 1.1) == 127
    assert rest.take(packet(0x80 | 90), 1.2) == 90  # the V bit claims voice, the level counts
    other_layout = rtp.build(111, 3, 0, 7, b"x", extensions={3: b"abc", LEVEL: b"\x5a"})
    assert rest.take(other_layout, 1.3) == 90
    assert [arrived for arrived, _ in rest.packets()] == [1.0, 1.1, 1.2, 1.3]


@pytest.mark.parametrize(
    "data",
    [
        packet(69),
        packet(None),
        packet(127, ssrc=8),
        packet(127, payload=b""),
        rtp.build(110, 0, 0, 7, b"x", extensions={LEVEL: b"\x7f"}),
        b"",
        b"\x90",
        packet(127)[:19],
        packet(127)[:18] + b"\x05\x00" + packet(127)[20:],
    ],
)
def test_what_is_read(data: bytes) -> None:
    rest = Rest(7, 111, LEVEL)
    assert rest.take(data, 1.0) is None
    assert rest.packets() == []


def test_memory_is_bounded_and_a_muted_one_may_be_loud() -> None:
    rest = Rest(7, 111, LEVEL, any_level=True)
    for n in range(100):
        assert rest.take(packet(10, number=n), float(n)) == 10
    assert rest.take(packet(None, number=100), 100.0) == 127
    assert [p.sequence for _, p in rest.packets()] == list(range(101 - KEPT, 101))


def utterance(seconds: float, begins: float, room: float) -> Sound:
    """A quiet room, then something like a voice that begins with a burst, as a plosive does."""
    random = np.random.default_rng(5)
    at = np.arange(round(seconds * 48_000)) / 48_000
    sound = room * random.standard_normal(len(at))
    after = at - begins
    harmonics = sum(np.sin(2 * np.pi * 130 * k * at + k * k) / k for k in range(1, 24))
    voice = 0.06 * harmonics * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * after))
    burst = 0.25 * random.standard_normal(len(at)) * np.exp(-np.maximum(after, 0) / 0.004)
    return (sound + np.where(after >= 0, voice + burst, 0.0)).astype(np.float32)


def sent(sound: Sound, quiet_until: float, **options: object) -> Iterable[tuple[bytes, int]]:
    """Opus packets and the levels their sender declares."""
    encoder = OpusEncoder(48_000, **options)  # type: ignore[arg-type]  # test's
    for n, frame in enumerate(sound.reshape(-1, FRAME_SAMPLES)):
        yield encoder.encode(frame), 80 if (n + 1) * 0.02 <= quiet_until else 20


def seat(level_id: int) -> Seat:
    new = Seat("p", name="P", role="speaker", muted=False, levelling=False)
    new.sit_down("s", 111, level_id)
    return new


def play(
    packets: Iterable[tuple[float, bytes, int, int]], seconds: float, level_id: int
) -> tuple[Seat, Sound]:
    """`packets`: arrival, payload, level, number. What a seat gives, tick by tick on a fake clock."""
    one, out, waiting = seat(level_id), [], sorted(packets)
    for tick in range(round(seconds / 0.02)):
        now = tick * 0.02 + 0.007
        while waiting and waiting[0][0] <= now:
            arrived, payload, level, number = waiting.pop(0)
            data = rtp.build(111, number, number * 960, 7, payload, extensions={LEVEL: bytes((level,))})
            one.receive(data, arrived)
        frame = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        one.pull(now, frame)
        out.append(frame)
    return one, np.concatenate(out)


@pytest.mark.parametrize("application", ["voip", "audio"])
@pytest.mark.parametrize("jitter", [0.0, 0.012, 0.045])
@pytest.mark.parametrize("phase", [0.0, 0.006, 0.013])
def test_the_first_syllable_after_silence_is_whole(application: str, jitter: float, phase: float) -> None:
    """Beside a seat that gets the same packets and never rests (it was not told of levels): from 10 ms
    before the first sound on the same samples come."""
    begins, seconds = 4.013, 5.0
    sound = utterance(seconds, begins, 2e-5)
    noise = random.Random(3)
    packets = [
        (n * 0.02 + phase + noise.uniform(0, jitter), payload, level, n)
        for n, (payload, level) in enumerate(sent(sound, begins, application=application, fec=False))
    ]
    resting, heard = play(packets, seconds, LEVEL)
    _, wanted = play(packets, seconds, 0)
    assert not heard[48_000 * 2 : 48_000 * 4].any(), "it rested"
    onset = int(np.argmax(np.abs(wanted) > 0.05))
    assert begins * 48_000 < onset < (begins + 0.2) * 48_000
    lag = best_lag(wanted, heard, onset)
    # To the sample; on a bad network each lies where it likes within the delay's band.
    assert abs(lag) <= (0 if jitter < 0.02 else 0.014 * 48_000)
    if jitter < 0.02:
        syllable = wanted[onset - 480 : onset + 9600]
        error = heard[onset - 480 + lag : onset + 9600 + lag] - syllable
        assert np.sqrt(np.mean(error**2)) < 0.03 * np.sqrt(np.mean(syllable**2))
        assert resting.report().frames_concealed == 0


@pytest.mark.parametrize("seed", range(6))
def test_pauses_keep_their_length(seed: int) -> None:
    """Eight sentences with rests between them, on a network with a little jitter: each lies where the
    first does, beside what was said."""
    noise = random.Random(seed)
    spoken = [utterance(2.5, 1.5 + 0.37 * noise.random(), 2e-5) for _ in range(8)]
    said = np.concatenate(spoken)
    levels = np.repeat([20 if np.abs(f).max() > 0.01 else 80 for f in said.reshape(-1, FRAME_SAMPLES)], 1)
    encoder = OpusEncoder(48_000, application="audio", fec=False)
    packets = [
        (n * 0.02 + 0.003 + noise.uniform(0, 0.004), encoder.encode(frame), int(levels[n]), n)
        for n, frame in enumerate(said.reshape(-1, FRAME_SAMPLES))
    ]
    one, heard = play(packets, 20.0, LEVEL)
    assert one._rest is None
    assert sum(not frame.any() for frame in heard.reshape(-1, FRAME_SAMPLES)) > 100, "it rested"
    onsets = [n * 120_000 + int(np.argmax(np.abs(part) > 0.05)) for n, part in enumerate(spoken)]
    lags = [best_lag(said, np.pad(heard, (0, 48_000)), onset) for onset in onsets[:-1]]
    assert max(lags) - min(lags) <= 5, lags  # samples: 0.1 ms


def best_lag(wanted: Sound, heard: Sound, onset: int) -> int:
    """Samples by which `heard` comes after `wanted` in the 200 ms from `onset` on."""
    piece = wanted[onset - 480 : onset + 9600]
    lags = range(-2400, 4801)
    scores = [float(np.dot(piece, heard[onset - 480 + lag : onset + 9600 + lag])) for lag in lags]
    return lags[int(np.argmax(scores))]


def decodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted = [0]
    decode = OpusDecoder.decode

    def counting(self: OpusDecoder, data: bytes) -> Sound:
        counted[0] += 1
        return decode(self, data)

    monkeypatch.setattr(OpusDecoder, "decode", counting)
    return counted


def test_nothing_is_decoded_of_somebody_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = decodes(monkeypatch)
    packets = [(n * 0.02, b"\xf8\xff\xfe", 127, n) for n in range(500)]
    resting, _ = play(packets, 10.0, LEVEL)
    assert 0 < counted[0] <= PACKETS_BEFORE + 2
    report = resting.report()
    assert (report.packets_received, report.connected, report.level_dbov) == (500, True, -127.0)


def test_whoever_vanishes_while_at_rest_is_noticed() -> None:
    packets = [(n * 0.02, b"\xf8\xff\xfe", 127, n) for n in range(100)]
    resting, _ = play(packets, 6.0, LEVEL)
    assert not resting.report().connected


@pytest.mark.parametrize("drift", [-200e-6, 0.0, 200e-6])
def test_a_long_rest_costs_no_delay(drift: float) -> None:
    """Half an hour at rest: sequence numbers wrapped, the sender's clock slid 0.36 s; the first words are
    played as late as on the first day."""
    quiet, talk = 30 * 60 * 50, 100
    encoder = OpusEncoder(48_000, application="audio", fec=False)
    one, frame = seat(LEVEL), np.zeros(FRAME_SAMPLES, dtype=np.float32)
    heard: list[Sound] = []
    for n in range(quiet + talk):
        loud = n >= quiet
        payload = encoder.encode(tone(500, 1, 0.3, n - quiet)) if loud else b"\xf8\xff\xfe"
        level = {LEVEL: bytes((20 if loud else 127,))}
        arrives = n * 0.02 * (1 + drift)
        one.receive(rtp.build(111, n, n * 960, 7, payload, extensions=level), arrives)
        one.pull(arrives + 0.01, frame)
        heard.append(frame.copy() if loud else frame[:0])
    sound = np.concatenate(heard)
    assert int(np.argmax(np.abs(sound) > 0.1)) < 0.08 * 48_000
    report = one.report()
    assert report.frames_concealed == 0
    assert 20 <= report.playout_delay_ms <= 45
    assert report.packets_received == quiet + talk


def test_a_packet_lost_at_the_onset_is_no_reason_to_wait() -> None:
    begins = 4.0
    sound = utterance(5.0, begins, 2e-5)
    packets = [
        (n * 0.02, payload, level, n)
        for n, (payload, level) in enumerate(sent(sound, begins, application="voip"))
        if n != 201
    ]
    _, heard = play(packets, 5.0, LEVEL)
    _, wanted = play(packets, 5.0, 0)
    onset = int(np.argmax(np.abs(wanted) > 0.05))
    assert int(np.argmax(np.abs(heard) > 0.05)) == onset
    difference = heard[onset:] - wanted[onset:]
    assert np.sqrt(np.mean(difference**2)) < 0.05 * np.sqrt(np.mean(wanted[onset:] ** 2))


def test_a_muted_seat_rests_however_loud_and_is_heard_at_once_when_unmuted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hall = Hall()
    anna, ben = hall.person("anna", 440.0), hall.person("ben", 660.0)
    anna.gain = 0.2
    hall.run(1.0)
    hall.engine.mute("anna", True)
    hall.run(4.0)
    counted = decodes(monkeypatch)
    hall.run(1.0)
    assert counted[0] == 100, "both return feeds, and neither of the two seats"
    assert hall.seat("anna")["level_dbov"] == -127.0
    hall.engine.mute("anna", False)
    before = len(ben.heard)
    hall.run(1.0)
    back = np.abs(np.concatenate(ben.heard[before:])) > 0.1
    assert int(np.argmax(back)) < 0.08 * 48_000
    assert hall.seat("anna")["speaking"]
