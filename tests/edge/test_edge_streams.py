"""Plain streams: whole pages and frames for everybody, from wherever they join."""

from __future__ import annotations

import struct

from edge_memory import Client, House, settle

from hustings.cmaf.chunker import read_chunk
from hustings.cmaf.ogg import ogg_crc


def pages(data: bytes) -> list[tuple[int, int, int, int, bytes]]:
    """(flags, granule, serial, number, payload) of each Ogg page; checks every checksum."""
    found = []
    while data:
        assert data[:4] == b"OggS"
        flags, granule, serial, number, crc, count = struct.unpack_from("<xBqIIIB", data, 4)
        size = 27 + count + sum(data[27 : 27 + count])
        page = data[:size]
        assert ogg_crc(page[:22] + bytes(4) + page[26:]) == crc
        found.append((flags, granule, serial, number, page[27 + count :]))
        data = data[size:]
    return found


def body(client: Client) -> bytes:
    head, _, rest = bytes(client.transport.taken).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    return rest


def packets(house: House, first: int, last: int) -> bytes:
    """The Opus packets of chunks first..last, one after another."""
    out = b""
    for chunk in house.bus.chunks["opus"][first : last + 1]:
        out += b"".join(chunk.data[at : at + size] for at, size, _ in read_chunk(chunk.data).samples)
    return out


async def test_ogg_from_the_middle(house: House) -> None:
    await house.live(20)
    client = house.client()
    client.get("/r/hall/stream.ogg")
    house.produce(3)
    found = pages(body(client))
    assert found[0][4].startswith(b"OpusHead")
    assert found[1][4].startswith(b"OpusTags")
    assert found[0][0] == 2
    assert [page[3] for page in found] == [0, 1, *range(17, 25)]
    assert [page[1] for page in found[2:]] == [9600 * (seq + 1) for seq in range(15, 23)]
    assert b"".join(page[4] for page in found[2:]) == packets(house, 15, 22)
    assert len({page[2] for page in found}) == 1


async def test_ogg_from_the_beginning(house: House) -> None:
    await house.room("open")
    client = house.client()
    client.get("/r/hall/stream.ogg", version="HTTP/1.0")
    assert body(client) == b""
    house.go_live()
    await house.room("live")
    house.produce(2)
    await settle()
    found = pages(body(client))
    assert [page[3] for page in found] == [0, 1, 2, 3]
    assert b"".join(page[4] for page in found[2:]) == packets(house, 0, 1)


async def test_adts(house: House) -> None:
    await house.live(20)
    client = house.client()
    client.get("/r/hall/stream.aac")
    house.produce(2)
    data = body(client)
    units = []
    while data:
        assert data[:2] == b"\xff\xf1"
        size = int.from_bytes(data[3:6]) >> 5 & 0x1FFF
        units.append(data[7:size])
        data = data[size:]
    expected = [
        chunk.data[at : at + size]
        for chunk in house.bus.chunks["aac"][15:]
        for at, size, _ in read_chunk(chunk.data).samples
    ]
    assert units == expected


async def test_headers_and_end(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/stream.ogg")
    (answer,) = client.answers()
    assert answer.headers["content-type"] == "audio/ogg; codecs=opus"
    assert answer.headers["connection"] == "close"
    assert "transfer-encoding" not in answer.headers
    await house.room("ended")
    house.step(3)
    assert client.is_closed()
    assert house.client().ask("/r/hall/stream.ogg").status == 409


async def test_a_slow_player_is_moved_to_the_live_edge_between_pages(house: House) -> None:
    await house.live(5)
    client = house.client(room=1000)
    client.get("/r/hall/stream.ogg")
    house.produce(120)
    client.transport.take()
    house.produce(2)
    found = pages(body(client))
    numbers = [page[3] for page in found]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 126 + 2
    assert numbers != list(range(numbers[0], numbers[-1] + 1))
    assert house.edge.metrics.skips == 1


async def test_head_of_an_endless_stream_ends(house: House) -> None:
    await house.live(5)
    for path in ("/r/hall/stream.ogg", "/r/hall/live"):
        client = house.client()
        client.get(path, method="HEAD")
        (answer,) = client.answers(heads=True)
        assert answer.status == 200
        assert client.is_closed()


async def test_listeners_are_counted_while_they_take_sound(house: House) -> None:
    await house.live(5)
    quick, slow, stream = house.client(), house.client(room=0), house.client()
    quick.get("/r/hall/live")
    slow.get("/r/hall/live")
    stream.get("/r/hall/stream.aac")
    assert house.edge.audience("edge").listening == {"hall": {"push": 2, "stream": 1, "hls": 0}}
    house.produce(100)
    house.step(12)
    assert house.edge.audience("edge").listening == {"hall": {"push": 1, "stream": 1, "hls": 0}}
    await house.room("paused")
    assert house.edge.audience("edge").listening == {}
