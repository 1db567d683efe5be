"""Talk times: what is written down, when, and what a stage that counts on makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from feed_walks import AT, World, opening
from test_feed import seat

from hustings.rooms import commands as c
from hustings.studio.talk_times import TalkTimes


class Kept:
    """A store."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}
        self.writes = 0

    async def talked(self, broadcast_id: str) -> dict[str, float]:
        return dict(self.seconds.get(broadcast_id, {}))

    async def save_talked(self, broadcast_id: str, seconds: Mapping[str, float]) -> None:
        self.writes += len(seconds)
        self.seconds.setdefault(broadcast_id, {}).update(seconds)


def live() -> World:
    world = World()
    for command in (*opening, c.GoLive(AT)):
        world.do(command)
    return world


async def test_only_what_changed_is_written() -> None:
    world, store = live(), Kept()
    times = TalkTimes(world.board, store)
    world.take([seat("p1", talked_seconds=10.0), seat("p3", talked_seconds=5.0)])
    await times.save()
    assert store.seconds == {"b0": {"p1": 10.0, "p3": 5.0}}
    world.take([seat("p1", talked_seconds=10.2), seat("p3", talked_seconds=8.0)])
    await times.save()
    await times.save()
    assert (store.seconds["b0"], store.writes) == ({"p1": 10.0, "p3": 8.0}, 3)


async def test_a_stage_that_counted_on_is_believed() -> None:
    store = Kept()
    store.seconds["b0"] = {"p1": 100.0, "p3": 50.0, "p2": 7.0}
    world = live()
    await TalkTimes(world.board, store).load()
    assert world.board.talked("b0") == store.seconds["b0"]
    world.take([seat("p1", talked_seconds=108.0), seat("p3", talked_seconds=2.0)])
    assert world.board.talked("b0") == {"p1": 108.0, "p3": 50.0, "p2": 7.0}
    world.take([seat("p1", talked_seconds=109.0), seat("p3", talked_seconds=5.0)])
    assert world.board.talked("b0") == {"p1": 109.0, "p3": 53.0, "p2": 7.0}


async def test_the_next_broadcast_begins_at_nothing() -> None:
    store = Kept()
    store.seconds["b0"] = {"p1": 100.0}
    world = live()
    await TalkTimes(world.board, store).load()
    world.do(c.Stop(AT))
    assert world.board.talked("b0") == {"p1": 100.0}
    world.do(c.OpenDoors("b1", AT))
    assert world.board.talked("b0") == {}
    assert world.board.talked("b1") == {}
    assert world.room.broadcast == replace(world.room.broadcast, id="b1")  # type: ignore[type-var]
