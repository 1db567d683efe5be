"""Real edges on a real bus, with a stage that says what it has to: listeners over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from edge_common import edge_process, stand
from edge_fakes import make_init

from hustings.bus import subjects
from hustings.bus.messages import AudienceReport, RoleReady
from hustings.cmaf.chunker import read_chunk

pytestmark = pytest.mark.e2e

INIT, MEDIA, CLOCK, DISCONTINUITY, BYE = 1, 2, 4, 5, 6


class Push:
    """A push listener over a real socket, asked for by HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._data = b""

    @classmethod
    async def connect(cls, port: int) -> Push:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /r/hall/live HTTP/1.1\r\nHost: test\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
        return cls(reader, writer)

    async def record(self) -> tuple[int, bytes]:
        """The next record."""
        while len(self._data) < 8 or len(self._data) < 8 + int.from_bytes(self._data[4:8]):
            size = int(await self._reader.readline(), 16)
            if not size:
                raise EOFError
            self._data += await self._reader.readexactly(size)
            assert await self._reader.readexactly(2) == b"\r\n"
        end = 8 + int.from_bytes(self._data[4:8])
        found = (self._data[0], self._data[8:end])
        self._data = self._data[end:]
        return found

    async def until(self, wanted: int) -> list[tuple[int, bytes]]:
        """Records up to the first of kind `wanted`."""
        found = [await self.record()]
        while found[-1][0] != wanted:
            found.append(await self.record())
        return found

    async def seqs(self, count: int) -> tuple[list[int], list[object]]:
        """Numbers of the next `count` chunks, and the discontinuities in between."""
        seqs: list[int] = []
        breaks: list[object] = []
        while len(seqs) < count:
            kind, payload = await self.record()
            if kind == MEDIA:
                seqs.append(read_chunk(payload).base_decode_time // 9600)
            elif kind == DISCONTINUITY:
                breaks.append(json.loads(payload))
        return seqs, breaks

    def close(self) -> None:
        self._writer.close()


async def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    writer.close()
    return int(head.split()[1]), body


@pytest.fixture(autouse=True)
async def patience() -> AsyncIterator[None]:
    """Nothing here may hang."""
    async with asyncio.timeout(120):
        yield


async def test_a_joiner_hears_at_once_and_everything_after() -> None:
    async with stand(behind=100) as place:
        waits = []
        for _ in range(10):
            began = time.perf_counter()
            push = await Push.connect(place.edge.port)
            records = await push.until(MEDIA)
            waits.append(time.perf_counter() - began)
            assert records[0] == (INIT, make_init("opus"))
            push.close()
        assert sorted(waits)[5] < 0.3
        listeners = [await Push.connect(place.edge.port) for _ in range(5)]
        for push in listeners:
            seqs, breaks = await push.seqs(12)
            assert seqs == list(range(seqs[0], seqs[0] + 12))
            assert not breaks
            push.close()


async def test_a_late_edge_has_the_whole_window_and_ends_with_a_goodbye() -> None:
    async with stand(behind=400) as place:
        _, playlist = await get(place.edge.port, "/r/hall/hls/opus.m3u8")
        assert b"MEDIA-SEQUENCE:0\n" in playlist
        assert playlist.count(b"#EXTINF") >= 400 // 30
        assert b"GAP" not in playlist
        push = await Push.connect(place.edge.port)
        blocked = asyncio.create_task(get(place.edge.port, "/r/hall/hls/opus.m3u8?_HLS_msn=14"))
        await push.seqs(6)
        os.kill(place.edge.pid, signal.SIGTERM)
        records = await push.until(BYE)
        assert json.loads(records[-1][1]) == {"reason": "draining"}
        with pytest.raises(EOFError):
            await push.record()
        push.close()
        status, _ = await blocked
        assert status in (200, 503)


async def test_edges_share_a_port_and_one_may_go() -> None:
    async with stand(behind=50) as place:
        ready: set[int] = set()
        await place.house.bus.subscribe(subjects.ROLE_READY, RoleReady, lambda role: ready.add(role.pid))
        with edge_process(place.nats.url, port=place.edge.port) as second:
            # Its port answers already: the first edge is on it. Only the bus tells them apart.
            while second.pid not in ready:
                await asyncio.sleep(0.02)
            listeners = [await Push.connect(second.port) for _ in range(24)]
            for push in listeners:
                await push.until(MEDIA)
            os.kill(second.pid, signal.SIGTERM)
            gone = 0
            for push in listeners:
                try:
                    seqs, breaks = await push.seqs(8)
                    assert seqs == list(range(seqs[0], seqs[0] + 8))
                    assert not breaks
                except EOFError:
                    gone += 1
                push.close()
            assert 0 < gone < 24
            for _ in range(20):
                assert (await get(place.edge.port, "/healthz"))[0] == 200


async def test_who_listens_is_reported() -> None:
    async with stand(behind=20) as place:
        reports: asyncio.Queue[AudienceReport] = asyncio.Queue()
        await place.house.bus.subscribe(subjects.AUDIENCE_REPORT, AudienceReport, reports.put_nowait)
        listeners = [await Push.connect(place.edge.port) for _ in range(3)]
        await get(place.edge.port, "/r/hall/hls/opus.m3u8")
        report = await reports.get()
        while not report.listening:
            report = await reports.get()
        assert report.listening == {"hall": {"push": 3, "stream": 0, "hls": 1}}
        for push in listeners:
            push.close()


@pytest.mark.slow
async def test_ten_seconds_without_the_bus_leave_no_hole() -> None:
    async with stand(behind=50) as place:
        push = await Push.connect(place.edge.port)
        seqs, _ = await push.seqs(8)
        place.nats.stop()
        await asyncio.sleep(10)
        # The edge's door stays open meanwhile, and the clock says that it lives.
        kinds = {(await push.record())[0] for _ in range(5)}
        assert CLOCK in kinds
        assert (await get(place.edge.port, "/healthz"))[0] == 503
        assert (await get(place.edge.port, "/r/hall"))[0] == 200
        place.nats.start()
        more, breaks = await push.seqs(70)
        assert more[-1] - seqs[-1] >= 70
        assert more == list(range(more[0], more[0] + 70))
        assert more[0] - seqs[-1] in range(1, 6)
        assert not breaks
        _, playlist = await get(place.edge.port, "/r/hall/hls/opus.m3u8")
        assert b"GAP" not in playlist
        assert b"DISCONTINUITY\n" not in playlist
        assert (await get(place.edge.port, "/healthz"))[0] == 200
        push.close()
