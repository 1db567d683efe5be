"""The stage reads every offer as one that may be counted: a speaker's, too, which says nothing of that."""

from __future__ import annotations

import msgspec

from hustings.bus.audience_messages import CountedOffer
from hustings.bus.messages import SessionOffer


def test_a_speakers_offer_is_understood_by_a_stage_that_counts_listeners() -> None:
    speaker = SessionOffer(broadcast_id="b", kind="ingest", sdp="v=0", participant_id="p", name="Ada")
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(speaker), type=CountedOffer)
    assert (read.kind, read.name, read.key, read.salt, read.country) == ("ingest", "Ada", 0, "", "")


def test_a_stage_that_does_not_count_yet_understands_a_listeners() -> None:
    listener = CountedOffer(broadcast_id="b", kind="egress", sdp="v=0", key=7, salt="s", country="DE")
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(listener), type=SessionOffer)
    assert (read.kind, read.sdp) == ("egress", "v=0")
