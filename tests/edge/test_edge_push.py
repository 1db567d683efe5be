"""The push protocol: what a listener reads, whenever it joins and however slowly it reads."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from edge_fakes import CODECS, make_init
from edge_memory import Client, House, Records, dechunk, make_house, read_records, settle
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hustings.cmaf.chunker import read_chunk
from hustings.edge.fanout import HIGH, SHARD, SKIPS
from hustings.edge.push import BYE, CLOCK, DISCONTINUITY, EVENT, INIT, MEDIA, MOVE


def records(client: Client) -> tuple[Records, bool]:
    """What a push listener has read so far, and whether the response has ended."""
    head, _, body = bytes(client.transport.taken).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    content, ended = dechunk(body)
    return read_records(content), ended


def media_seqs(found: Records) -> list[int]:
    """Chunk numbers of the media records; every one must be readable."""
    return [read_chunk(data).base_decode_time // 9600 for kind, data in found.items if kind == MEDIA]


def noting(seen: list[int]) -> Callable[[bytes], None]:
    """A write that remembers which object it was given."""
    return lambda data: seen.append(id(data))


async def test_a_joiner_gets_init_clock_and_the_last_chunks_in_one_write(house: House) -> None:
    await house.live(20)
    client = house.client()
    client.get("/r/hall/live")
    found, ended = records(client)
    assert found.kinds() == [INIT, CLOCK, MEDIA, MEDIA, MEDIA]
    assert found.items[0][1] == make_init("opus")
    assert media_seqs(found) == [17, 18, 19]
    assert found.json(CLOCK) == [{"media_time": 20 * 9600, "wall_clock": house.clock.wall() + 4.0}]
    assert not ended
    house.produce(2)
    assert media_seqs(records(client)[0]) == [17, 18, 19, 20, 21]


async def test_headers_keep_proxies_from_buffering(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live?codec=aac")
    (answer,) = client.answers()
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert make_init("aac") in answer.body


async def test_http_1_0_gets_the_records_without_chunked_coding(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live", version="HTTP/1.0")
    house.produce()
    (answer,) = client.answers()
    assert "transfer-encoding" not in answer.headers
    assert media_seqs(read_records(answer.body)) == [2, 3, 4, 5]


async def test_all_listeners_are_given_the_same_bytes_object(house: House) -> None:
    await house.live(5)
    clients = [house.client() for _ in range(3)]
    written: list[list[int]] = []
    for client in clients:
        client.get("/r/hall/live")
        written.append([])
        channel = house.edge.channels["hall"]
        shard = channel.push["opus"]._chunked._shards[0]
        shard.sinks[client.protocol] = noting(written[-1])
    house.produce(1)
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 1


async def test_who_waits_while_doors_are_open_hears_the_beginning(house: House) -> None:
    await house.room("open")
    client = house.client()
    client.get("/r/hall/live")
    house.step(3)
    found, _ = records(client)
    assert set(found.kinds()) == {CLOCK}
    assert all(clock["media_time"] == -1 for clock in found.json(CLOCK))
    assert len(found.items) >= 3
    house.go_live()
    await house.room("live")
    house.produce()
    await settle()
    found, _ = records(client)
    kinds = [kind for kind in found.kinds() if kind != CLOCK]
    assert kinds == [INIT, MEDIA]
    assert media_seqs(found) == [0]


async def test_a_clock_at_least_once_a_second_also_when_nothing_comes(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    before = len(records(client)[0].json(CLOCK))
    house.step(10)
    found, _ = records(client)
    assert len(found.json(CLOCK)) - before >= 9
    assert {clock["media_time"] for clock in found.json(CLOCK)} == {5 * 9600}


async def test_the_clock_rides_along_with_chunks(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    client.transport.taken.clear()
    writes = 0
    for turn in range(25):
        house.clock.advance(0.2)
        house.produce()
        if turn % 5 == 4:
            house.edge.tick()
        writes += 1
    content, _ = dechunk(bytes(client.transport.taken))
    found = read_records(content)
    assert 5 <= len(found.json(CLOCK)) <= 7
    assert bytes(client.transport.taken).count(b"moof") == writes


async def test_events_are_in_band(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    house.event("speaking", participant_id="p1", speaking=True)
    house.produce()
    found, _ = records(client)
    (event,) = found.json(EVENT)
    assert event["kind"] == "speaking"
    assert event["participant_id"] == "p1"
    assert found.kinds()[-2:] == [EVENT, MEDIA]


async def test_the_end_says_goodbye(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    await house.room("ended")
    house.produce()
    assert not client.is_closed()
    house.step(3)
    await settle()
    found, ended = records(client)
    assert found.json(BYE) == [{"reason": "ended"}]
    assert media_seqs(found)[-1] == 5
    assert ended
    assert client.is_closed()
    assert house.client().ask("/r/hall/live").status == 409


async def test_who_is_asked_to_move_hears_on_until_he_has(house: House) -> None:
    await house.live(5)
    early, keeping = house.client(), house.client()
    early.get("/r/hall/live")
    keeping.get("/r/hall/state.json")
    assert keeping.answers()[0].headers.get("connection") != "close"
    house.edge.leave(6.0)
    house.produce(2)
    late = house.client()
    late.get("/r/hall/live")
    house.produce(1)
    for client, seqs in ((early, [2, 3, 4, 5, 6, 7]), (late, [4, 5, 6, 7])):
        found, ended = records(client)
        assert found.json(MOVE) == [{"reason": "draining", "within": 6.0}]
        assert media_seqs(found) == seqs
        assert not ended
    keeping.get("/r/hall/state.json")
    (last,) = keeping.answers()
    assert last.status == 200
    assert last.headers["connection"] == "close"


async def test_draining_says_so(house: House) -> None:
    await house.live(5)
    client, waiting = house.client(), house.client()
    client.get("/r/hall/live")
    waiting.get("/r/hall/hls/opus.m3u8?_HLS_msn=0&_HLS_part=3")
    await house.edge.close()
    found, ended = records(client)
    assert found.json(BYE) == [{"reason": "draining"}]
    assert ended
    assert waiting.answers()[0].status == 503
    late = house.client().ask("/r/hall")
    assert late.status == 503
    assert "retry-after" in late.headers


async def test_a_restarted_stage_is_a_discontinuity(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    house.go_live(first_seq=40, epoch=1)
    house.bus.chunks = {"opus": [], "aac": []}
    house.produce()
    await settle()
    house.produce()
    found, _ = records(client)
    assert found.json(DISCONTINUITY) == [{"media_time": 40 * 9600, "reason": "restart"}]
    assert media_seqs(found) == [2, 3, 4, 40, 41]
    late = house.client()
    late.get("/r/hall/live")
    found, _ = records(late)
    assert media_seqs(found) == [4, 40, 41]
    assert found.json(DISCONTINUITY) == [{"media_time": 40 * 9600, "reason": "restart"}]


async def test_a_new_init_segment_comes_before_what_needs_it(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    house.bus.inits["opus"] = new = make_init("opus").replace(b"und", b"deu") + b"\0\0\0\x08free"
    house.go_live(first_seq=5, epoch=1)
    house.produce()
    await settle()
    found, _ = records(client)
    assert found.items[-2] == (INIT, new) or found.items[-3] == (INIT, new)
    late = house.client()
    late.get("/r/hall/live")
    found, _ = records(late)
    assert found.items[0] == (INIT, new)
    assert media_seqs(found) == [5]


async def test_a_slow_listener_is_moved_to_the_live_edge(house: House) -> None:
    await house.live(5)
    slow, quick = house.client(room=20_000), house.client()
    for client in (slow, quick):
        client.get("/r/hall/live")
    house.produce(120)
    assert len(slow.transport.buffered) <= HIGH + 4000
    slow.transport.take()
    house.produce(2)
    found, _ = records(slow)
    (jump,) = found.json(DISCONTINUITY)
    assert jump["reason"] == "slow"
    seqs = media_seqs(found)
    assert seqs == sorted(set(seqs))
    assert seqs[-5:] == [122, 123, 124, 125, 126]
    assert jump["media_time"] == 122 * 9600
    assert house.edge.metrics.skips == 1
    assert media_seqs(records(quick)[0]) == list(range(2, 127))


async def test_a_listener_slow_for_a_moment_misses_nothing(house: House) -> None:
    await house.live(5)
    client = house.client(room=20_000)
    client.get("/r/hall/live")
    while not client.protocol.fanout or client.protocol.shard is not None:
        house.produce()
    house.produce(10)
    client.transport.take()
    house.produce()
    found, _ = records(client)
    seqs = media_seqs(found)
    assert seqs == list(range(2, seqs[-1] + 1))
    assert not found.json(DISCONTINUITY)
    assert house.edge.metrics.skips == 0


async def test_who_is_slow_again_and_again_is_sent_away(house: House) -> None:
    await house.live(5)
    client = house.client(room=0)
    client.get("/r/hall/live")
    for _ in range(SKIPS):
        assert not client.is_closed()
        house.produce(100)
        client.transport.take()
        client.transport.room = 0
    client.transport.take()
    found, ended = records(client)
    assert found.json(BYE) == [{"reason": "slow"}]
    assert ended
    assert client.is_closed()
    assert house.edge.metrics.cut["slow_listener"] == 1


async def test_who_takes_nothing_at_all_is_cut(house: House) -> None:
    await house.live(5)
    client = house.client(room=0)
    client.get("/r/hall/live")
    house.produce(100)
    house.step(25)
    assert client.is_closed()
    assert house.edge.metrics.cut["stalled_listener"] == 1
    assert len(house.edge.channels["hall"].push["opus"]) == 0


async def test_more_listeners_than_one_shard(web: Path) -> None:
    """Shards are written to in turns; whoever joins in between misses nothing and gets nothing twice."""
    turns: list[object] = []
    house = make_house(web, per_address=5000, listeners=5000)
    clients = []
    await house.live(5)
    group = house.edge.channels["hall"].push["opus"]
    group._chunked._call_soon = turns.append
    for _ in range(SHARD * 2 + 10):
        client = house.client()
        client.get("/r/hall/live")
        clients.append(client)
    assert len(group._chunked._shards) == 3
    house.produce()
    between = house.client()
    between.get("/r/hall/live")
    clients.append(between)
    house.produce()
    while turns:
        work = turns.pop(0)
        assert callable(work)
        work()
    house.produce()
    while turns:
        work = turns.pop(0)
        assert callable(work)
        work()
    for client in clients:
        seqs = media_seqs(records(client)[0])
        assert seqs == list(range(seqs[0], 8))
        assert seqs[0] <= 3
    await house.end()


async def test_no_shard_starves_when_batches_come_faster_than_turns(web: Path) -> None:
    turns: list[Callable[[], None]] = []
    house = make_house(web, per_address=5000, listeners=5000)
    await house.live(5)
    group = house.edge.channels["hall"].push["opus"]
    group._chunked._call_soon = turns.append
    clients = [house.client() for _ in range(SHARD * 3)]
    for client in clients:
        client.get("/r/hall/live")
    for _ in range(30):
        house.produce()
        turns.pop(0)()
        assert len(group._chunked._batches) <= 6
    for client in clients:
        seqs = media_seqs(records(client)[0])
        assert seqs == list(range(2, seqs[-1] + 1))
        assert seqs[-1] >= 32
    await house.end()


async def test_batches_grow_under_load_and_lose_nothing(house: House) -> None:
    await house.live(6)
    client = house.client()
    client.get("/r/hall/live")
    house.edge.load.batch = 4
    house.produce(3)
    assert media_seqs(records(client)[0]) == [3, 4, 5]
    joiner = house.client()
    joiner.get("/r/hall/live")
    house.produce(1)
    assert media_seqs(records(client)[0]) == [3, 4, 5, 6, 7, 8, 9]
    assert media_seqs(records(joiner)[0]) == [3, 4, 5, 6, 7, 8, 9]


async def test_full_edges_refuse_newcomers_only(house: House) -> None:
    await house.live(6)
    client = house.client()
    client.get("/r/hall/live")
    house.edge.keeper.capacity.places["descriptors"] = 1
    house.step(0.25)
    answer = house.client().ask("/r/hall/live")
    assert answer.status == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 15
    house.produce()
    assert media_seqs(records(client)[0])[-1] == 6
    assert house.edge.metrics.refused["load"] == 1


async def test_a_listener_who_talks_is_cut(house: House) -> None:
    await house.live(6)
    client = house.client()
    client.get("/r/hall/live")
    for _ in range(20):
        client.send(b"x" * 1000)
    assert client.is_closed()


async def test_no_such_codec_and_no_such_room(house: House) -> None:
    await house.live(6)
    assert house.client().ask("/r/hall/live?codec=mp3").status == 400
    assert house.client().ask("/r/other/live").status == 404
    await house.room("scheduled", slug="later", broadcast_id="")
    assert house.client().ask("/r/later/live").status == 409


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(1, 40)),
        st.tuples(st.just("lose"), st.integers(1, 5)),
        st.tuples(st.just("read"), st.integers(0, 40_000)),
        st.tuples(st.just("stop"), st.just(0)),
        st.tuples(st.just("all"), st.just(0)),
        st.tuples(st.just("join"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.integers(1, 8)),
        st.tuples(st.just("batch"), st.sampled_from((1, 2, 4))),
        st.tuples(st.just("forget"), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 20)),
    ),
    max_size=30,
)


class Listening:
    """A random life of a room with listeners of all kinds."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.clients: list[Client] = []
        self.epoch = 0

    async def do(self, action: str, number: int) -> None:
        house = self.house
        if action == "produce":
            house.produce(number)
        elif action == "lose":
            house.produce(number, lost=True)
        elif action == "forget":
            house.bus.chunks = {codec: house.bus.chunks[codec][-3:] for codec in CODECS}
        elif action == "restart":
            self.epoch += 1
            house.bus.chunks = {"opus": [], "aac": []}
            house.go_live(first_seq=house.makers["opus"].seq + number, epoch=self.epoch)
        elif action == "join":
            client = house.client(room=[None, 0, 5000, 100_000][number])
            client.get("/r/hall/live")
            self.clients.append(client)
        elif action == "batch":
            house.edge.load.batch = number
        elif action == "wait":
            house.step(number * 0.25)
        elif self.clients and not self.clients[-1].is_closed():
            client = self.clients[-1]
            if action == "stop":
                client.transport.room = 0
            else:
                client.transport.take(None if action == "all" else number)
        await settle(20)

    def check(self) -> None:
        """The promise of docs/push-protocol.md."""
        for client in self.clients:
            found, _ = records(client)
            last = None
            announced = False
            have_init = False
            for kind, payload in found.items:
                have_init |= kind == INIT
                announced |= kind == DISCONTINUITY
                if kind == MEDIA:
                    assert have_init
                    seq = read_chunk(payload).base_decode_time // 9600
                    if last is not None:
                        assert seq > last, "twice or backwards"
                        assert announced or seq == last + 1, "an unannounced hole"
                    last, announced = seq, False


@given(STEPS)
@hypothesis_settings(max_examples=60, deadline=None)
def test_whatever_happens_records_are_whole_in_order_and_holes_are_announced(
    steps: list[tuple[str, int]],
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            house = make_house(Path(folder))
            await house.live(4)
            listening = Listening(house)
            await listening.do("join", 0)
            await listening.do("join", 2)
            for action, number in steps:
                await listening.do(action, number)
            for client in listening.clients:
                if not client.is_closed():
                    client.transport.take()
            house.produce(2)
            await settle()
            listening.check()
            await house.end()

    asyncio.run(run())
