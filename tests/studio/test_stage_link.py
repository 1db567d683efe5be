"""The studio and the stage stay in step over restarts of either, a late stage, and lost messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from studio_support import FakeStage, House, running_studio, seat

from hustings.bus import subjects
from hustings.bus.messages import GoLive, MuteParticipant, OpenBroadcast, SetRecording, StopBroadcast
from hustings.studio.stage_link import Known, Recording, Wanted, acknowledged, next_step

WANT = Wanted("b", "r", epoch=0, live_since=None, ended=False)
OFF = Recording()
ADA = Recording(True, consents=frozenset({"ada"}))


def test_what_is_said_next() -> None:
    assert isinstance(_next(WANT, Known()), OpenBroadcast)
    assert _next(WANT, Known(epoch=0, recording=OFF)) is None
    live = Wanted("b", "r", epoch=0, live_since=5.0, ended=False)
    assert _next(live, Known(epoch=0, recording=OFF)) == GoLive(broadcast_id="b", live_since=5.0)
    assert _next(live, Known(epoch=0, live=True, recording=OFF)) is None
    muted = Wanted("b", "r", 0, None, ended=False, mutes=(("p", True),))
    known = Known(epoch=0, mutes={"p": False}, recording=OFF)
    assert isinstance(_next(muted, known), MuteParticipant)
    assert _next(muted, Known(epoch=0, recording=OFF)) is None, (
        "who is not on the stage is muted by his offer"
    )
    ended = Wanted("b", "r", 0, None, ended=True)
    assert isinstance(_next(ended, Known()), StopBroadcast)
    assert _next(ended, Known(stopped=True)) is None


def test_who_has_agreed_is_said_before_the_broadcast_is_live() -> None:
    want = Wanted("b", "r", 0, live_since=5.0, ended=False, recording=ADA)
    known = Known()
    said = []
    while (message := _next(want, known)) is not None:
        said.append(message)
        acknowledged(known, message, want)  # type: ignore[arg-type]
    kinds = [type(message) for message in said]
    assert kinds == [OpenBroadcast, SetRecording, GoLive]
    assert said[0].recording  # type: ignore[attr-defined]
    assert said[1] == SetRecording(broadcast_id="b", on=True, off_record=False, consents=["ada"])


def test_how_it_is_recorded_is_said_again_whenever_the_stage_may_not_know() -> None:
    want = Wanted("b", "r", 0, None, ended=False, recording=ADA)
    assert isinstance(_next(want, Known(epoch=0)), SetRecording), "after a restart of the studio"
    assert isinstance(_next(want, Known(epoch=0, recording=OFF)), SetRecording)
    known = Known(epoch=0, recording=ADA)
    assert _next(want, known) is None
    again = Wanted("b", "r", 1, None, ended=False, recording=ADA)
    message = _next(again, known)
    acknowledged(known, message, again)  # type: ignore[arg-type]
    assert isinstance(_next(again, known), SetRecording), "after a restart of the stage"


def test_a_restarted_stage_continues_live_in_one_message() -> None:
    want = Wanted("b", "r", epoch=3, live_since=5.0, ended=False)
    message = _next(want, Known())
    assert isinstance(message, OpenBroadcast)
    assert (message.epoch, message.live_since) == (3, 5.0)
    known = Known()
    acknowledged(known, message, want)
    known.recording = OFF
    assert _next(want, known) is None


def _next(want: Wanted, known: Known) -> object:
    step = next_step(want, known)
    return step[1] if step else None


async def until(condition: Callable[[], object], turns: int = 2000) -> None:
    """Lets everybody run until it is so; real time only where the code itself waits."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not happen")


async def live_room(house: House) -> str:
    await house.room()
    await house.command("open")
    return str((await house.command("start"))["broadcast_id"])


async def test_a_stage_that_comes_late_is_told(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        house.stage.stop()
        await house.room()
        answer = await house.command("open")
        assert (answer["status"], answer["stage"]) == ("open", "waiting")
        late = FakeStage(house.bus, "stage-2")
        await late.start()
        await until(lambda: late.open)
        assert next(iter(late.open.values())).epoch == 1


async def test_a_restarted_stage_goes_on_in_the_next_epoch(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
        since = house.stage.live[broadcast_id]
        again = FakeStage(house.bus, "stage-2")
        await again.start()
        await until(lambda: again.live)
        assert again.open[broadcast_id].epoch == 1
        assert again.live == {broadcast_id: since}
        room = await house.studio.store.room("town-hall")
        assert room.broadcast is not None
        assert room.broadcast.epoch == 1, "before the stage is told, it is committed"


async def test_a_hello_said_twice_is_one_restart(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
        for _ in range(2):
            await FakeStage(house.bus, "stage-2").start()
        await until(lambda: house.studio.room("town-hall").broadcast.epoch == 1)  # type: ignore[union-attr]
        await house.command("stop")
        assert (await house.studio.store.room("town-hall")).broadcast.epoch == 1  # type: ignore[union-attr]
        assert broadcast_id


async def test_a_restarted_studio_leaves_a_running_stage_alone(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
    told = len(house.bus.requested)
    async with running_studio(tmp_path, bus=house.bus, stage=house.stage, clock=house.clock) as again:
        assert await again.studio.link.settled(broadcast_id, 5.0)
        opened = [m for _, m in house.bus.requested[told:] if isinstance(m, OpenBroadcast)]
        assert opened == []
        assert again.studio.room("town-hall").broadcast.epoch == 0  # type: ignore[union-attr]
        await again.command("stop")
        assert house.stage.open == {}


async def test_both_restarted_begin_the_next_epoch(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
    empty = FakeStage(house.bus, "stage-2")
    await empty.start()  # its hello is heard by nobody
    async with running_studio(tmp_path, bus=house.bus, stage=empty, clock=house.clock) as again:
        assert await again.studio.link.settled(broadcast_id, 5.0)
        assert empty.open[broadcast_id].epoch == 1
        assert broadcast_id in empty.live


async def test_a_lost_hello_is_noticed_by_the_silence(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
        house.stage.open.clear()  # as after a restart whose hello got lost
        house.stage.live.clear()
        await house.studio.link.watch()
        assert house.stage.open == {}
        house.clock.advance(7.0)
        await house.studio.link.watch()
        await until(lambda: house.stage.live)
        assert house.stage.open[broadcast_id].epoch == 1


async def test_a_silent_stage_that_still_has_it_is_left_alone(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await live_room(house)
        house.clock.advance(7.0)
        await house.studio.link.watch()
        assert house.studio.room("town-hall").broadcast.epoch == 0  # type: ignore[union-attr]


async def test_a_broadcast_that_has_ended_is_stopped_wherever_it_still_runs(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await live_room(house)
        stray = OpenBroadcast(broadcast_id="20260101T000000-aaaaaa", slug="town-hall")
        house.stage.open[stray.broadcast_id] = stray
        await house.stage.report(stray.broadcast_id, "town-hall")
        await until(lambda: stray.broadcast_id not in house.stage.open)


async def test_a_mute_that_got_lost_is_said_again(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
        invitation = await house.invite()
        await house.whip(invitation["ticket"])
        person = invitation["participant_id"]
        path = f"/api/rooms/town-hall/participants/{person}/mute"
        await house.operator.post(path, json={"muted": True})
        for times in (1, 2):
            await house.stage.report(broadcast_id, "town-hall", seat(person, muted=False))
            await until(lambda times=times: len(house.stage.mutes) == times)  # type: ignore[misc]
        assert all(mute.muted for mute in house.stage.mutes)


async def test_a_stage_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        house.bus.silence(subjects.STAGE_OPEN)
        assert (await house.command("open"))["stage"] == "waiting"
        await house.bus.serve(subjects.STAGE_OPEN, OpenBroadcast, house.stage._open)
        await until(lambda: house.stage.open)
