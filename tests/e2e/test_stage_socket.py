"""A speaker by WebSocket and one by WebRTC on one stage, over a real bus: both heard, no one by himself; and
from one way to the other without losing the seat."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise

import pytest
from stage_support import BROADCAST, Voice, Watched, power_db, stage, tone, until

from hustings.bus import subjects
from hustings.bus.messages import (
    Done,
    MuteParticipant,
    PlaceParticipant,
    RemoveParticipant,
    SessionAnswer,
    SessionOffer,
)
from hustings.bus.socket_messages import ReturnPacket, SpeakerPacket
from hustings.errors import Refused
from hustings.stage.webrtc.peer import OffererPeer
from hustings.stage.webrtc.rtp import RtpStream

pytestmark = pytest.mark.e2e


class BusPeer:
    """What the studio and a browser are together for such a session; as far as `Voice` needs a peer."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self.stream = RtpStream(99, 111, sequence=65_500, timestamp=2**32 - 960, level_id=1)
        self.session = ""
        self.ended = ""
        self._came: deque[bytes] = deque()

    async def come(self, participant: str, **more: object) -> SessionAnswer:
        answer = await self._watched.bus.request(
            subjects.STAGE_OFFER, offer(participant, way="socket", **more), SessionAnswer
        )
        self.session = answer.session_id
        await self._watched.bus.subscribe(subjects.returns(self.session), ReturnPacket, self._take)
        return answer

    def _take(self, message: ReturnPacket) -> None:
        if message.ended:
            self.ended = message.ended
        else:
            self._came.append(message.data)

    def send(self, packet: bytes) -> bool:
        message = SpeakerPacket(session_id=self.session, data=packet)
        asyncio.get_running_loop().create_task(self._watched.bus.publish(subjects.STAGE_PACKETS, message))
        return True

    def receive(self) -> bytes | None:
        return self._came.popleft() if self._came else None

    def close(self) -> None: ...


def offer(participant: str, **more: object) -> SessionOffer:
    values = {
        "broadcast_id": BROADCAST,
        "kind": "ingest",
        "sdp": "",
        "participant_id": participant,
        "name": participant.title(),
        "role": "speaker",
        **more,
    }
    return SessionOffer(**values)  # type: ignore[arg-type]  # the test's own


def voice(peer: BusPeer) -> Voice:
    return Voice(peer)  # type: ignore[arg-type]  # as far as a voice needs one


async def test_both_ways_hear_each_other_and_not_themselves() -> None:
    async with stage() as watched:
        await watched.open()
        anna, bert = BusPeer(watched), await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
        answer = await anna.come("anna")
        assert (answer.sdp, len(answer.session_id) > 8) == ("", True)
        await watched.answer(bert, "bert")
        by_socket, by_webrtc = voice(anna), Voice(bert)
        await asyncio.gather(by_socket.speak(tone(500, 3)), by_webrtc.speak(tone(900, 3)))
        for one, other, own in ((by_socket, 900, 500), (by_webrtc, 500, 900)):
            heard = one.sound()[48_000:]
            assert power_db(heard, other) > power_db(heard, own) + 25
        assert (watched.seat("anna")["way"], watched.seat("bert")["way"]) == ("socket", "webrtc")
        assert watched.seat("anna")["loss"] == 0.0
        numbers = by_socket.sequences
        assert all(after - before & 0xFFFF == 1 for before, after in pairwise(numbers))
        bert.close()


async def test_the_seat_goes_from_way_to_way_and_keeps_its_mute() -> None:
    async with stage() as watched:
        await watched.open()
        first, second = BusPeer(watched), BusPeer(watched)
        await first.come("anna")
        await voice(first).speak(tone(500, 0.3))
        mute = MuteParticipant(broadcast_id=BROADCAST, participant_id="anna", muted=True)
        await watched.bus.request(subjects.STAGE_MUTE, mute, Done)
        await second.come("anna")
        await until(lambda: first.ended == "replaced")
        await voice(second).speak(tone(500, 0.3))
        await until(lambda: watched.seat("anna").get("connected") is True)
        assert watched.seat("anna")["muted"] is True

        # WebRTC, but only once it stands: until then the socket is heard.
        peer = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
        webrtc = offer("anna", sdp=peer.offer, when_connected=True, place="green")
        answer = await watched.bus.request(subjects.STAGE_OFFER, webrtc, SessionAnswer)
        await voice(second).speak(tone(500, 0.5))
        assert (second.ended, watched.seat("anna")["way"]) == ("", "socket")
        peer.apply(answer.sdp)
        await peer.connected()
        await until(lambda: second.ended == "replaced")
        by_webrtc = Voice(peer)
        await by_webrtc.speak(tone(500, 0.5))
        await until(lambda: watched.seat("anna").get("way") == "webrtc")
        seat = watched.seat("anna")
        assert (seat["muted"], seat["connected"]) == (True, True)
        assert seat["place"] == "stage", "where he sits is not what was so when he began to try"
        peer.close()


async def test_who_only_tries_has_no_seat_to_take_when_he_was_removed() -> None:
    async with stage() as watched:
        await watched.open()
        peer = await OffererPeer.create("sendonly", bind_address="127.0.0.1")
        webrtc = offer("anna", sdp=peer.offer, when_connected=True)
        with pytest.raises(Refused) as refused:  # nobody sits there: said at once
            await watched.bus.request(subjects.STAGE_OFFER, webrtc, SessionAnswer)
        assert refused.value.status == 404
        await BusPeer(watched).come("anna")
        answer = await watched.bus.request(subjects.STAGE_OFFER, webrtc, SessionAnswer)
        gone = RemoveParticipant(broadcast_id=BROADCAST, participant_id="anna")
        await watched.bus.request(subjects.STAGE_REMOVE, gone, Done)
        peer.apply(answer.sdp)
        await peer.connected()
        await until(lambda: len(watched.service.sessions) == 0)
        assert watched.seat("anna") == {}
        peer.close()


async def test_removal_and_the_end_reach_the_socket() -> None:
    async with stage() as watched:
        await watched.open()
        anna, bert = BusPeer(watched), BusPeer(watched)
        await anna.come("anna")
        await bert.come("bert", returns=False, place="green")
        await voice(anna).speak(tone(500, 0.2))
        with pytest.raises(Refused) as refused:
            await BusPeer(watched).come("")
        assert refused.value.status == 400
        place = PlaceParticipant(broadcast_id=BROADCAST, participant_id="bert", place="stage")
        await watched.bus.request(subjects.STAGE_PLACE, place, Done)
        gone = RemoveParticipant(broadcast_id=BROADCAST, participant_id="anna")
        await watched.bus.request(subjects.STAGE_REMOVE, gone, Done)
        await until(lambda: anna.ended == "removed")
        assert bert.receive() is None, "who wants no returns gets none"
        for each in list(watched.service._broadcasts):
            await watched.service._end(each, watched.service._broadcasts[each])
        await until(lambda: bert.ended == "ended")
        assert len(watched.service.sessions) == 0
