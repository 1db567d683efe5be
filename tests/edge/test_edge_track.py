"""Order: a timeline without duplicates, and without a hole that the stage could have filled."""

from __future__ import annotations

import asyncio

from edge_fakes import BROADCAST, ChunkMaker, make_init
from edge_memory import FakeBus, House, settle
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hustings.bus import subjects
from hustings.bus.messages import MediaChunk, Window, WindowRequest
from hustings.clock import FakeClock
from hustings.edge.assembler import PATIENCE, Arrived, Assembler
from hustings.edge.metrics import Metrics
from hustings.edge.track import Track


def chunk(seq: int, epoch: int = 0) -> MediaChunk:
    return MediaChunk(
        broadcast_id=BROADCAST,
        codec="opus",
        seq=seq,
        epoch=epoch,
        media_time=seq * 9600,
        duration=9600,
        wall_clock=seq / 5,
        data=b"%d" % seq,
    )


def window(seqs: list[int], last: int, epoch: int = 0) -> Window:
    return Window(init=b"init", chunks=[chunk(seq, epoch) for seq in seqs], last_seq=last)


def seqs(ready: list[Arrived]) -> list[int]:
    return [arrived.chunk.seq for arrived in ready]


class TestAssembler:
    def test_live_chunks_wait_for_the_first_window(self) -> None:
        assembler = Assembler()
        assert assembler.live(chunk(5)) == []
        assert seqs(assembler.window(window([0, 1, 2], last=4))) == [0, 1, 2]
        assert seqs(assembler.window(window([3, 4], last=4))) == [3, 4, 5]
        assert not assembler.fetching
        assert seqs(assembler.live(chunk(6))) == [6]

    def test_duplicates_are_dropped(self) -> None:
        assembler = Assembler()
        assembler.window(window([0, 1], last=1))
        assert assembler.live(chunk(1)) == []
        assert assembler.live(chunk(2)) != []
        assert assembler.live(chunk(2)) == []
        assert assembler.duplicates == 2

    def test_a_hole_is_fetched(self) -> None:
        assembler = Assembler()
        assembler.window(window([0], last=0))
        assert assembler.live(chunk(3)) == []
        assert assembler.fetching
        assert assembler.live(chunk(4)) == []
        ready = assembler.window(window([1, 2, 3], last=3))
        assert seqs(ready) == [1, 2, 3, 4]
        assert {arrived.reason for arrived in ready} == {""}
        assert not assembler.fetching

    def test_a_true_hole_is_named(self) -> None:
        assembler = Assembler()
        assembler.window(window([0], last=0))
        assembler.live(chunk(9))
        ready = assembler.window(window([7, 8, 9], last=9))
        assert seqs(ready) == [7, 8, 9]
        assert [arrived.reason for arrived in ready] == ["gap", "", ""]

    def test_a_restarted_stage_is_named(self) -> None:
        assembler = Assembler()
        assembler.window(window([0, 1], last=1))
        assert assembler.live(chunk(2, epoch=1)) == []
        ready = assembler.window(window([2], last=2, epoch=1))
        assert [(arrived.chunk.seq, arrived.reason) for arrived in ready] == [(2, "restart")]

    def test_a_window_that_begins_late_is_no_gap_for_a_late_edge(self) -> None:
        assembler = Assembler()
        ready = assembler.window(window([500, 501], last=501))
        assert [arrived.reason for arrived in ready] == ["", ""]

    def test_nothing_yet(self) -> None:
        assembler = Assembler()
        assert assembler.window(window([], last=-1)) == []
        assert not assembler.fetching
        assert seqs(assembler.live(chunk(0))) == [0]

    def test_a_first_chunk_that_is_not_the_beginning_asks(self) -> None:
        assembler = Assembler()
        assembler.window(window([], last=-1))
        assert assembler.live(chunk(2)) == []
        assert assembler.fetching

    def test_a_stage_that_does_not_answer_holds_nothing_up_for_ever(self) -> None:
        assembler = Assembler()
        assembler.window(window([0], last=0))
        assembler.live(chunk(2))
        assembler.live(chunk(3))
        ready: list[Arrived] = []
        for _ in range(PATIENCE):
            assert not ready
            ready = assembler.unanswered()
        assert [(arrived.chunk.seq, arrived.reason) for arrived in ready] == [(2, "gap"), (3, "")]
        assert not assembler.fetching

    def test_a_stage_that_never_had_them_either(self) -> None:
        assembler = Assembler()
        assembler.window(window([0], last=0))
        assembler.live(chunk(2))
        ready: list[Arrived] = []
        for _ in range(PATIENCE):
            ready = assembler.window(window([], last=-1))
        assert [(arrived.chunk.seq, arrived.reason) for arrived in ready] == [(2, "gap")]

    @given(st.data())
    @hypothesis_settings(max_examples=150, deadline=None)
    def test_any_loss_on_the_bus_is_repaired(self, data: st.DataObject) -> None:
        """Whatever the bus loses, repeats or reorders: all that the stage has comes once, in order."""
        assembler = Assembler()
        out: list[Arrived] = []
        kept = 0
        total = data.draw(st.integers(1, 40))
        for seq in range(total):
            for _ in range(data.draw(st.integers(0, 2))):
                out += assembler.live(chunk(seq))
            if seq > 2 and data.draw(st.booleans()):
                out += assembler.live(chunk(data.draw(st.integers(max(0, seq - 4), seq))))
            if data.draw(st.integers(0, 9)) == 0:
                assembler.resync()
            if data.draw(st.booleans()) and assembler.fetching:
                answer = range(max(kept, assembler.last_seq + 1), seq + 1)
                page = list(answer)[: data.draw(st.integers(1, 10))]
                out += assembler.window(window(page, last=seq))
        assembler.resync()
        while assembler.fetching:
            answer = range(max(kept, assembler.last_seq + 1), total)
            out += assembler.window(window(list(answer)[:7], last=total - 1))
        assert seqs(out) == list(range(total))
        assert {arrived.reason for arrived in out} == {""}


class Listener:
    """A track with what it delivers."""

    def __init__(self, bus: FakeBus) -> None:
        self.got: list[Arrived] = []
        self.inits: list[bytes] = []
        self.slept = 0.0
        self.metrics = Metrics()
        self.clock = FakeClock()
        self.track = Track(
            BROADCAST,
            "opus",
            bus=bus,
            metrics=self.metrics,
            deliver=self._deliver,
            init=self.inits.append,
            sleep=self._sleep,
            now=self.clock.monotonic,
        )
        self.track.start()

    def _deliver(self, arrived: list[Arrived]) -> None:
        assert self.inits, "a chunk before its init segment"
        self.got += arrived

    async def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(0)


class Stage:
    """Publishes on a fake bus."""

    def __init__(self, bus: FakeBus) -> None:
        self.bus = bus
        self.maker = ChunkMaker("opus")

    def produce(self, count: int) -> None:
        for _ in range(count):
            made = self.maker.next()
            self.bus.chunks["opus"].append(made)
            self.bus.send(subjects.media(BROADCAST, "opus"), made)


async def test_a_late_edge_gets_the_whole_window_page_by_page() -> None:
    bus = FakeBus()
    stage = Stage(bus)
    stage.produce(95)
    # While the window is fetched the broadcast goes on.
    bus.on_window = lambda: stage.produce(1)
    listener = Listener(bus)
    await settle(200)
    bus.on_window = None
    stage.produce(3)
    assert seqs(listener.got) == list(range(len(bus.chunks["opus"])))
    assert {arrived.reason for arrived in listener.got} == {""}
    assert listener.inits[0] == make_init("opus")
    assert listener.track.filled.is_set()
    await listener.track.stop()


async def test_cut_off_for_ten_seconds_and_back() -> None:
    bus = FakeBus()
    stage = Stage(bus)
    listener = Listener(bus)
    await settle()
    stage.produce(20)
    await settle()
    bus.cut()
    stage.produce(50)
    await settle()
    assert len(listener.got) == 20
    bus.heal()
    listener.track.resync()
    await settle()
    stage.produce(5)
    await settle()
    assert seqs(listener.got) == list(range(75))
    assert {arrived.reason for arrived in listener.got} == {""}
    assert listener.metrics.chunks["fetched"] >= 50
    await listener.track.stop()


async def test_what_the_stage_has_no_more_is_a_named_gap() -> None:
    bus = FakeBus()
    stage = Stage(bus)
    listener = Listener(bus)
    await settle()
    stage.produce(10)
    bus.cut()
    stage.produce(50)
    bus.chunks["opus"] = bus.chunks["opus"][-20:]
    bus.heal()
    listener.track.resync()
    await settle()
    assert seqs(listener.got) == [*range(10), *range(40, 60)]
    assert [arrived.chunk.seq for arrived in listener.got if arrived.reason == "gap"] == [40]
    assert listener.metrics.gaps == {"gap": 1, "restart": 0}
    await listener.track.stop()


async def test_a_stage_that_is_away_is_asked_again() -> None:
    bus = FakeBus()
    bus.stage_answers = False
    stage = Stage(bus)
    listener = Listener(bus)
    await settle()
    assert listener.slept > 0
    stage.produce(5)
    await settle()
    assert not listener.got
    bus.stage_answers = True
    await settle()
    assert seqs(listener.got) == [0, 1, 2, 3, 4]
    await listener.track.stop()


async def test_a_live_broadcast_gone_quiet_is_asked_after() -> None:
    bus = FakeBus()
    stage = Stage(bus)
    listener = Listener(bus)
    await settle()
    stage.produce(2)
    handler = bus.handlers.pop(subjects.media(BROADCAST, "opus"))
    stage.produce(3)
    bus.handlers[subjects.media(BROADCAST, "opus")] = handler
    asked = len([each for each in bus.requests if isinstance(each, WindowRequest)])
    listener.clock.advance(4)
    listener.track.tick(listener.clock.monotonic(), live=True)
    await settle()
    assert len(bus.requests) > asked
    assert seqs(listener.got) == [0, 1, 2, 3, 4]
    await listener.track.stop()


async def test_a_stopped_track_is_off_the_bus() -> None:
    bus = FakeBus()
    listener = Listener(bus)
    await settle()
    await listener.track.stop()
    assert not bus.handlers


async def test_a_whole_edge_is_cut_off_and_its_listeners_get_everything(house: House) -> None:
    from edge_memory import dechunk, read_records

    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    house.bus.cut()
    house.produce(50)
    house.step(10)
    assert house.client().ask("/healthz").status == 503
    house.bus.heal()
    await settle()
    house.produce(2)
    await settle()
    _, _, body = bytes(client.transport.taken).partition(b"\r\n\r\n")
    found = read_records(dechunk(body)[0])
    assert found.kinds().count(2) == 3 + 52
    assert 5 not in found.kinds()
    playlist = house.client().ask("/r/hall/hls/opus.m3u8").body.decode()
    assert "GAP" not in playlist
    assert playlist.count("#EXTINF") == 57 // 30
