"""From two microphones to chunks on the bus, and back without one's own voice."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from stage_support import BROADCAST, Voice, power_db, stage, tone, until

from hustings.audio.opus import OpusDecoder
from hustings.bus import subjects
from hustings.bus.messages import Done, GoLive, StopBroadcast, Window, WindowRequest
from hustings.cmaf.chunker import read_chunk
from hustings.stage.webrtc.peer import OffererPeer

pytestmark = pytest.mark.e2e


async def test_two_voices_become_program_and_returns() -> None:
    async with stage() as watched:
        await watched.open(levelling=False)
        anna = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        bert = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        ear, patient = [
            Voice(await OffererPeer.create("recvonly", bind_address="127.0.0.1")) for _ in range(2)
        ]
        await watched.answer(anna.peer, "anna")
        await watched.answer(bert.peer, "bert")
        await watched.answer(ear.peer)
        await watched.answer(patient.peer, more="a=ptime:60\r\n")
        live = GoLive(broadcast_id=BROADCAST, live_since=time.time())
        await watched.bus.request(subjects.STAGE_LIVE, live, Done)
        await asyncio.gather(anna.speak(tone(440, 5)), bert.speak(tone(1000, 5)))
        ear.listen()
        patient.listen()
        await until(lambda: watched.seat("anna").get("talked_seconds", 0.0) > 4.0)  # type: ignore[operator]
        await watched.bus.request(subjects.STAGE_STOP, StopBroadcast(broadcast_id=BROADCAST), Done)
        await until(lambda: not watched.reports[-1].live)

        # Each hears the other and not himself, from the first second on.
        for voice, own, other in ((anna, 440, 1000), (bert, 1000, 440)):
            back = voice.sound()[48000 // 2 :]
            assert len(back) > 4 * 48000
            assert power_db(back, other) - power_db(back, own) >= 25  # 40 on a fake clock: test_engine
            assert np.all(np.diff(voice.sequences) % 65536 == 1)
        # The audience hears both: by WHEP ...
        for voice in (ear, patient):
            heard = voice.sound()[48000 : 4 * 48000]
            assert abs(power_db(heard, 440) - power_db(heard, 1000)) < 3
        assert [len(frame) for frame in patient.heard[5:]] == [2880] * (len(patient.heard) - 5)
        # ... and in chunks of both codecs, whole and in order.
        for codec in ("opus", "aac"):
            chunks = [chunk for chunk in watched.chunks if chunk.codec == codec]
            assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
            assert len(chunks) >= 20
            times = [chunk.media_time for chunk in chunks]
            assert times == [int(t) for t in np.cumsum([0, *(c.duration for c in chunks)])[:-1]]
        decoder = OpusDecoder()
        program: list[np.ndarray] = []
        for chunk in watched.chunks:
            if chunk.codec == "opus":
                for offset, size, _ in read_chunk(chunk.data).samples:
                    program.append(decoder.decode(chunk.data[offset : offset + size]))
        sound = np.concatenate(program)[48000 : 4 * 48000]
        assert abs(power_db(sound, 440) - power_db(sound, 1000)) < 3
        # A late edge asks for what it missed.
        request = WindowRequest(broadcast_id=BROADCAST, codec="opus", after_seq=9, max_bytes=8000)
        window = await watched.bus.request(subjects.MEDIA_WINDOW, request, Window)
        assert window.chunks[0].seq == 10
        assert 1 < len(window.chunks) < 10
        assert window.last_seq == max(c.seq for c in watched.chunks if c.codec == "opus")
        assert window.init[4:8] == b"ftyp"
        kinds = [event.kind for event in watched.events]
        assert kinds.count("joined") == kinds.count("left") == 2
        assert kinds.count("speaking") >= 2
        for voice in (anna, bert, ear):
            voice.peer.close()
