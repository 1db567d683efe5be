"""The broadcast core on a fake clock: who hears what, who counts as there, where media time is."""

from __future__ import annotations

import numpy as np
import pytest
from stage_engine_support import Hall, all_packets, power_db

from hustings.errors import Refused

ANNA, BERT, CARL = 440.0, 1000.0, 1700.0


def test_each_talker_hears_the_others_and_not_himself() -> None:
    hall = Hall()
    people = [hall.person("anna", ANNA), hall.person("bert", BERT), hall.person("carl", CARL)]
    for person in people:
        person.gain = 0.15
    hall.run(2)
    for person in people:
        back = person.sound()  # from the very first packet on
        for other in people:
            if other is not person:
                assert power_db(back, other.hertz) - power_db(back, person.hertz) >= 40


def test_those_who_are_silent_share_the_programs_packet() -> None:
    hall = Hall()
    anna, bert, carl = hall.person("anna", ANNA), hall.person("bert", BERT), hall.person("carl", CARL)
    anna.gain = 0.2
    hall.engine.go_live(hall.wall, hall.wall)
    hall.run(0.5)
    program = hall.outputs[-1].program
    assert program is not None
    assert bert.packets[-1] is carl.packets[-1] is program.packet
    assert anna.packets[-1] is not program.packet
    anna.gain = 0.0
    hall.run(2.5)
    program = hall.outputs[-1].program
    assert program is not None
    assert anna.packets[-1] is program.packet


def test_moving_between_shared_and_private_encode_does_not_click() -> None:
    """Bert talks all the time; Anna hears his steady tone while her own return is switched to and fro."""
    hall = Hall()
    anna, bert = hall.person("anna", ANNA), hall.person("bert", BERT)
    bert.gain = 0.25
    hall.run(1)
    private = []
    for _ in range(2):
        anna.gain = 0.02
        hall.run(0.1)
        private.append(anna.packets[-1] is not bert.packets[-1] and len(hall.engine._returns.private) == 2)
        anna.gain = 0.0
        hall.run(2.6)
        private.append(len(hall.engine._returns.private) == 1)
    assert private == [True] * 4
    back = anna.sound()[48000 // 2 :]
    # A click is broadband: next to the steady tone every 20 ms of the rest must stay as quiet as elsewhere.
    spectrum = (
        np.abs(np.fft.rfft(back[: len(back) // 960 * 960].reshape(-1, 960) * np.hanning(960), axis=1)) ** 2
    )
    frequencies = np.fft.rfftfreq(960, 1 / 48000)
    rest = 10 * np.log10(spectrum[:, (frequencies > 3000)].sum(axis=1) / spectrum.sum(axis=1) + 1e-15)
    assert rest.max() < -45, f"loudest moment {rest.max():.0f} dB at {rest.argmax() * 0.02:.2f} s"


def test_a_loud_crowd_does_not_overload_the_returns() -> None:
    hall = Hall()
    people = [hall.person(f"p{n}", 300.0 + 170 * n) for n in range(6)]
    for person in people:
        person.gain = 0.5
    hall.run(1)
    for person in people:
        # Added up they reach 2.5. What goes into the encoder is held below 0.89; a decoder's sound overshoots
        # that, by how much differs between processors (Opus has code of its own for each kind).
        assert np.abs(person.sound(20)).max() < 1.1
    hall.engine.go_live(hall.wall, hall.wall)
    hall.run(0.5)
    loudest = max(float(np.abs(o.program.frame).max()) for o in hall.outputs if o.program)
    assert 0.5 < loudest <= 10 ** (-1 / 20) + 1e-3


def test_mute_is_heard_by_all_and_outlives_the_session() -> None:
    hall = Hall()
    anna, bert = hall.person("anna", ANNA), hall.person("bert", BERT)
    anna.gain = bert.gain = 0.2
    hall.run(0.5)
    hall.engine.mute("anna", True)
    hall.run(1)
    assert power_db(bert.sound(25), ANNA) < power_db(bert.sound(), ANNA) - 40
    assert hall.seat("anna")["muted"] is True
    assert hall.seat("anna")["speaking"] is False
    talked = hall.seat("anna")["talked_seconds"]
    assert anna.connect(muted=False) == "anna-1"
    hall.run(0.5)
    assert hall.seat("anna")["muted"] is True
    assert hall.seat("anna")["talked_seconds"] == talked
    assert power_db(bert.sound(20), ANNA) < power_db(bert.sound(), ANNA) - 40
    hall.engine.mute("anna", False)
    hall.run(1)
    assert abs(power_db(bert.sound(20), ANNA) - power_db(anna.sound(20), BERT)) < 3


def test_muting_somebody_who_is_not_there_yet() -> None:
    hall = Hall()
    hall.engine.mute("anna", True)
    anna = hall.person("anna", ANNA)
    anna.gain = 0.2
    hall.run(0.5)
    assert hall.seat("anna")["muted"] is True
    assert hall.seat("anna")["name"] == "Anna"


def test_a_new_session_takes_the_seat_over_at_once() -> None:
    hall = Hall()
    anna, bert = hall.person("anna", ANNA), hall.person("bert", BERT)
    anna.gain = 0.2
    hall.run(0.5)
    old = anna.session
    assert anna.connect() == old
    for _ in range(25):
        anna.send(hall.now)
        output = hall.tick()
        assert old not in dict(output.packets)
    hall.engine.packet(old, b"\x80" * 100, hall.now)  # a straggler of the old one changes nothing
    assert [seat.participant_id for seat in hall.engine.seat_reports()] == ["anna", "bert"]
    assert hall.seat("anna")["connected"] is True
    assert power_db(bert.sound(15), ANNA) > power_db(bert.sound(15), BERT) + 40


def test_who_vanishes_is_noticed_by_missing_packets_and_comes_back_to_the_same_seat() -> None:
    hall = Hall(levelling=True)
    anna = hall.person("anna", ANNA)
    hall.person("bert", BERT)
    anna.gain = 0.01
    hall.run(6)
    gain = hall.engine._seats["anna"]._leveller.gain_db
    assert gain > 3
    anna.sending = False
    hall.run(2.8)
    assert hall.seat("anna")["connected"] is True
    assert hall.seat("anna")["speaking"] is False
    hall.run(0.4)
    assert hall.seat("anna")["connected"] is False
    hall.engine.disconnect(anna.session)
    talked = hall.seat("anna")["talked_seconds"]
    assert isinstance(talked, float)
    hall.run(1)
    anna.sending = True
    assert anna.connect() == ""
    hall.run(1)
    assert hall.seat("anna")["connected"] is True
    again = hall.seat("anna")["talked_seconds"]
    assert isinstance(again, float)
    assert again > talked > 5
    assert hall.engine._seats["anna"]._leveller.gain_db >= gain
    kinds = [
        (e.kind, e.data["participant_id"]) for e in hall.engine.drain_events() if e.kind in ("joined", "left")
    ]
    assert kinds == [("joined", "anna"), ("joined", "bert"), ("left", "anna"), ("joined", "anna")]


def test_events_carry_media_time_and_grow() -> None:
    hall = Hall(epoch=2)
    anna = hall.person("anna", ANNA)
    hall.engine.go_live(hall.wall - 10, hall.wall)
    hall.run(0.5)
    anna.gain = 0.2
    hall.run(0.5)
    hall.engine.mute("anna", True)
    hall.run(0.1)
    events = hall.engine.drain_events()
    assert [e.kind for e in events] == ["joined", "speaking", "muted", "speaking"]
    assert [e.data.get("speaking") for e in events] == [None, True, None, False]
    assert [e.seq for e in events] == [2 << 32 | n for n in (1, 2, 3, 4)]
    times = [e.media_time for e in events]
    assert times == sorted(times)
    assert times[0] >= 480_000
    assert hall.engine.drain_events() == []


def test_nothing_goes_out_before_live() -> None:
    hall = Hall()
    anna = hall.person("anna", ANNA)
    hall.engine.listen("ear")
    anna.gain = 0.3
    hall.run(0.5)
    assert all(output.program is None for output in hall.outputs)
    silence = {all_packets(output)["ear"] for output in hall.outputs}
    assert len(silence) == 1
    hall.engine.go_live(hall.wall, hall.wall)
    hall.run(0.5)
    program = hall.outputs[-1].program
    assert program is not None
    assert all_packets(hall.outputs[-1])["ear"] is program.packet
    # Not even the look-ahead of what was said before.
    first = next(output.program for output in hall.outputs if output.program)
    assert first.media_time == 0
    assert not first.frame[: hall.engine._limiter.delay].any()


@pytest.mark.parametrize(
    ("epoch", "ago", "media_time"),
    [(0, 0.0, 0), (0, 0.3, 0), (0, -5.0, 0), (0, 3.0, 144_000), (1, 0.3, 14_400), (1, 100.013, 4_800_960)],
)
def test_where_media_time_begins(epoch: int, ago: float, media_time: int) -> None:
    hall = Hall(epoch=epoch)
    hall.engine.go_live(hall.wall - ago, hall.wall)
    assert hall.engine.media_time == media_time
    hall.tick()
    hall.engine.go_live(hall.wall, hall.wall)  # said again: nothing happens
    assert hall.engine.media_time == media_time + 960


def test_skipped_ticks_are_missing_on_the_timeline() -> None:
    hall = Hall()
    hall.engine.go_live(hall.wall, hall.wall)
    hall.tick()
    output = hall.tick(skipped=7)
    assert output.program is not None
    assert output.program.media_time == 8 * 960


def test_the_stage_has_room_for_so_many_voices() -> None:
    hall = Hall(max_voices=2)
    anna = hall.person("anna", ANNA)
    hall.person("bert", BERT)
    with pytest.raises(Refused) as refused:
        hall.person("carl", CARL)
    assert refused.value.status == 503
    anna.connect()  # who is there already may come again
    hall.engine.disconnect(anna.session)
    hall.person("carl", CARL)


def test_garbage_in_a_session_is_counted_and_harmless() -> None:
    hall = Hall()
    anna = hall.person("anna", ANNA)
    anna.gain = 0.2
    hall.run(0.1)
    random = np.random.default_rng(1)
    for _ in range(50):
        for _ in range(5):
            hall.engine.packet(anna.session, random.bytes(int(random.integers(0, 200))), hall.now)
            hall.engine.packet("nobody", random.bytes(20), hall.now)
            # The right form from a source that is not the one known.
            foreign = bytes([0x80, 111]) + random.bytes(6) + b"evil" + random.bytes(30)
            hall.engine.packet(anna.session, foreign, hall.now)
        hall.run(0.02)
    assert hall.seat("anna")["speaking"] is True
    assert hall.seat("anna")["packets_received"] >= 49  # type: ignore[operator]  # an int
    assert hall.engine._seats["anna"].packets_rejected >= 490


def test_closing_gives_the_sessions_back() -> None:
    hall = Hall()
    anna = hall.person("anna", ANNA)
    hall.engine.listen("ear")
    hall.run(0.1)
    assert set(hall.engine.close()) == {anna.session, "ear"}
    assert hall.engine.egress_sessions == 0
    assert not hall.engine.live
