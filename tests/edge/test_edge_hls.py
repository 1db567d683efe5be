"""LL-HLS at the door: blocking reload, hinted parts, what is cached and for how long."""

from __future__ import annotations

import gzip
import re

import pytest
from edge_fakes import BROADCAST, CODECS, make_init
from edge_memory import House, settle

HLS = "/r/hall/hls/"
NAMED = f"{HLS}{BROADCAST}/"


async def test_the_multivariant_playlist_names_the_broadcast(house: House) -> None:
    await house.live(3)
    answer = house.client().ask(HLS + "index.m3u8")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["access-control-allow-origin"] == "*"
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    assert lines == [f"{BROADCAST}/opus.m3u8", f"{BROADCAST}/aac.m3u8"]
    assert 'CODECS="opus"' in answer.body.decode()


async def test_everything_in_a_playlist_can_be_fetched_and_is_the_stages_bytes(house: House) -> None:
    await house.live(70)
    for codec in CODECS:
        client = house.client()
        text = client.ask(f"{NAMED}{codec}.m3u8").body.decode()
        assert client.ask(NAMED + re.findall(r'MAP:URI="([^"]+)"', text)[0]).body == make_init(codec)
        kept = [chunk.data for chunk in house.bus.chunks[codec]]
        segments = [line for line in text.splitlines() if not line.startswith("#")]
        assert segments == [f"{codec}/0.m4s", f"{codec}/1.m4s"]
        assert client.ask(NAMED + segments[0]).body == b"".join(kept[:30])
        parts = re.findall(r'EXT-X-PART:[^\n]*URI="([^"]+)"', text)
        assert parts[-1] == f"{codec}/2.2.m4s"
        assert client.ask(NAMED + parts[-1]).body == b"".join(kept[66:69])
        by_parts = b"".join(client.ask(NAMED + part).body for part in parts if "/1." in part)
        assert by_parts == b"".join(kept[30:60])


async def test_blocking_reload_waits_for_the_part(house: House) -> None:
    await house.live(3)
    clients = [house.client() for _ in range(5)]
    for client in clients:
        client.get(NAMED + "opus.m3u8?_HLS_msn=0&_HLS_part=1")
        assert not client.answers()
    house.produce(2)
    assert not clients[0].answers()
    house.produce(1)
    bodies = [client.answers()[0] for client in clients]
    assert len({answer.body for answer in bodies}) == 1
    assert b"opus/0.1.m4s" in bodies[0].body
    assert bodies[0].headers["cache-control"] == "public, max-age=36"
    # Asked once more, it is there at once.
    assert clients[0].ask(NAMED + "opus.m3u8?_HLS_msn=0&_HLS_part=1").status == 200


async def test_blocking_for_a_whole_segment(house: House) -> None:
    await house.live(28)
    client = house.client()
    client.get(NAMED + "opus.m3u8?_HLS_msn=0")
    house.produce(1)
    assert not client.answers()
    house.produce(1)
    assert b"\nopus/0.m4s\n" in client.answers()[0].body


async def test_delta_update(house: House) -> None:
    await house.live(30 * 9)
    client = house.client()
    whole = client.ask(NAMED + "opus.m3u8").body
    delta = client.ask(NAMED + "opus.m3u8?_HLS_skip=YES").body
    assert b"#EXT-X-SKIP:SKIPPED-SEGMENTS=" in delta
    assert b"EXT-X-SKIP" not in whole
    assert len(delta) < len(whole)


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_part=1",
        "_HLS_msn=x",
        "_HLS_msn=-1",
        "_HLS_msn=1e3",
        "_HLS_msn=9999999999999999999999",
        "_HLS_msn=5",
        "_HLS_msn=0&_HLS_part=40",
        "_HLS_msn=0&_HLS_part=%C2%B2",
        "_HLS_msn=",
    ],
)
async def test_bad_directives(house: House, query: str) -> None:
    await house.live(6)
    answer = house.client().ask(f"{NAMED}opus.m3u8?{query}")
    assert answer.status == 400
    assert answer.json()["detail"].endswith(".")


async def test_who_waits_for_too_long_is_told(house: House) -> None:
    await house.live(3)
    client = house.client()
    client.get(NAMED + "opus.m3u8?_HLS_msn=0&_HLS_part=1")
    house.step(15)
    assert not client.answers()
    house.step(4)
    (answer,) = client.answers()
    assert answer.status == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 4
    assert not client.is_closed()


async def test_the_hinted_part_waits(house: House) -> None:
    await house.live(3)
    client = house.client()
    text = client.ask(NAMED + "opus.m3u8").body.decode()
    hint = re.findall(r'PRELOAD-HINT:TYPE=PART,URI="([^"]+)"', text)[0]
    client.get(NAMED + hint)
    house.produce(2)
    assert not client.answers()
    house.produce(1)
    (answer,) = client.answers()
    assert answer.body == b"".join(chunk.data for chunk in house.bus.chunks["opus"][3:6])
    assert "immutable" in answer.headers["cache-control"]
    assert client.ask(NAMED + "opus/0.3.m4s").status == 404


async def test_a_hinted_part_that_never_comes_is_not_found(house: House) -> None:
    await house.live(3)
    client = house.client()
    client.get(NAMED + "opus/0.1.m4s")
    house.go_live(first_seq=60, epoch=1)
    house.bus.chunks = {"opus": [], "aac": []}
    house.produce(6)
    await settle()
    assert client.answers()[0].status == 404


async def test_who_left_while_waiting_is_forgotten(house: House) -> None:
    await house.live(3)
    client = house.client()
    client.get(NAMED + "opus.m3u8?_HLS_msn=0&_HLS_part=1")
    client.transport.close()
    house.step(1)
    hls = house.edge.channels["hall"].hls
    assert hls is not None
    assert len(hls.waiting) == 0
    house.produce(3)


async def test_playlists_are_rendered_once_for_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.live(3)
    hls = house.edge.channels["hall"].hls
    assert hls is not None
    timeline = hls.renditions["opus"].timeline
    rendered = []
    original = timeline.media_playlist

    def counting(**options: object) -> bytes:
        rendered.append(options)
        return original(**options)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(timeline, "media_playlist", counting)
    for _ in range(20):
        client = house.client()
        client.ask(NAMED + "opus.m3u8")
        client.ask(NAMED + "opus.m3u8", "Accept-Encoding: gzip")
    assert len(rendered) == 1


async def test_compressed_playlists(house: House) -> None:
    await house.live(60)
    client = house.client()
    plain = client.ask(NAMED + "opus.m3u8")
    packed = client.ask(NAMED + "opus.m3u8", "Accept-Encoding: gzip, deflate")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3


async def test_byte_ranges_of_segments(house: House) -> None:
    await house.live(30)
    client = house.client()
    whole = client.ask(NAMED + "opus/0.m4s")
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.body)
    for field, expected in (
        ("0-99", whole.body[:100]),
        (f"{size - 5}-", whole.body[-5:]),
        ("-7", whole.body[-7:]),
    ):
        answer = client.ask(NAMED + "opus/0.m4s", f"Range: bytes={field}")
        assert answer.status == 206
        assert answer.body == expected
        first = whole.body.index(expected)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{size}"
    beyond = client.ask(NAMED + "opus/0.m4s", f"Range: bytes={size}-")
    assert beyond.status == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"
    for ignored in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=a-b", "bytes=-"):
        assert client.ask(NAMED + "opus/0.m4s", f"Range: {ignored}").status == 200
    assert client.ask(NAMED + "opus/0.m4s", "Range: bytes=0-1", 'If-Range: "x"').status == 200
    tag = whole.headers["etag"]
    assert client.ask(NAMED + "opus/0.m4s", "Range: bytes=0-1", f"If-Range: {tag}").status == 206


async def test_without_the_broadcasts_name_nothing_is_cached(house: House) -> None:
    await house.live(30)
    client = house.client()
    for path in ("opus/0.m4s", "opus/0.1.m4s", "opus/init.mp4"):
        named, unnamed = client.ask(NAMED + path), client.ask(HLS + path)
        assert named.body == unnamed.body
        assert "immutable" in named.headers["cache-control"]
        assert unnamed.headers["cache-control"] == "no-cache"
    assert client.ask(HLS + "opus.m3u8").body == client.ask(NAMED + "opus.m3u8").body


async def test_who_is_early_waits_for_the_beginning(house: House) -> None:
    await house.room("open")
    client, other = house.client(), house.client()
    client.get(HLS + "aac.m3u8")
    other.get(HLS + "opus/init.mp4")
    await settle()
    house.go_live()
    await house.room("live")
    house.produce(3)
    await settle()
    assert client.answers()[0].status == 200
    assert other.answers()[0].status == 200


async def test_old_sound_leaves_with_the_window(house: House) -> None:
    await house.live(5)
    house.produce(30 * 16)
    client = house.client()
    text = client.ask(NAMED + "opus.m3u8").body.decode()
    first = int(re.findall(r"MEDIA-SEQUENCE:(\d+)", text)[0])
    assert first >= 5
    assert client.ask(f"{NAMED}opus/{first}.m4s").status == 200
    assert client.ask(f"{NAMED}opus/0.m4s").status == 404
    hls = house.edge.channels["hall"].hls
    assert hls is not None
    assert len(hls.renditions["opus"]._chunks) < 15 * 30


async def test_the_end_and_the_next_broadcast(house: House) -> None:
    await house.live(31)
    client, waiting = house.client(), house.client()
    waiting.get(NAMED + "opus.m3u8?_HLS_msn=1&_HLS_part=0")
    await house.room("ended")
    house.step(2)
    await settle()
    assert b"#EXT-X-ENDLIST" in waiting.answers()[0].body
    assert b"#EXT-X-ENDLIST" in client.ask(NAMED + "opus.m3u8").body
    assert client.ask(NAMED + "opus/0.m4s").status == 200
    house.step(25)
    assert house.client().ask(NAMED + "opus.m3u8").status == 200
    house.bus.chunks = {"opus": [], "aac": []}
    await house.room("open", broadcast_id="20261123T160000-ffffff")
    assert house.client().ask(NAMED + "opus.m3u8").status == 404


async def test_an_ended_broadcast_is_forgotten_at_last(house: House) -> None:
    await house.live(31)
    await house.room("ended")
    house.step(700)
    assert house.client().ask(HLS + "index.m3u8").status == 404
    assert house.edge.channels["hall"].hls is None


async def test_a_restart_is_a_discontinuity(house: House) -> None:
    await house.live(40)
    house.go_live(first_seq=95, epoch=1)
    house.bus.chunks = {"opus": [], "aac": []}
    house.produce(3)
    await settle()
    house.produce(30)
    text = house.client().ask(NAMED + "opus.m3u8").body.decode()
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert "#EXT-X-GAP" in text


@pytest.mark.parametrize(
    "path",
    [
        "x.m3u8",
        "opus/x.m4s",
        "opus/-1.m4s",
        "opus/1.x.m4s",
        "opus/0.m4a",
        "mp3/0.m4s",
        "opus/0/1.m4s",
        "",
        "opus",
    ],
)
async def test_no_such_thing(house: House, path: str) -> None:
    await house.live(31)
    assert house.client().ask(NAMED + path).status == 404
    assert house.client().ask("/r/nowhere/hls/index.m3u8").status == 404


async def test_hls_listeners_are_counted_by_visitor(house: House) -> None:
    await house.live(31)
    for number in range(3):
        client = house.client(f"192.0.2.{number}")
        client.ask(NAMED + "opus.m3u8", "User-Agent: one")
        client.ask(NAMED + "opus/0.m4s", "User-Agent: one")
    house.client("192.0.2.1").ask(NAMED + "opus.m3u8", "User-Agent: two")
    house.client("192.0.2.9").ask(HLS + "index.m3u8")
    house.client("192.0.2.10").ask("/r/hall/state.json")
    assert house.edge.audience("edge").listening == {"hall": {"push": 0, "stream": 0, "hls": 4}}
    house.step(16)
    assert house.edge.audience("edge").listening == {}
