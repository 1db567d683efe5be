"""Receiver on good and on odd but honest networks."""

from __future__ import annotations

import numpy as np
import pytest
from audio_network import (
    Sent,
    Tape,
    Trace,
    clicks,
    deliver,
    frames_of,
    opus_packets,
    run,
    speechlike,
    stream,
)

from hustings.audio.frame import FRAME_SAMPLES, Samples, silence
from hustings.audio.level import level_dbov
from hustings.audio.opus import OpusDecoder
from hustings.audio.receiver import Receiver


def accounted(trace: Trace) -> bool:
    stats = trace.stats[-1]
    return stats.packets_received == (
        stats.packets_played
        + stats.packets_late
        + stats.packets_duplicate
        + stats.packets_discarded
        + stats.packets_waiting
    )


def offset_of(sound: Samples, reference: Samples) -> int:
    """Where `reference` begins in `sound`, by an exact match of a loud stretch."""
    start = int(np.flatnonzero(np.abs(reference) > 0.1)[0])
    probe = reference[start : start + 50]
    found = [n for n in np.flatnonzero(sound == probe[0]) if np.array_equal(sound[n : n + 50], probe)]
    assert len(found) == 1
    return int(found[0]) - start


@pytest.mark.parametrize("phase", [0.0, 0.003, 0.007, 0.0199])
def test_clean_network_passes_every_sample_untouched(phase: float) -> None:
    packets = opus_packets(speechlike(6))
    decoder = OpusDecoder()
    reference = np.concatenate([decoder.decode(packet) for packet in packets])
    trace = run(Receiver(), stream(packets, start=100 + phase), seconds=7)
    sound = trace.sound
    lead = offset_of(sound, reference)
    assert np.array_equal(sound[lead : lead + len(reference)], reference)
    assert trace.stats[-1].frames_concealed == 0 or trace.stats[290].frames_concealed == 0
    assert trace.stats[290].samples_inserted == trace.stats[290].samples_removed == 0
    # The first sample leaves 23 ms after its packet came: one tick and the margin.
    assert lead == pytest.approx((phase + 0.023) * 48_000, abs=2)


@pytest.mark.parametrize(("milliseconds", "samples"), [(10, 480), (20, 960), (40, 1920), (60, 2880)])
def test_packets_of_any_duration(milliseconds: int, samples: int) -> None:
    sound = speechlike(6)

    class Blocks(Tape):
        def decode(self, packet: bytes) -> Samples:
            number = int.from_bytes(packet[2:], "big")
            return self.sound[number * samples : (number + 1) * samples]

    # SILK wide-band frames of that length: TOC configurations 8 to 11 (RFC 6716 section 3.1).
    toc = bytes([(8 + [10, 20, 40, 60].index(milliseconds)) << 3, 0])
    packets = [toc + n.to_bytes(4, "big") for n in range(len(sound) // samples)]
    sent = stream(packets, start=100.007, duration=samples)
    trace = run(Receiver(decoder=Blocks(sound)), sent, seconds=5)
    heard = trace.sound
    lead = offset_of(heard, sound)
    assert np.array_equal(heard[lead:], sound[: len(heard) - lead])
    assert trace.stats[-1].frames_concealed == 0
    assert accounted(trace)


def test_duplicates_and_late_packets_are_counted_not_played() -> None:
    tape = Tape(speechlike(3))
    sent = stream(tape.packets())
    again = [
        Sent(packet.at + 0.004, packet.sequence, packet.timestamp, packet.payload) for packet in sent[::3]
    ]
    very_late = [
        Sent(packet.at + 0.4, packet.sequence, packet.timestamp, packet.payload) for packet in sent[50:51]
    ]
    arrived = sorted([*sent[:50], *sent[51:], *again, *very_late], key=lambda packet: packet.at)
    trace = run(Receiver(decoder=tape), arrived, seconds=3.2)
    stats = trace.stats[-1]
    assert stats.packets_duplicate == len(again)
    assert stats.packets_late == 1
    assert sorted(set(tape.played)) == tape.played
    assert accounted(trace)


def test_reordered_packets_come_out_in_order() -> None:
    tape = Tape(speechlike(3))
    sent = stream(tape.packets())
    swapped = [
        Sent(packet.at + (0.021 if n % 7 == 3 else 0.0), packet.sequence, packet.timestamp, packet.payload)
        for n, packet in enumerate(sent)
    ]
    trace = run(Receiver(decoder=tape), sorted(swapped, key=lambda packet: packet.at), seconds=3.2)
    assert tape.played == sorted(tape.played)
    assert trace.stats[140].frames_concealed <= 1


def test_discontinuous_transmission_is_not_loss() -> None:
    """DTX (RFC 7587 section 3.1.3): the sequence goes on, the timestamp jumps by the pause."""
    tape = Tape(speechlike(4))
    packets = tape.packets()
    sent: list[Sent] = []
    for n, packet in enumerate(packets):
        if 60 <= n < 80 or 100 <= n < 150:
            continue
        sent.append(Sent(100.007 + n * 0.02, 7 + len(sent), n * FRAME_SAMPLES, packet))
    trace = run(Receiver(decoder=tape), sent, seconds=4)
    stats = trace.stats[190]
    assert stats.packets_played == stats.packets_received - stats.packets_waiting
    assert (
        tape.played
        == [n for n in range(200) if n not in range(60, 80) and n not in range(100, 150)][: len(tape.played)]
    )
    assert abs(stats.playout_delay - stats.target_delay) < 0.02
    assert accounted(trace)


@pytest.mark.parametrize("jump", [-(2**31) + 5, -500_000, 2_000_000, 2**31 - 5])
def test_a_sender_that_restarts_its_timestamps_goes_on_at_once(jump: int) -> None:
    tape = Tape(speechlike(6))
    sent = stream(tape.packets())
    restarted = [
        packet
        if n < 150
        else Sent(
            packet.at, (packet.sequence + 20_000) % 2**16, (packet.timestamp + jump) % 2**32, packet.payload
        )
        for n, packet in enumerate(sent)
    ]
    trace = run(Receiver(decoder=tape), restarted, seconds=6)
    assert trace.stats[-1].restarts == 1
    assert len(tape.played) >= 290
    assert trace.stats[-1].frames_concealed <= 8
    times = [one.media_time for one in trace.pulled if one.media_time is not None]
    assert times == sorted(times)
    assert accounted(trace)


def test_single_packets_from_nowhere_do_not_move_the_timeline() -> None:
    tape = Tape(speechlike(4))
    sent = stream(tape.packets())
    strays = [Sent(100.5 + n * 0.1, 9, (12345 + n * 777_777_777) % 2**32, sent[0].payload) for n in range(20)]
    trace = run(Receiver(decoder=tape), sorted(sent + strays, key=lambda packet: packet.at), seconds=4)
    assert trace.stats[-1].restarts == 0
    assert trace.stats[190].frames_concealed == 0
    assert trace.stats[-1].packets_discarded >= 15
    assert accounted(trace)


def test_a_vanished_speaker_fades_to_silence_and_comes_back_clean() -> None:
    packets = opus_packets(speechlike(12))
    sent = [packet for n, packet in enumerate(stream(packets)) if not 200 <= n < 350]
    trace = run(Receiver(), sent, seconds=11)
    kinds = [one.kind for one in trace.pulled]
    gone = kinds.index("concealed")
    assert 200 <= gone <= 204
    assert set(kinds[gone + 9 : gone + 140]) == {"silence"}
    assert all(one.frame is silence() for one in trace.pulled[gone + 10 : gone + 140])
    back = next(n for n in range(gone + 20, len(kinds)) if kinds[n] == "voice")
    assert 350 <= back <= 353
    assert "concealed" not in kinds[back:548]
    assert clicks(trace.sound).max() < 20
    assert accounted(trace)


def test_corrupt_payloads_are_counted_and_concealed() -> None:
    packets = opus_packets(speechlike(4))
    for n in range(20, 180, 20):
        packets[n] = [b"", b"\xff", b"\x03\x00", b"\xfb\xff" + b"\0" * 30, b"\x7b", b"\xff\x41\xff\xff"][
            n // 20 % 6
        ]
    trace = run(Receiver(), stream(packets), seconds=4)
    stats = trace.stats[-1]
    assert stats.packets_corrupt == 8
    assert stats.packets_discarded == 8
    assert trace.share("concealed") + trace.share("fec") < 0.09
    assert accounted(trace)


def test_level_is_the_senders_where_there_is_one() -> None:
    packets = opus_packets(speechlike(1))
    receiver = Receiver()
    levels = []
    for n, packet in enumerate(packets):
        receiver.push(n, n * 960, packet, n * 0.02, -33 if n < 20 else None)
        pulled = receiver.pull(n * 0.02 + 0.001)
        levels.append(pulled.level_dbov)
    assert levels[0] == -127.0
    assert levels[10] == -33.0
    assert levels[-1] == pytest.approx(level_dbov(pulled.frame))


def test_before_and_without_packets_there_is_silence() -> None:
    receiver = Receiver()
    pulled = [receiver.pull(tick * 0.02) for tick in range(10)]
    assert all(one.frame is silence() and one.kind == "silence" for one in pulled)
    assert receiver.stats.frames_silent == 10
    receiver.close()


def test_a_flood_is_bounded() -> None:
    receiver = Receiver()
    packet = opus_packets(frames_of(speechlike(0.1))[0])[0]
    for n in range(20_000):
        receiver.push(n, n * 960, packet, n * 1e-5)
    assert receiver.stats.packets_waiting <= 200
    receiver.pull(1.0)
    stats = receiver.stats
    assert stats.packets_received == 20_000
    assert stats.packets_discarded + stats.packets_late > 19_000


def test_a_step_in_path_delay_is_followed() -> None:
    """A route that becomes 150 ms longer: a short hole, then play goes on at the target."""
    tape = Tape(speechlike(16))
    sent = [
        Sent(packet.at + (0.15 if n >= 200 else 0.0), packet.sequence, packet.timestamp, packet.payload)
        for n, packet in enumerate(stream(tape.packets()))
    ]
    trace = run(Receiver(decoder=tape), sent, seconds=15)
    assert {one.kind for one in trace.pulled[260:]} == {"voice"}
    assert abs(trace.stats[-1].playout_delay - trace.stats[-1].target_delay) < 0.02
    assert deliver(sent, [], 1) == sent
