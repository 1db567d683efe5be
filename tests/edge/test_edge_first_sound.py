"""When the first sound of a broadcast left the door: said once it is out, and of silence not."""

from __future__ import annotations

import msgspec
from edge_fakes import BROADCAST, CODECS
from edge_memory import House

from hustings.bus import subjects
from hustings.edge.shedding import Level


def send(house: House, *, silent: bool) -> None:
    """One chunk of each codec."""
    for codec in CODECS:
        chunk = msgspec.structs.replace(house.makers[codec].next(), silent=silent)
        house.bus.chunks[codec].append(chunk)
        house.bus.send(subjects.media(BROADCAST, codec), chunk)


async def test_silence_is_no_sound_and_the_first_chunk_with_some_counts(house: House) -> None:
    await house.room("open")
    house.go_live()
    send(house, silent=True)
    assert house.edge.first_sounds("e") == []
    house.clock.advance(0.4)
    send(house, silent=False)
    house.clock.advance(5)
    send(house, silent=False)
    assert house.edge.news.is_set(), "it is not to wait for the next report"
    (said,) = house.edge.first_sounds("e")
    assert (said.slug, said.broadcast_id, said.epoch, said.media_time) == ("hall", BROADCAST, 0, 9600)
    assert said.wall_clock == house.clock.wall() - 5


async def test_with_wider_batches_it_is_out_when_the_batch_is(house: House) -> None:
    await house.room("open")
    house.edge.load.batch = 2
    house.go_live()
    send(house, silent=False)
    assert house.edge.first_sounds("e") == [], "it waits for the rest of its batch"
    house.clock.advance(0.2)
    send(house, silent=False)
    (said,) = house.edge.first_sounds("e")
    assert (said.media_time, said.wall_clock) == (0, house.clock.wall())


async def test_an_ended_broadcast_is_not_said_again_and_the_next_one_begins_anew(house: House) -> None:
    await house.room("open")
    house.go_live()
    send(house, silent=False)
    await house.room("ended")
    assert house.edge.first_sounds("e") == []
    for codec in CODECS:
        house.bus.chunks[codec].clear()  # of the broadcast before
    await house.room("open", broadcast_id="20261123T160000-fedcba")
    assert house.edge.first_sounds("e") == []


async def test_an_edge_says_how_it_carries_its_load(house: House) -> None:
    assert house.edge.audience("e").load == ""
    house.edge.load.batch = 2
    assert house.edge.audience("e").load == "widened"
    house.edge.keeper.shedding.level = Level.LOBBY
    house.step(0.25)
    assert house.edge.audience("e").load == "refusing"
