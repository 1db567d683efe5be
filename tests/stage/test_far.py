"""Who reports that packets do not reach him is sent in-band error correction, and nobody else is."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from stage_engine_support import Hall, Person, Sound, all_packets

import hustings
from hustings.audio.level import level_dbov
from hustings.audio.opus import OpusDecoder, has_fec
from hustings.clients.sound_file import read_frames

DEMO = Path(hustings.__file__).parent / "web" / "demo"


@functools.cache
def speech() -> list[Sound]:
    """Frames of a voice without its pauses."""
    return [frame for frame in read_frames(DEMO / "guest.opus") if level_dbov(frame) > -35][:600]


class Talker(Person):
    """Says real words instead of a tone while his gain is above 0."""

    def send(self, now: float) -> None:
        frame = speech()[self._frame % len(speech())] if self.gain else np.zeros(960, np.float32)
        self._frame += 1
        level = -round(level_dbov(frame))
        self.engine.packet(self.session, self._stream.next(self._encoder.encode(frame), level=level), now)


def hall(*names: str) -> tuple[Hall, list[Talker]]:
    made = Hall()
    people = [Talker(made.engine, name, 440.0) for name in names]
    for person in people:
        person.connect()
        made.people.append(person)
    return made, people


def protected(packets: list[bytes]) -> float:
    return sum(has_fec(packet) for packet in packets) / len(packets)


def test_silent_ones_and_listeners_who_lose_share_an_encode_with_error_correction() -> None:
    made, [ada, ben, _cleo] = hall("ada", "ben", "cleo")
    made.engine.listen("ear")
    made.engine.far("ear", 0.2, 0.0)
    made.engine.far("ben-1", 0.2, 0.0)
    ada.gain = 1.0
    made.run(1.0)
    before = [all_packets(output)["ear"] for output in made.outputs]
    assert len(set(before)) == 1, "not live: silence, whatever was lost"
    assert protected(ben.packets[10:]) > 0.3
    made.engine.go_live(made.wall, made.wall)
    made.run(1.0)
    sent = [all_packets(output) for output in made.outputs[-40:]]
    assert all(one["ear"] is one["ben-1"] for one in sent), "one encode for both"
    assert protected([one["ear"] for one in sent]) > 0.3
    program = [output.program.packet for output in made.outputs[-40:] if output.program]
    assert [one["cleo-1"] for one in sent] == program
    assert protected(program) == 0.0


def test_a_talker_who_loses_gets_it_in_his_own_encode() -> None:
    made, [ada, ben] = hall("ada", "ben")
    ada.gain = ben.gain = 1.0
    made.engine.far("ben-1", 0.1, 0.0)
    made.run(1.0)
    assert protected(ben.packets[10:]) > 0.3
    assert protected(ada.packets) == 0.0


def test_when_nothing_is_lost_any_more_it_ends_and_the_sound_goes_on() -> None:
    made, [ada, ben, cleo] = hall("ada", "ben", "cleo")
    ada.gain = 1.0
    made.engine.far("ben-1", 0.2, 0.0)
    made.run(1.0)
    for _ in range(30):
        made.engine.far("ben-1", 0.0, 0.0)
    made.run(1.0)
    assert ben.packets[-40:] == cleo.packets[-40:]
    decoder = OpusDecoder()
    alone = np.concatenate([decoder.decode(packet) for packet in cleo.packets])[-19_200:]
    heard = ben.sound()[-19_200:]
    assert np.corrcoef(alone, heard)[0, 1] > 0.99
    made.engine.disconnect("ben-1")
    made.engine.far("ben-1", 0.2, 0.0)
    made.run(0.1)


def test_reports_that_are_old_are_not_believed() -> None:
    made, [ada, ben] = hall("ada", "ben")
    ada.gain = 1.0
    made.engine.far("ben-1", 0.3, 20.0)
    made.run(0.5)
    assert protected(ben.packets) == 0.0
