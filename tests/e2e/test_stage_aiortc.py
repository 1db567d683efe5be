"""aiortc, an independent WebRTC implementation, as speaker and as listener."""

from __future__ import annotations

import asyncio
import fractions
import time

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from stage_support import BROADCAST, Voice, Watched, power_db, stage, tone, until

from hustings.bus import subjects
from hustings.bus.messages import Done, GoLive, SessionAnswer, SessionOffer
from hustings.stage.webrtc.peer import OffererPeer

pytestmark = [
    pytest.mark.e2e,
    # aiortc's own: it leaves sockets to the garbage collector when it closes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Tone(MediaStreamTrack):
    """A sine as a live audio track."""

    kind = "audio"

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._samples = (tone(hertz, 10) * 32767).astype(np.int16)
        self._position = 0
        self._start = time.monotonic()

    async def recv(self) -> av.AudioFrame:
        at = self._position % (len(self._samples) - 960)
        frame = av.AudioFrame.from_ndarray(
            self._samples[at : at + 960].reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._position, fractions.Fraction(1, 48000)
        self._position += 960
        await asyncio.sleep(max(0.0, self._start + self._position / 48000 - time.monotonic()))
        return frame


async def connect(watched: Watched, peer: RTCPeerConnection, participant: str) -> None:
    await peer.setLocalDescription(await peer.createOffer())
    message = SessionOffer(
        broadcast_id=BROADCAST,
        kind="ingest" if participant else "egress",
        sdp=peer.localDescription.sdp,
        participant_id=participant,
        name=participant,
        role="speaker",
    )
    answer = await watched.bus.request(subjects.STAGE_OFFER, message, SessionAnswer)
    await peer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
    await until(lambda: peer.connectionState == "connected")


async def listen(track: MediaStreamTrack, heard: list[np.ndarray]) -> None:
    try:
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1) / 32768
            heard.append(samples.astype(np.float32))
    except MediaStreamError:
        return


async def test_aiortc_speaks_and_hears_the_others_and_the_program() -> None:
    async with stage() as watched:
        await watched.open(levelling=False)
        speaker, listener = RTCPeerConnection(), RTCPeerConnection()
        speaker.addTransceiver(Tone(440), direction="sendrecv")
        listener.addTransceiver("audio", direction="recvonly")
        back: list[np.ndarray] = []
        program: list[np.ndarray] = []
        tasks: list[asyncio.Task[None]] = []
        speaker.on("track", lambda track: tasks.append(asyncio.create_task(listen(track, back))))
        listener.on("track", lambda track: tasks.append(asyncio.create_task(listen(track, program))))
        await connect(watched, speaker, "anna")
        await connect(watched, listener, "")
        bert = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        await watched.answer(bert.peer, "bert")
        live = GoLive(broadcast_id=BROADCAST, live_since=time.time())
        await watched.bus.request(subjects.STAGE_LIVE, live, Done)
        await bert.speak(tone(1000, 4))
        assert watched.seat("anna")["speaking"] is True
        heard = bert.sound()[48000:]
        assert power_db(heard, 440) - power_db(heard, 1000) >= 25  # 40 on a fake clock: test_engine
        returned = np.concatenate(back)[-48000 * 2 :]
        assert power_db(returned, 1000) - power_db(returned, 440) >= 25  # 40 on a fake clock: test_engine
        mixed = np.concatenate(program)[-48000 * 2 :]
        assert abs(power_db(mixed, 440) - power_db(mixed, 1000)) < 8  # both are in it
        await speaker.close()
        await listener.close()
        await asyncio.gather(*tasks)
        bert.peer.close()
