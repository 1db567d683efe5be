"""Listeners by WHEP: the same sound in packets of 20 or of 60 ms, without a hole when they change."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from stage_engine_support import Hall

from hustings.audio.opus import OpusDecoder, OpusEncoder, packet_duration
from hustings.stage.whep_audience import JOINED, MANY, Batch, WhepAudience, Wish

LONG, SHORT = Wish(ptime=60), Wish(max_ptime=20)


class Line:
    """What one listener gets: payloads at their RTP time, in samples."""

    def __init__(self) -> None:
        self.time = 0
        self.got: list[tuple[int, bytes]] = []

    def take(self, batches: list[Batch], session: str) -> None:
        for batch in batches:
            for payload, samples in batch.parts if session in batch.sessions else ():
                if payload:
                    assert packet_duration(payload) == samples
                    self.got.append((self.time, payload))
                self.time += samples


class House:
    """An audience, its lines, and a program."""

    def __init__(self) -> None:
        self.audience = WhepAudience()
        self.lines: dict[str, Line] = {}
        self.sent: list[bytes] = []
        self.sizes: list[int] = []
        self._encoder = OpusEncoder(64_000, application="audio", fec=False)
        self._number = 0

    def add(self, name: str, wish: Wish = Wish()) -> Line:  # noqa: B008  # it is frozen
        self.audience.add(name, wish)
        self.lines[name] = Line()
        return self.lines[name]

    def run(self, ticks: int, robust: dict[str, bytes] | None = None, skipped: int = 0) -> None:
        for _ in range(ticks):
            tone = np.sin(np.arange(960) * (0.02 + self._number * 0.003)).astype(np.float32)
            self._number += 1
            packet = self._encoder.encode(tone)
            self.sent.append(packet)
            batches = self.audience.packets(packet, robust or {}, skipped)
            skipped = 0
            self.sizes.append(sum(len(batch.sessions) for batch in batches))
            for name, line in self.lines.items():
                line.take(batches, name)


def sound(line: Line) -> np.ndarray:
    decoder = OpusDecoder()
    return np.concatenate([decoder.decode(payload) for _, payload in line.got])


def test_who_asks_gets_three_frames_in_one_packet_and_the_same_samples() -> None:
    house = House()
    asks, plain = house.add("asks", LONG), house.add("plain")
    house.run(90)
    durations = Counter(packet_duration(payload) for _, payload in asks.got)
    assert durations[2880] >= 28
    assert {packet_duration(payload) for _, payload in plain.got} == {960}
    heard, all_of_it = sound(asks), sound(plain)
    np.testing.assert_array_equal(heard, all_of_it[: len(heard)])
    assert len(all_of_it) - len(heard) < 2880, "what is under way"


@pytest.mark.parametrize("wish", [Wish(ptime=20), Wish(max_ptime=40), Wish(ptime=60, max_ptime=20)])
def test_who_wants_short_ones_gets_them(wish: Wish) -> None:
    house = House()
    line = house.add("ear", wish)
    for number in range(2 * MANY):
        house.audience.add(f"other{number}", Wish(max_ptime=20))
    house.run(20)
    assert {packet_duration(payload) for _, payload in line.got} == {960}


def test_many_get_long_ones_a_third_in_each_tick_and_a_few_short_ones_again() -> None:
    house = House()
    first = house.add("first")
    house.run(10)
    for number in range(3 * MANY):
        house.add(f"l{number}")
    house.run(30)
    assert max(house.sizes[-10:]) <= MANY + 1
    assert min(house.sizes[-10:]) >= MANY - 1
    for number in range(3 * MANY):
        if number >= MANY // 2:
            house.audience.remove(f"l{number}")
            del house.lines[f"l{number}"]
    house.run(10)
    assert house.sizes[-1] == MANY // 2 + 1, "every tick, everybody"
    heard = sound(first)
    decoder = OpusDecoder()
    np.testing.assert_array_equal(heard, np.concatenate([decoder.decode(each) for each in house.sent]))
    assert [time for time, _ in first.got] == np.cumsum(
        [0, *(packet_duration(payload) for _, payload in first.got[:-1])]
    ).tolist()


def test_who_loses_packets_gets_short_robust_ones_and_later_long_ones_again() -> None:
    house = House()
    line = house.add("ear", LONG)
    house.run(12)
    special = house.sent[0]
    house.run(12, {"ear": special})
    assert [payload for _, payload in line.got[-9:]] == [special] * 9
    house.run(12)
    assert packet_duration(line.got[-1][1]) == 2880
    assert line.time >= (36 - JOINED) * 960


def test_time_that_was_skipped_passes_on_every_line() -> None:
    house = House()
    long, short = house.add("long", LONG), house.add("short", SHORT)
    house.run(10)
    house.run(9, skipped=7)
    for line in (long, short):
        # What came before the gap lies before it, whatever had been gathered.
        times = {time for time, _ in line.got}
        assert not times & set(range(10 * 960, 17 * 960))
        assert max(times) >= 17 * 960
    assert short.time == (19 + 7) * 960
    assert short.time - long.time < 2880
    # Nothing is missing before it and nothing lies in it twice.
    assert sum(packet_duration(payload) for _, payload in long.got) == long.time - 7 * 960


def test_frames_of_different_kinds_go_out_one_by_one() -> None:
    audience = WhepAudience()
    audience.add("ear", LONG)
    line = Line()
    narrow, wide = b"\x08" + bytes(20), b"\xf8" + bytes(20)
    for tick in range(12):
        line.take(audience.packets(wide if tick % 2 else narrow, {}), "ear")
    assert len(line.got) >= 10
    assert {len(payload) for _, payload in line.got} == {21}


def test_in_the_engine_a_listener_hears_the_program_in_long_packets() -> None:
    hall = Hall()
    anna = hall.person("anna", 440.0)
    anna.gain = 0.3
    hall.engine.listen("ear", LONG)
    hall.engine.go_live(hall.wall, hall.wall)
    hall.run(1.0)
    line = Line()
    for output in hall.outputs:
        line.take(output.audience, "ear")
    packets = [output.program.packet for output in hall.outputs if output.program]
    decoder = OpusDecoder()
    expected = np.concatenate([decoder.decode(each) for each in packets])
    heard = sound(line)
    np.testing.assert_array_equal(heard, expected[: len(heard)])
    assert hall.engine.egress_sessions == 1
    hall.engine.disconnect("ear")
    assert hall.engine.egress_sessions == 0
