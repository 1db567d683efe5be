"""Who hears whom: on the stage, in the green room, talking aside; on a fake clock with real Opus.

Everybody sends another frequency all the time, so each return and the program are read like a spectrum.
"""

from __future__ import annotations

import numpy as np
import pytest
from stage_engine_support import Hall, Person, Sound, power_db

from hustings.audio.frame import FRAME_SAMPLES, silence
from hustings.bus.messages import Place
from hustings.errors import Refused
from hustings.stage import returns
from hustings.stage.engine import MAX_WAITING

TONES = {"host": 440.0, "cohost": 700.0, "speaker": 1000.0, "guest": 1400.0, "other": 1900.0}
GAIN = 0.1
ON_STAGE = frozenset({"host", "cohost", "speaker"})
FINE = 256_000
"""Bit/s: so that what is found in a return was put there, and is not the codec's own noise."""
type Where = tuple[Place, str]
STAGE: Where = ("stage", "")
GREEN: Where = ("green", "")


@pytest.fixture(autouse=True)
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returns, "TUMULT", 16)


class House:
    """Three on the stage, two who wait, one listener by WebRTC; all make their sound."""

    def __init__(self, *, live: bool, **where: Where) -> None:
        self.hall = Hall(bitrate=FINE)
        self.hall.voice_bitrate = FINE
        self.people: dict[str, Person] = {}
        for name, hertz in TONES.items():
            place, aside = where.get(name, STAGE if name in ON_STAGE else GREEN)
            self.people[name] = self.hall.person(name, hertz, place=place, aside=aside)
            self.people[name].gain = GAIN
        if live:
            self.live()

    def live(self) -> None:
        self.hall.engine.go_live(self.hall.wall, self.hall.wall)

    def place(self, **where: Where) -> None:
        for name, (place, aside) in where.items():
            self.hall.engine.place(name, place, aside)

    def aside(self, host: str = "host", guest: str = "guest") -> None:
        where: dict[str, Where] = {host: ("stage", guest), guest: ("green", host)}
        self.place(**where)

    def run(self, seconds: float = 0.6) -> None:
        self.hall.run(seconds)

    def hear(self, name: str, seconds: float = 0.4) -> dict[str, float]:
        """What of each voice is in somebody's return now (or in the program), dB below one voice."""
        if name == "program":
            programs = [o.program for o in self.hall.outputs[-round(seconds / 0.02) :]]
            sound = np.concatenate([silence() if p is None else p.frame for p in programs])
        else:
            sound = self.people[name].sound(round(seconds / 0.02))
        t = np.arange(len(sound)) / 48_000
        one = power_db((GAIN * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 440)
        return {who: power_db(sound, hertz) - one for who, hertz in TONES.items()}

    def table(self) -> dict[str, dict[str, float]]:
        """`hear` of everybody and of the program."""
        return {name: self.hear(name) for name in (*TONES, "program")}

    def kinds(self) -> list[tuple[str, str]]:
        return [(e.kind, e.data.get("participant_id", "")) for e in self.hall.engine.drain_events()]


def rows(**heard: str) -> dict[str, str]:
    """By listener, of host, cohost, speaker, guest and other: "#" at its level, "-" 15 dB lower, "." not
    heard."""
    return heard


def read(table: dict[str, dict[str, float]]) -> dict[str, str]:
    return {name: "".join(mark(level) for level in levels.values()) for name, levels in table.items()}


def mark(level: float) -> str:
    for sign, low, high in (("#", -3, 3), ("-", -18, -12), (".", -300, -60)):
        if low <= level <= high:
            return sign
    return f"?{level:.0f}?"


MATRIX: dict[str, tuple[bool, dict[str, Where], dict[str, str]]] = {
    "nobody aside, before live": (
        False,
        {},
        rows(host=".##..", cohost="#.#..", speaker="##...", guest=".....", other=".....", program="....."),
    ),
    "nobody aside, live": (
        True,
        {},
        rows(host=".##..", cohost="#.#..", speaker="##...", guest="###..", other="###..", program="###.."),
    ),
    "aside, before live": (
        False,
        {"host": ("stage", "guest"), "guest": ("green", "host")},
        rows(host=".--#.", cohost="..#..", speaker=".#...", guest="#....", other=".....", program="....."),
    ),
    "aside, live": (
        True,
        {"host": ("stage", "guest"), "guest": ("green", "host")},
        rows(host=".--#.", cohost="..#..", speaker=".#...", guest="#--..", other=".##..", program=".##.."),
    ),
    "two asides, live": (
        True,
        {
            "host": ("stage", "guest"),
            "guest": ("green", "host"),
            "cohost": ("stage", "other"),
            "other": ("green", "cohost"),
        },
        rows(host="..-#.", cohost="..-.#", speaker=".....", guest="#.-..", other=".#-..", program="..#.."),
    ),
    "only the host's side said so": (
        True,
        {"host": ("stage", "guest")},
        rows(host=".##..", cohost="..#..", speaker=".#...", guest=".##..", other=".##..", program=".##.."),
    ),
    "only the guest's side said so": (
        True,
        {"guest": ("green", "host")},
        rows(host=".##..", cohost="#.#..", speaker="##...", guest="###..", other="###..", program="###.."),
    ),
    "two hosts want the same guest": (
        True,
        {"host": ("stage", "guest"), "cohost": ("stage", "guest"), "guest": ("green", "host")},
        rows(host="..-#.", cohost="..#..", speaker=".....", guest="#.-..", other="..#..", program="..#.."),
    ),
    "the guest is on the stage already": (
        True,
        {"host": ("stage", "guest"), "guest": ("stage", "host")},
        rows(host=".###.", cohost="#.##.", speaker="##.#.", guest="###..", other="####.", program="####."),
    ),
    "two who wait name each other": (
        True,
        {"guest": ("green", "other"), "other": ("green", "guest")},
        rows(host=".##..", cohost="#.#..", speaker="##...", guest="###..", other="###..", program="###.."),
    ),
    "the guest has never been here": (
        True,
        {"host": ("stage", "nobody")},
        rows(host=".##..", cohost="..#..", speaker=".#...", guest=".##..", other=".##..", program=".##.."),
    ),
}


@pytest.mark.parametrize("by", ["offer", "command"])
@pytest.mark.parametrize("name", MATRIX)
def test_who_hears_whom(name: str, by: str) -> None:
    live, where, wanted = MATRIX[name]
    house = House(live=live, **(where if by == "offer" else {}))
    house.run(0.5)
    if by == "command":
        house.place(**where)
    house.run(1.0)
    assert read(house.table()) == wanted


def test_going_live_in_an_aside_and_in_the_green_room() -> None:
    house = House(live=False, host=("stage", "guest"), guest=("green", "host"))
    house.run(1)
    house.live()
    house.run(1)
    assert read(house.table()) == MATRIX["aside, live"][2]


def test_nothing_of_what_was_said_before_live_reaches_the_green_room() -> None:
    house = House(live=False)
    house.run(1)
    for name in ON_STAGE:
        house.people[name].sending = False
    house.run(0.02)  # what was said is in the look-ahead and in the encoder now
    house.live()
    house.hall.engine._seats["host"]._receiver = None
    house.hall.engine._seats["cohost"]._receiver = None
    house.hall.engine._seats["speaker"]._receiver = None
    house.run(1)
    for name in ("guest", "other"):
        assert np.abs(house.people[name].sound()).max() < 1e-4


def test_an_aside_before_live_begins_without_a_trace_of_the_stages_talk() -> None:
    house = House(live=False)
    house.hall.engine.mute("host", True)
    house.run(1)
    house.aside()
    house.run(0.5)
    assert np.abs(house.people["guest"].sound()).max() < 1e-4


def test_those_who_wait_get_the_programs_very_packet() -> None:
    house = House(live=True)
    house.run(1)
    program = house.hall.outputs[-1].program
    assert program is not None
    assert house.people["guest"].packets[-1] is house.people["other"].packets[-1] is program.packet
    house.aside()
    house.run(0.1)
    program = house.hall.outputs[-1].program
    assert program is not None
    assert house.people["guest"].packets[-1] is not program.packet
    assert house.people["other"].packets[-1] is program.packet
    house.place(host=STAGE, guest=GREEN)
    house.run(0.1)
    program = house.hall.outputs[-1].program
    assert program is not None
    assert house.people["guest"].packets[-1] is program.packet


def test_mute_holds_in_an_aside() -> None:
    house = House(live=True)
    house.aside()
    house.run(0.5)
    house.hall.engine.mute("guest", True)
    house.run(1)
    assert read({"host": house.hear("host"), "guest": house.hear("guest")}) == {
        "host": ".--..",
        "guest": "#--..",
    }
    house.hall.engine.mute("host", True)
    house.run(3)  # both rest by now, and the aside goes on
    assert read({"host": house.hear("host"), "guest": house.hear("guest")}) == {
        "host": ".--..",
        "guest": ".--..",
    }
    house.hall.engine.mute("guest", False)
    house.run(1)
    assert read({"host": house.hear("host"), "program": house.hear("program")}) == {
        "host": ".--#.",
        "program": ".##..",
    }


@pytest.mark.parametrize("live", [False, True])
def test_who_vanishes_in_an_aside_leaves_the_other_where_he_is(live: bool) -> None:
    house = House(live=live)
    house.aside()
    house.run(0.5)
    guest = house.people["guest"]
    house.hall.engine.disconnect(guest.session)
    house.run(1)
    assert read({n: house.hear(n) for n in ("host", "cohost", "program")}) == {
        "host": ".##..",  # off air still: his own choice
        "cohost": "..#..",
        "program": ".##.." if live else ".....",
    }
    guest.connect(place="green", aside="host")
    house.run(1)
    assert read({n: house.hear(n) for n in ("host", "guest")}) == {
        "host": ".--#.",
        "guest": "#--.." if live else "#....",
    }
    house.hall.engine.disconnect(house.people["host"].session)
    house.run(1)
    assert read({n: house.hear(n) for n in ("guest", "other")}) == {
        "guest": ".##.." if live else ".....",
        "other": ".##.." if live else ".....",
    }


def test_packets_that_stop_end_an_aside_after_three_seconds() -> None:
    house = House(live=True)
    house.aside()
    house.run(0.5)
    house.people["guest"].sending = False
    house.run(3.5)
    assert read({"host": house.hear("host")}) == {"host": ".##.."}
    assert house.hall.seat("host")["aside"] == "guest"
    house.people["guest"].sending = True
    house.run(1)
    assert read({"host": house.hear("host")}) == {"host": ".--#."}


def test_a_guest_who_is_removed_gives_the_host_back() -> None:
    house = House(live=True)
    house.aside()
    house.run(0.5)
    house.hall.engine.remove("guest")
    assert house.hall.seat("host")["aside"] == ""
    house.run(1)
    assert read({n: house.hear(n) for n in ("host", "program")}) == {"host": ".##..", "program": "###.."}


def test_the_way_of_a_guest() -> None:
    house = House(live=True)
    house.people["speaker"].gain = 0.0
    house.run(0.5)
    house.place(guest=STAGE)
    house.run(1)
    assert read({n: house.hear(n) for n in ("host", "guest", "other", "program")}) == {
        "host": ".#.#.",
        "guest": "##...",
        "other": "##.#.",
        "program": "##.#.",
    }
    house.place(guest=GREEN)
    house.run(1)
    assert read({n: house.hear(n) for n in ("host", "guest", "program")}) == {
        "host": ".#...",
        "guest": "##...",
        "program": "##...",
    }


# --- no click --------------------------------------------------------------------------------------


def loudest_splatter(sound: Sound) -> float:
    """A click is broadband: power above 3 kHz in any 20 ms, in dB of a steady voice's power."""
    frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    half = sound[480 : (len(sound) - 480) // FRAME_SAMPLES * FRAME_SAMPLES + 480].reshape(-1, FRAME_SAMPLES)
    spectrum = np.abs(np.fft.rfft(np.concatenate((frames, half)) * np.hanning(FRAME_SAMPLES), axis=1)) ** 2
    high = np.fft.rfftfreq(FRAME_SAMPLES, 1 / 48_000) > 3000
    t = np.arange(FRAME_SAMPLES) / 48_000
    steady = np.abs(np.fft.rfft(GAIN * np.sin(2 * np.pi * 440 * t) * np.hanning(FRAME_SAMPLES))) ** 2
    return float(10 * np.log10(spectrum[:, high].sum(axis=1).max() / steady.sum() + 1e-15))


MOVES: dict[str, list[dict[str, Where]]] = {
    "aside and back": [
        {"host": ("stage", "guest"), "guest": ("green", "host")},
        {"host": STAGE, "guest": GREEN},
    ],
    "one side after the other": [{"host": ("stage", "guest")}, {"guest": ("green", "host")}, {"host": STAGE}],
    "admitted and sent back": [{"guest": STAGE}, {"guest": GREEN}],
    "from the aside to the stage": [
        {"host": ("stage", "guest"), "guest": ("green", "host")},
        {"host": STAGE, "guest": STAGE},
        {"guest": GREEN},
    ],
    "from one guest to the next": [
        {"host": ("stage", "guest"), "guest": ("green", "host")},
        {"host": ("stage", "other"), "guest": GREEN, "other": ("green", "host")},
        {"host": STAGE, "other": GREEN},
    ],
}


@pytest.mark.parametrize("talking", [("host", "guest"), ("host", "guest", "cohost"), ("guest",), ("cohost",)])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("name", MOVES)
def test_no_move_is_heard_as_a_click(name: str, live: bool, talking: tuple[str, ...]) -> None:
    house = House(live=live)
    for who, person in house.people.items():
        person.gain = GAIN if who in talking else 0.0
    house.run(1)
    start = len(house.hall.outputs)
    for step, move in enumerate(MOVES[name]):
        house.place(**move)
        house.run(0.1 if step == 0 else 0.34)
    house.run(2.2)  # back to the shared encode
    for who, person in house.people.items():
        splatter = loudest_splatter(person.sound(len(house.hall.outputs) - start))
        assert splatter < -88, f"{who}: {splatter:.0f} dB"
    programs = [o.program.frame for o in house.hall.outputs[start:] if o.program]
    if live:
        assert loudest_splatter(np.concatenate(programs)) < -60


def test_going_live_does_not_click_in_the_green_room() -> None:
    house = House(live=False)
    house.run(1)
    house.live()
    house.run(1)
    assert loudest_splatter(house.people["other"].sound(60)) < -80


# --- what is told ----------------------------------------------------------------------------------


def test_the_audience_is_told_nothing_of_those_who_wait() -> None:
    house = House(live=True)
    house.run(1)
    house.hall.engine.mute("guest", True)
    house.hall.engine.mute("guest", False)
    house.run(1)
    kinds = house.kinds()
    assert {who for _, who in kinds} == set(ON_STAGE)
    assert ("speaking", "host") in kinds
    house.place(guest=STAGE)
    assert house.kinds() == [("joined", "guest")]
    house.run(0.5)
    assert house.kinds() == [("speaking", "guest")]
    house.place(guest=GREEN)
    house.run(0.5)
    assert house.kinds() == [("left", "guest")]
    house.hall.engine.disconnect(house.people["guest"].session)
    house.people["guest"].connect(place="green")
    house.run(0.5)
    house.hall.engine.remove("guest")
    assert house.kinds() == []


def test_what_is_said_off_air_is_neither_told_nor_counted() -> None:
    house = House(live=True)
    house.run(1)
    house.aside()
    house.run(0.1)
    before = {name: house.hall.seat(name)["talked_seconds"] for name in ("host", "guest")}
    assert house.kinds()[-1] == ("speaking", "host")
    assert house.hall.seat("host")["speaking"] is False
    house.run(1)
    assert {name: house.hall.seat(name)["talked_seconds"] for name in ("host", "guest")} == before
    assert before["guest"] == 0
    assert house.kinds() == []
    assert (house.hall.seat("host")["place"], house.hall.seat("host")["aside"]) == ("stage", "guest")
    assert (house.hall.seat("guest")["place"], house.hall.seat("guest")["aside"]) == ("green", "host")


def test_removal_forgets_the_seat() -> None:
    house = House(live=True)
    house.run(1)
    house.hall.engine.mute("speaker", True)
    house.kinds()
    speaker = house.people["speaker"]
    assert house.hall.engine.remove("speaker") == speaker.session
    assert house.kinds() == [("left", "speaker")]
    assert house.hall.engine.remove("speaker") == ""
    house.run(0.5)
    assert "speaker" not in {seat.participant_id for seat in house.hall.engine.seat_reports()}
    assert speaker.session not in dict(house.hall.outputs[-1].packets)
    speaker.connect()
    house.run(0.5)
    assert house.hall.seat("speaker")["muted"] is False
    assert house.hall.seat("speaker")["talked_seconds"] < 0.6  # type: ignore[operator]  # a float


def test_placing_somebody_who_is_not_here() -> None:
    house = House(live=True)
    with pytest.raises(Refused) as refused:
        house.place(nobody=GREEN)
    assert refused.value.status == 404
    house.hall.engine.disconnect(house.people["guest"].session)
    house.place(guest=STAGE)  # a seat without a session is moved all the same
    assert house.hall.seat("guest")["place"] == "stage"
    assert house.kinds() == []


def test_waiting_takes_no_voice_and_has_its_own_bound() -> None:
    hall = Hall(max_voices=1)
    hall.person("host", 440.0)
    for n in range(MAX_WAITING):
        hall.person(f"w{n}", 500.0, place="green")
    with pytest.raises(Refused) as refused:
        hall.person("one too many", 500.0, place="green")
    assert refused.value.status == 503
    assert "green room" in refused.value.title
    with pytest.raises(Refused) as refused:
        hall.person("a voice too many", 500.0)
    assert "stage" in refused.value.title
    hall.people[1].connect(place="green")  # who is there already may come again


def test_announced_events_are_bounded() -> None:
    house = House(live=True)
    house.run(0.2)
    engine = house.hall.engine
    engine.drain_events()
    engine.announce("topic", {"topic_id": "t1", "title": "Wärme"})
    event = engine.drain_events()[-1]
    assert (event.kind, event.data) == ("topic", {"topic_id": "t1", "title": "Wärme"})
    assert event.media_time == engine.media_time
    engine.announce("k" * 32, {"a": "x" * 2040})
    for kind, data in (
        ("", {}),
        ("k" * 33, {}),
        ("k", {"a": "x" * 2041}),
        ("k", {"a": "ü" * 1021}),
        ("k", {"a": object()}),
    ):
        with pytest.raises(Refused) as refused:
            engine.announce(kind, data)
        assert refused.value.status == 422
    assert len(engine.drain_events()) == 1


def test_meters_show_all_who_are_connected() -> None:
    house = House(live=True)
    house.people["other"].sending = False
    house.people["cohost"].gain = 0.01
    house.hall.engine.mute("speaker", True)
    house.run(4)
    levels = house.hall.engine.levels()
    assert set(levels) == {"host", "cohost", "speaker", "guest"}
    assert levels["speaker"] == -127
    assert abs(levels["host"] - -23) <= 1
    assert abs(levels["guest"] - -23) <= 1
    assert abs(levels["cohost"] - -43) <= 1
    assert all(type(level) is int for level in levels.values())


def test_who_waits_in_silence_is_at_rest() -> None:
    house = House(live=True)
    house.people["guest"].gain = 0.0
    house.run(1.5)
    assert house.hall.engine._seats["guest"]._rest is not None
    assert house.hall.engine._seats["other"]._rest is None
    house.people["guest"].gain = GAIN
    house.place(guest=STAGE)
    house.run(0.5)
    assert read({"program": house.hear("program")}) == {"program": "####."}
