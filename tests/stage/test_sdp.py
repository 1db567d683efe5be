"""Offers: what browsers send is read, what cannot be served is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.errors import Refused
from hustings.stage.webrtc import sdp
from hustings.stage.webrtc.rtp import LEVEL_URI

FINGERPRINT = ":".join(["AB"] * 32)
CHROMIUM = f"""v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1467250027 1 udp 2122260223 192.0.2.7 46243 typ host generation 0 network-id 1
a=candidate:1467250028 1 udp 2122260222 5c4e6b3c-9f0c-4c6b-8e34-0f6dd0d8a2a1.local 46244 typ host
a=candidate:1467250029 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active
a=candidate:1467250030 1 udp 2122260221 2001:db8::7 46245 typ srflx raddr :: rport 9
a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=mid:0
a=extmap:1 {LEVEL_URI}
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=sendrecv
a=msid:- a2f1
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:0 PCMU/8000
a=ssrc:3735928559 cname:x
"""


def test_a_browser_offer() -> None:
    session = sdp.read_offer(CHROMIUM.replace("\n", "\r\n"), "ingest")
    assert session == sdp.Session(
        mid="0",
        direction="sendrecv",
        payload_type=111,
        ufrag="EsAw",
        pwd="P2uYro0UCOQ4zxjKXaWCBui1",
        fingerprint=f"sha-256 {FINGERPRINT}",
        setup="actpass",
        level_id=1,
        ssrc=3735928559,
        candidates=(
            "candidate:1467250027 1 UDP 2122260223 192.0.2.7 46243 typ host",
            "candidate:1467250030 1 UDP 2122260221 2001:db8::7 46245 typ srflx",
        ),
    )
    assert sdp.read_offer(session.text(), "ingest") == session


def replace(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\na=mid:1\n"


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (lambda _: "hello", 400, "no SDP"),
        (lambda _: "", 400, "no SDP"),
        (lambda _: "v=0\n", 422, "no m= line"),
        (lambda text: text + "a=x\n" * 20000, 413, "too long"),
        (lambda text: text + "a=x\n" * 1500, 413, "too long"),
        (replace("s=-", "s=\x00"), 400, "line 3"),
        (replace("opus/48000/2", "speex/16000"), 422, "Opus"),
        (replace("SAVPF 111", "SAVPF 96"), 422, "Opus"),
        (replace("m=audio", "m=video"), 422, "no audio"),
        (lambda text: text + VIDEO, 422, "not audio, video"),
        (lambda text: text + CHROMIUM[CHROMIUM.index("m=audio") :], 422, "not audio, audio"),
        (replace("m=audio 9", "m=audio 0"), 422, "rejected"),
        (replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 422, "SAVPF"),
        (replace("a=sendrecv", "a=recvonly"), 422, "must be sendonly or sendrecv"),
        (replace("a=sendrecv", "a=inactive"), 422, "must be sendonly or sendrecv"),
        (replace("a=ice-ufrag:EsAw\n", ""), 400, "ice-ufrag"),
        (replace("ice-ufrag:EsAw", "ice-ufrag:E s"), 400, "ice-ufrag"),
        (replace("ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1", "ice-pwd:short"), 400, "ice-pwd"),
        (replace("sha-256", "md5"), 400, "fingerprint"),
        (replace("AB:AB", "AB:"), 400, "fingerprint"),
        (replace("setup:actpass", "setup:holdconn"), 400, "setup"),
        (replace("a=rtcp-mux\n", ""), 422, "rtcp-mux"),
        (replace("a=mid:0", "a=mid:" + "x" * 33), 400, "mid"),
    ],
)
def test_what_cannot_be_served(change: Callable[[str], str], status: int, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        sdp.read_offer(change(CHROMIUM), "ingest")
    assert refused.value.status == status
    assert reason in f"{refused.value} {refused.value.where}"


def test_a_listener_offers_recvonly() -> None:
    with pytest.raises(Refused, match="must be recvonly"):
        sdp.read_offer(CHROMIUM.replace("a=sendrecv", "a=sendonly"), "egress")
    assert sdp.read_offer(CHROMIUM, "egress").direction == "recvonly"


@pytest.mark.parametrize(
    ("lines", "wish"),
    [
        ("", (0, 0)),
        ("a=ptime:60\n", (60, 0)),
        ("a=maxptime:20\na=ptime:20\n", (20, 20)),
        ("a=ptime:-1\n", (0, 0)),
        ("a=ptime:6e9\na=maxptime:99999\n", (0, 0)),
    ],
)
def test_how_long_packets_should_be(lines: str, wish: tuple[int, int]) -> None:
    session = sdp.read_offer(CHROMIUM.rstrip("\n") + "\n" + lines, "egress")
    assert (session.ptime, session.max_ptime) == wish


def test_values_of_the_session_level_count_too() -> None:
    lines = CHROMIUM.splitlines()
    moved = [line for line in lines if line.startswith(("a=ice-", "a=finger", "a=setup", "a=sendrecv"))]
    rest = [line for line in lines if line not in moved]
    text = "\n".join(rest[:4] + moved + rest[4:])
    assert sdp.read_offer(text, "ingest") == sdp.read_offer(CHROMIUM, "ingest")


def test_candidates_are_capped() -> None:
    many = "".join(f"a=candidate:{i} 1 udp {i} 192.0.2.1 {i} typ host\n" for i in range(1, 100))
    assert len(sdp.read_offer(CHROMIUM + many, "ingest").candidates) == sdp.MAX_CANDIDATES


def test_a_fragment() -> None:
    fragment = sdp.read_fragment(
        "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2122260223 192.0.2.7 46243 typ host\r\na=end-of-candidates\r\n"
    )
    assert fragment == sdp.Fragment(
        "EsAw",
        "P2uYro0UCOQ4zxjKXaWCBui1",
        "0",
        ("candidate:1 1 UDP 2122260223 192.0.2.7 46243 typ host",),
        True,
    )


def test_public_addresses_come_first() -> None:
    answer = "v=0\r\na=mid:0\r\na=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
    lines = sdp.with_candidates(answer, ("203.0.113.5", "2001:db8::5"), 8002).splitlines()
    assert lines[2] == "a=candidate:public0 1 UDP 2130706431 203.0.113.5 8002 typ host"
    assert lines[3] == "a=candidate:public1 1 UDP 2130706175 2001:db8::5 8002 typ host"
    assert [lines[i] for i in (0, 1, 4, 5)] == answer.splitlines()
    # What we add must be what we would accept.
    assert len(sdp.read_fragment("\n".join(lines[1:])).candidates) == 3


@given(st.lists(st.sampled_from(CHROMIUM.splitlines()) | st.text(max_size=80), max_size=60))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    for read in (lambda t: sdp.read_offer(t, "ingest"), sdp.read_fragment, sdp.read_answer):
        try:
            read("\n".join(lines))
        except Refused as refused:
            if not 400 <= refused.status < 500:
                raise


@given(st.integers(0, len(CHROMIUM)), st.text(max_size=30), st.integers(0, 30))
def test_what_goes_to_the_library_is_ours(at: int, insert: str, cut: int) -> None:
    """Whatever is changed in an offer, the text passed on has one line per checked value."""
    try:
        session = sdp.read_offer(CHROMIUM[:at] + insert + CHROMIUM[at + cut :], "ingest")
    except Refused:
        return
    text = session.text()
    assert text.isascii()
    assert text.count("\r\n") == len(text.splitlines()) <= 19 + sdp.MAX_CANDIDATES
