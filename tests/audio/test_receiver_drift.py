"""Clocks that differ by 200 ppm for two hours: the delay stays, and nobody hears it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from audio_network import TICK, Sent, Tape, clicks, opus_packets, run, speechlike, stream

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Samples
from hustings.audio.receiver import Receiver

HOURS = 2


class Loop(Tape):
    """Plays the same second of sound for ever; packet numbers grow."""

    def decode(self, packet: bytes) -> Samples:
        (number,) = struct.unpack(">I", packet[1:])
        start = number * FRAME_SAMPLES % len(self.sound)
        return self.sound[start : start + FRAME_SAMPLES]


def tone(seconds: float, hertz: float = 440.0) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("skew_ppm", [200.0, -200.0])
def test_two_hours_drift_less_than_a_frame(skew_ppm: float) -> None:
    """Real time between saying and playing, by the simulated clock and not in the receiver's own opinion."""
    tape = Loop(tone(1.0))
    receiver = Receiver(decoder=tape)
    step = TICK / (1.0 + skew_ppm * 1e-6)
    delays: list[float] = []
    longest_jump = 0.0
    sent = 0
    last = np.float32(0.0)
    for tick in range(round(HOURS * 3600 / TICK)):
        now = 100.0 + tick * TICK
        while (at := 100.007 + sent * step) <= now:
            receiver.push(sent % 2**16, sent * FRAME_SAMPLES % 2**32, b"\xf8" + struct.pack(">I", sent), at)
            sent += 1
        pulled = receiver.pull(now)
        longest_jump = max(longest_jump, abs(float(pulled.frame[0] - last)))
        last = pulled.frame[-1]
        if pulled.media_time is not None and tick % 50 == 10:
            said = 100.007 + (pulled.media_time / SAMPLE_RATE) / (1.0 + skew_ppm * 1e-6)
            delays.append(now + TICK - said)
    assert max(delays) - min(delays) < 0.020
    stats = receiver.stats
    assert stats.frames_concealed + stats.frames_recovered <= 2
    assert stats.packets_late == stats.packets_discarded == 0
    corrected = stats.samples_removed - stats.samples_inserted
    assert corrected == pytest.approx(skew_ppm * 1e-6 * HOURS * 3600 * SAMPLE_RATE, rel=0.03)
    # 440 Hz at 0.3 moves 0.0173 from one sample to the next: frame borders do not stand out.
    assert longest_jump < 0.021


@pytest.mark.parametrize("skew_ppm", [3000.0, -3000.0])
def test_corrections_cannot_be_heard_in_a_tone(skew_ppm: float) -> None:
    """Fifteen times the skew, so that there are many corrections: outside the tone's line nothing appears."""
    tape = Tape(tone(40.0))
    trace = run(Receiver(decoder=tape), stream(tape.packets(), skew_ppm=skew_ppm), seconds=38)
    stats = trace.stats[-1]
    assert stats.samples_removed + stats.samples_inserted > 3000
    assert stats.frames_concealed <= 1
    sound = trace.sound[48_000:].astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(sound, 2048)[::512] * np.blackman(2048)
    spectrum = np.abs(np.fft.rfft(windows, axis=1))
    line = spectrum.max(axis=1)
    away = spectrum[:, 120:].max(axis=1)  # from 2.8 kHz up
    assert (20 * np.log10(away / line)).max() < -60


@pytest.mark.parametrize("skew_ppm", [2000.0, -2000.0])
def test_corrections_of_real_opus_make_no_click(skew_ppm: float) -> None:
    sound = speechlike(60)
    sent: list[Sent] = stream(opus_packets(sound), skew_ppm=skew_ppm)
    trace = run(Receiver(), sent, seconds=58)
    stats = trace.stats[-1]
    assert stats.samples_removed + stats.samples_inserted > 3000
    steady = run(Receiver(), stream(opus_packets(sound)), seconds=58)
    assert clicks(trace.sound).max() < clicks(steady.sound).max() + 6
    assert {abs(one.playout_delay - one.target_delay) < 0.02 for one in trace.stats[10:]} == {True}
