"""Receiver on terrible networks: seeded faults and properties over any network Hypothesis can think of."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from audio_network import Fault, Sent, Tape, clicks, deliver, opus_packets, run, speechlike, stream, uniform
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hustings.audio.receiver import Pulled, Receiver

FAULT_START, FAULT_END = 105.0, 165.0
_SPEECH = speechlike(75)
_PACKETS = opus_packets(_SPEECH)


def heavy_tail(dice: random.Random) -> float:
    return min(dice.expovariate(1 / 0.013), 0.09)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("jitter", [uniform(0.04), uniform(0.08), heavy_tail])
def test_lossy_network(seed: int, jitter: Callable[[random.Random], float]) -> None:
    """5 % loss in bursts, 40 ms jitter, reordering, duplicates: little concealed, delay back within 3 s."""
    fault = Fault(FAULT_START, FAULT_END, loss=0.05, jitter=jitter, duplicate=0.05)
    sent = stream(_PACKETS)
    arrived = deliver(sent, [fault], seed)
    lost = 1 - len({packet.timestamp for packet in arrived}) / len(sent)
    assert 0.025 < lost < 0.055, "the network is as bad as promised"
    trace = run(Receiver(), arrived, seconds=74)
    during = [
        one.kind for at, one in zip(trace.times, trace.pulled, strict=True) if FAULT_START <= at < FAULT_END
    ]
    assert during.count("concealed") / len(during) <= 0.06
    assert during.count("fec") > 5
    for at, stats in zip(trace.times, trace.stats, strict=True):
        assert stats.playout_delay < 0.125
        if at >= FAULT_END + 3.0:
            assert abs(stats.playout_delay - stats.target_delay) <= 0.02
            assert stats.target_delay <= 0.03
    last = trace.stats[-1]
    assert last.packets_duplicate > 50
    assert last.packets_received == len([packet for packet in arrived if packet.at <= trace.times[-1]])


def test_time_scaling_and_concealment_make_no_clicks() -> None:
    arrived = deliver(stream(_PACKETS), [Fault(FAULT_START, FAULT_END, jitter=uniform(0.06))], 5)
    trace = run(Receiver(), arrived, seconds=74)
    assert trace.stats[-1].samples_removed > 960
    assert trace.stats[-1].samples_inserted > 480
    assert clicks(trace.sound).max() < clicks(_SPEECH).max() + 12


_TAPE = Tape(_SPEECH[: 48_000 * 14])
_TAPE_PACKETS = _TAPE.packets()

networks = st.builds(
    lambda loss, burst, width, duplicate, seed: (
        Fault(102.0, 108.0, loss, burst, uniform(width), duplicate),
        seed,
    ),
    loss=st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.7, 1.0]),
    burst=st.floats(1.0, 30.0),
    width=st.floats(0.0, 0.4),
    duplicate=st.floats(0.0, 0.5),
    seed=st.integers(0, 2**32),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks)
def test_any_network(network: tuple[Fault, int]) -> None:
    """Media time never goes back, nothing is played twice, all is accounted, and the delay comes back."""
    fault, seed = network
    tape = Tape(_TAPE.sound)
    receiver = Receiver(decoder=tape)
    last_time = -(2**62)

    def each(now: float, pulled: Pulled) -> None:
        nonlocal last_time
        if pulled.media_time is not None:
            assert pulled.media_time >= last_time
            last_time = pulled.media_time
        stats = receiver.stats
        assert stats.packets_received == (
            stats.packets_played
            + stats.packets_late
            + stats.packets_duplicate
            + stats.packets_discarded
            + stats.packets_waiting
        )
        assert stats.packets_waiting < 140
        assert 0.02 <= stats.target_delay <= (0.24 if now > 104.0 else 0.08)
        if now >= 111.1:
            assert abs(stats.playout_delay - stats.target_delay) <= 0.02, now
            assert pulled.kind == "voice"

    run(receiver, deliver(stream(_TAPE_PACKETS), [fault], seed), seconds=13.5, each=each, keep=False)
    assert tape.played == sorted(set(tape.played))
    assert len(tape.played) == receiver.stats.packets_played


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=80), st.floats(0.0, 0.05)
        ),
        max_size=120,
    )
)
def test_anything_may_arrive(packets: list[tuple[int, int, bytes, float]]) -> None:
    receiver = Receiver()
    now = 0.0
    for sequence, timestamp, payload, wait in packets:
        now += wait
        receiver.push(sequence, timestamp, payload, now)
        assert receiver.pull(now).frame.shape == (960,)
    assert receiver.stats.packets_received == len(packets)


def test_bursts_of_total_loss_of_every_length() -> None:
    for length in range(1, 26):
        tape = Tape(_TAPE.sound)
        sent: list[Sent] = [
            packet for n, packet in enumerate(stream(_TAPE_PACKETS[:400])) if not 100 <= n < 100 + length
        ]
        trace = run(Receiver(decoder=tape), sent, seconds=7.5)
        kinds = [one.kind for one in trace.pulled]
        missing = kinds[50:].count("concealed") + kinds[50:].count("silence")
        assert abs(missing - length) <= 2, length
        late = [
            stats for at, stats in zip(trace.times, trace.stats, strict=True) if at >= 105.0 + length * 0.02
        ]
        assert all(abs(stats.playout_delay - stats.target_delay) <= 0.02 for stats in late), length


@pytest.mark.parametrize("width", [0.15, 0.2])
def test_a_network_that_is_late_all_the_time_is_waited_for(width: float) -> None:
    """Up to 200 ms of jitter: after five seconds nothing is invented any more, and then all is as before."""
    start, end = 102.0, 112.0
    tape = Tape(_TAPE.sound)
    trace = run(
        Receiver(decoder=tape),
        deliver(stream(_TAPE_PACKETS), [Fault(start, end - 2.0, jitter=uniform(width))], 3),
        seconds=13.5,
    )
    settled = [
        one.kind for at, one in zip(trace.times, trace.pulled, strict=True) if start + 5.0 <= at < end - 2.0
    ]
    assert settled.count("voice") >= 0.97 * len(settled)
    assert trace.stats[-1].playout_delay < 0.05


def test_single_stalls_are_not_waited_for() -> None:
    """300 ms in which nothing comes, every four seconds, are no reason to talk with a delay for ever."""
    stalled = [
        replace(one, at=one.at + max(0.0, 0.3 - one.at % 4.0)) if one.at > 101.0 else one
        for one in deliver(stream(_TAPE_PACKETS), [], 1)
    ]
    trace = run(Receiver(decoder=Tape(_TAPE.sound)), stalled, seconds=13.5)
    assert max(stats.packets_late for stats in trace.stats) > 10, "they did stall"
    assert max(stats.target_delay for stats in trace.stats) <= 0.08
