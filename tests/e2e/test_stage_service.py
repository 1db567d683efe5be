"""What the studio and the edges can ask of a stage, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import numpy as np
import pytest
from stage_support import BROADCAST, Voice, Watched, power_db, stage, tone, until

from hustings.bus import subjects
from hustings.bus.messages import (
    AnnounceEvent,
    Done,
    GoLive,
    Message,
    MuteParticipant,
    OpenBroadcast,
    PlaceParticipant,
    RemoveParticipant,
    SessionAnswer,
    SessionDelete,
    SessionOffer,
    SessionTrickle,
    StageLevels,
    StopBroadcast,
    Window,
    WindowRequest,
)
from hustings.errors import Refused
from hustings.stage.webrtc.peer import OffererPeer

pytestmark = pytest.mark.e2e


async def refused(watched: Watched, subject: str, message: Message, answer: type[Message] = Done) -> Refused:
    with pytest.raises(Refused) as caught:
        await watched.bus.request(subject, message, answer)
    return caught.value


def offer(sdp: str, participant: str = "anna", **more: object) -> SessionOffer:
    values = {"broadcast_id": BROADCAST, "kind": "ingest", "sdp": sdp, "participant_id": participant, **more}
    return SessionOffer(**values)  # type: ignore[arg-type]  # the test's own


async def test_refusals_and_repetitions() -> None:
    async with stage() as watched:
        ask = watched.bus.request
        peer = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
        late = offer(peer.offer)
        assert (await refused(watched, subjects.STAGE_OFFER, late, SessionAnswer)).status == 404
        live = GoLive(broadcast_id=BROADCAST, live_since=time.time())
        assert (await refused(watched, subjects.STAGE_LIVE, live)).status == 404
        await watched.open(max_voices=1)
        await watched.open(max_voices=1)
        for sdp, status in (
            ("garbage", 400),
            ("v=0\r\n" + "a=x\r\n" * 20_000, 413),
            (peer.offer.replace("opus", "speex"), 422),
            (peer.offer.replace("a=sendrecv", "a=recvonly"), 422),
        ):
            problem = await refused(watched, subjects.STAGE_OFFER, offer(sdp), SessionAnswer)
            assert problem.status == status
            assert problem.detail
        answer = await watched.answer(peer, "anna")
        full = await refused(watched, subjects.STAGE_OFFER, offer(peer.offer, "bert"), SessionAnswer)
        assert full.status == 503
        await ask(subjects.STAGE_LIVE, live, Done)
        await until(lambda: len(watched.chunks) > 6)
        await ask(subjects.STAGE_LIVE, live, Done)
        await ask(
            subjects.STAGE_MUTE,
            MuteParticipant(broadcast_id=BROADCAST, participant_id="anna", muted=True),
            Done,
        )
        await until(lambda: watched.seat("anna").get("muted") is True)
        delete = SessionDelete(session_id=answer.session_id)
        await ask(subjects.STAGE_DELETE, delete, Done)
        assert (await refused(watched, subjects.STAGE_DELETE, delete)).status == 404
        await ask(subjects.STAGE_STOP, StopBroadcast(broadcast_id=BROADCAST), Done)
        await ask(subjects.STAGE_STOP, StopBroadcast(broadcast_id=BROADCAST), Done)
        again = OpenBroadcast(broadcast_id=BROADCAST, slug="room")
        assert (await refused(watched, subjects.STAGE_OPEN, again)).status == 409
        # Late edges still get the end.
        await until(lambda: not watched.reports[-1].live)
        request = WindowRequest(broadcast_id=BROADCAST, codec="aac")
        window = await ask(subjects.MEDIA_WINDOW, request, Window)
        assert [c.seq for c in window.chunks] == list(range(window.last_seq + 1))
        nowhere = WindowRequest(broadcast_id="20261122T000000-000000", codec="aac")
        assert (await refused(watched, subjects.MEDIA_WINDOW, nowhere, Window)).status == 404
        peer.close()


async def test_trickle() -> None:
    async with stage() as watched:
        await watched.open()
        peer = await OffererPeer.create("sendonly", bind_address="127.0.0.1")
        # The offer goes out without candidates; they follow by PATCH.
        lines = peer.offer.splitlines()
        candidates = [line for line in lines if line.startswith("a=candidate")]
        bare = "\r\n".join(line for line in lines if line not in candidates) + "\r\n"
        answer = await watched.bus.request(subjects.STAGE_OFFER, offer(bare), SessionAnswer)
        session_id, etag = answer.session_id, answer.etag
        fragment = "\r\n".join(["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", *candidates]) + "\r\n"
        restart = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" + fragment
        for body, tag, status in (
            (fragment, "", 428),
            (fragment, "other", 412),
            (restart, etag, 422),
            (fragment, "*", 422),
            ("garbage", etag, 400),
        ):
            message = SessionTrickle(session_id=session_id, fragment=body, etag=tag)
            assert (await refused(watched, subjects.STAGE_TRICKLE, message)).status == status
        gone = SessionTrickle(session_id="none", fragment=fragment, etag=etag)
        assert (await refused(watched, subjects.STAGE_TRICKLE, gone)).status == 404
        good = SessionTrickle(session_id=session_id, fragment=fragment, etag=f'"{etag}"')
        await watched.bus.request(subjects.STAGE_TRICKLE, good, Done)
        peer.apply(answer.sdp)
        await peer.connected()
        await Voice(peer).speak(tone(500, 0.5))
        await until(lambda: watched.seat("anna").get("connected") is True)
        peer.close()


async def test_a_second_session_replaces_the_first_and_mute_stays() -> None:
    async with stage() as watched:
        await watched.open(levelling=False)
        first = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        second = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        bert = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        await watched.answer(first.peer, "anna", muted=True)
        await watched.answer(bert.peer, "bert")
        await first.speak(tone(500, 0.4))
        await watched.answer(second.peer, "anna")
        await asyncio.gather(second.speak(tone(500, 1)), first.speak(tone(900, 1)))
        assert watched.seat("anna")["muted"] is True
        assert len(watched.service.sessions) == 2
        bert.listen()
        bert.heard.clear()
        unmute = MuteParticipant(broadcast_id=BROADCAST, participant_id="anna", muted=False)
        await watched.bus.request(subjects.STAGE_MUTE, unmute, Done)
        await asyncio.gather(second.speak(tone(500, 1.5)), first.speak(tone(900, 1.5)))
        bert.listen()
        back = bert.sound()[24000:]
        assert power_db(back, 500) > power_db(back, 900) + 25
        for voice in (first, second, bert):
            voice.peer.close()


async def test_a_restarted_stage_goes_on_at_the_next_slot() -> None:
    async with stage() as watched:
        since = time.time() - 100
        await watched.open(epoch=1, live_since=since)
        await until(lambda: len(watched.chunks) >= 8)
        for codec in ("opus", "aac"):
            first = next(c for c in watched.chunks if c.codec == codec)
            assert first.epoch == 1
            assert 500 <= first.seq <= 510
            assert abs(first.wall_clock - (since + first.media_time / 48000)) <= 0.021


async def test_who_vanishes_is_reported_within_seconds() -> None:
    async with stage() as watched:
        await watched.open()
        anna = Voice(await OffererPeer.create("sendonly", bind_address="127.0.0.1"))
        await watched.answer(anna.peer, "anna")
        await anna.speak(tone(500, 0.5))
        await until(lambda: watched.seat("anna").get("connected") is True)
        silent_since = time.monotonic()
        await until(lambda: watched.seat("anna").get("connected") is False)
        assert 2 < time.monotonic() - silent_since < 6
        assert [event.kind for event in watched.events if event.kind in ("joined", "left")] == [
            "joined",
            "left",
        ]
        anna.peer.close()


@pytest.mark.slow
async def test_whose_consent_expires_is_gone_and_may_come_back() -> None:
    async with stage() as watched:
        await watched.open()
        anna = await OffererPeer.create("sendonly", bind_address="127.0.0.1")
        await watched.answer(anna, "anna")
        await Voice(anna).speak(tone(500, 0.5))
        anna.close()
        await until(lambda: len(watched.service.sessions) == 0, 45)
        back = Voice(await OffererPeer.create("sendonly", bind_address="127.0.0.1"))
        await watched.answer(back.peer, "anna")
        await back.speak(tone(500, 0.5))
        await until(lambda: watched.seat("anna").get("connected") is True)
        assert len(watched.reports[-1].seats) == 1
        back.peer.close()


async def test_garbage_at_the_media_port_disturbs_nobody() -> None:
    async with stage() as watched:
        await watched.open(levelling=False)
        anna = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        bert = Voice(await OffererPeer.create("sendrecv", bind_address="127.0.0.1"))
        await watched.answer(anna.peer, "anna")
        await watched.answer(bert.peer, "bert")

        def flood(seconds: float) -> int:
            sent = 0
            stun = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + os.urandom(12) + b"\x00\x06\x00\x04evil"
            kinds = [
                b"",
                os.urandom(40),
                b"\x80\x6f" + os.urandom(60),
                stun,
                b"\x16\xfe\xfd" + os.urandom(50),
            ]
            end = time.monotonic() + seconds
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                while time.monotonic() < end:
                    for _ in range(20):
                        stranger.sendto(kinds[sent % len(kinds)], ("127.0.0.1", watched.door.port))
                        sent += 1
                    time.sleep(0.005)
            return sent

        async def flooded() -> int:
            return await asyncio.to_thread(flood, 2.5)

        sent, *_ = await asyncio.gather(flooded(), anna.speak(tone(440, 3)), bert.speak(tone(1000, 3)))
        assert sent > 2000
        await until(lambda: watched.seat("anna").get("packets_received", 0) >= 148)  # type: ignore[operator]
        for voice, own, other in ((anna, 440, 1000), (bert, 1000, 440)):
            back = voice.sound()[24000:]
            assert power_db(back, other) - power_db(back, own) >= 25  # 40 on a fake clock: test_engine
            assert np.all(np.diff(voice.sequences) % 65536 == 1)
            voice.peer.close()


async def test_places_removal_announcements_and_levels() -> None:
    async with stage() as watched:
        ask, here = watched.bus.request, {"broadcast_id": BROADCAST}
        levels: list[StageLevels] = []
        await watched.bus.subscribe(subjects.STAGE_LEVELS, StageLevels, levels.append)
        remove = RemoveParticipant(participant_id="anna", **here)
        place = PlaceParticipant(participant_id="anna", place="stage", **here)
        assert (await refused(watched, subjects.STAGE_REMOVE, remove)).status == 404
        await watched.open(max_voices=1)
        assert (await refused(watched, subjects.STAGE_PLACE, place)).status == 404
        await ask(subjects.STAGE_REMOVE, remove, Done)
        peer = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
        waiting = offer(peer.offer, place="green")
        answer = await ask(subjects.STAGE_OFFER, waiting, SessionAnswer)
        peer.apply(answer.sdp)
        await peer.connected()
        await Voice(peer).speak(tone(500, 0.5))
        await until(lambda: bool(levels) and levels[-1].levels.get("anna", -127) > -40)
        await until(lambda: watched.seat("anna").get("place") == "green")
        assert watched.events == []
        await ask(subjects.STAGE_PLACE, place, Done)
        await ask(subjects.STAGE_PLACE, place, Done)
        await until(lambda: watched.seat("anna").get("place") == "stage")
        announced = AnnounceEvent(kind="topic", data={"topic_id": "t1"}, **here)
        await ask(subjects.STAGE_ANNOUNCE, announced, Done)
        await until(lambda: [e.kind for e in watched.events][:1] == ["joined"])
        await until(lambda: any(e.kind == "topic" and e.data == {"topic_id": "t1"} for e in watched.events))
        long = AnnounceEvent(kind="topic", data={"title": "x" * 2048}, **here)
        assert (await refused(watched, subjects.STAGE_ANNOUNCE, long)).status == 422
        await ask(subjects.STAGE_REMOVE, remove, Done)
        await ask(subjects.STAGE_REMOVE, remove, Done)
        assert len(watched.service.sessions) == 0
        await until(lambda: watched.reports[-1].seats == [])
        while peer.receive() is not None:
            pass
        await asyncio.sleep(0.2)
        assert peer.receive() is None
        assert [e.kind for e in watched.events if e.data.get("participant_id") == "anna"][-1] == "left"
        peer.close()
