"""What listeners send: checked, limited, counted, passed on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import unicodedata
from typing import Any

import pytest
from edge_memory import Answer, Client, House
from hypothesis import given
from hypothesis import strategies as st

from hustings.bus.client import MAX_PAYLOAD
from hustings.bus.messages import ListenerInput, encode
from hustings.edge.input_limits import LIMITS, Buckets, Limit, Limiter, Rate
from hustings.edge.input_outbox import BATCH, BATCH_EVERY, GIVE_UP, REACTIONS_EVERY, WAITING
from hustings.edge.input_text import clean
from hustings.errors import Refused, Unavailable

DEVICE = "d" * 22
TICKET = "t_" + "x" * 30
HASH = hashlib.sha256(TICKET.encode()).hexdigest()
BODIES: dict[str, dict[str, Any]] = {
    "hand": {"name": "Ada", "ticket_hash": HASH, "device": DEVICE},
    "reaction": {"kind": "applause"},
    "question": {"text": "Why now?", "name": "Ada", "device": DEVICE},
    "vote": {"question_id": "0123456789abcdef01", "device": DEVICE},
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("hand", {"name": ""}, "body: name"),
    ("hand", {"name": 5}, "body: name"),
    ("hand", {"name": "x" * 81}, "body: name"),
    ("hand", {"name": "\u202e\u200b"}, "body: name"),
    ("hand", {"ticket_hash": HASH[:-1]}, "body: ticket_hash"),
    ("hand", {"ticket_hash": HASH.upper()}, "body: ticket_hash"),
    ("hand", {"device": "short"}, "body: device"),
    ("hand", {"device": "d" * 21 + "/"}, "body: device"),
    ("hand", {"more": 1}, "body"),
    ("hand", {"lower": True}, "body: ticket"),
    ("hand", {"lower": True, "ticket": "l_" + "x" * 30}, "body: ticket"),
    ("reaction", {"kind": "boo"}, "body: kind"),
    ("reaction", {"kind": None}, "body: kind"),
    ("reaction", {"device": "ü" * 22}, "body: device"),
    ("question", {"text": "x" * 281}, "body: text"),
    ("question", {"text": " \n\t"}, "body: text"),
    ("question", {"text": ["x"]}, "body: text"),
    ("question", {"name": "x" * 81}, "body: name"),
    ("vote", {"question_id": "../../x"}, "body: question_id"),
    ("vote", {"device": ""}, "body: device"),
]


def waiting(house: House) -> list[ListenerInput]:
    """What the edge would send next."""
    return list(house.edge.outbox._queue)


def check_problem(answer: Answer, status: int, where: str = "") -> None:
    content = answer.json()
    assert (answer.status, content["status"]) == (status, status), content
    assert answer.headers["content-type"] == "application/problem+json"
    assert content["detail"].endswith(".")
    assert content.get("where", "") == where, content


async def many(house: House, door: str, address: str, count: int, **body: Any) -> list[int]:
    """`count` posts over one connection: their statuses."""
    client = house.client(address)
    return [client.post(f"/r/hall/{door}", BODIES[door] | body).status for _ in range(count)]


@pytest.mark.parametrize("door", BODIES)
@pytest.mark.parametrize("status", ["open", "live", "paused"])
async def test_what_listeners_send_is_taken(house: House, door: str, status: Any) -> None:
    await house.room(status)
    client = house.client()
    answer = client.post(f"/r/hall/{door}", BODIES[door])
    assert answer.status == 202
    assert answer.json() == {}
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert house.edge.metrics.inputs[door] == 1
    assert not client.is_closed()


async def test_what_is_passed_on(house: House) -> None:
    await house.room("live")
    client = house.client("2001:db8:1:2:3::4")
    for door in ("hand", "question", "vote"):
        assert client.post(f"/r/hall/{door}", BODIES[door]).status == 202
    assert client.post("/r/hall/hand", {"lower": True, "ticket": TICKET}).status == 202
    common: dict[str, Any] = {"slug": "hall", "address": "20010db800010002", "wall_clock": house.clock.wall()}
    assert waiting(house) == [
        ListenerInput(kind="hand", device=DEVICE, name="Ada", ticket_hash=HASH, **common),
        ListenerInput(kind="question", device=DEVICE, name="Ada", text="Why now?", **common),
        ListenerInput(kind="vote", device=DEVICE, question_id="0123456789abcdef01", **common),
        ListenerInput(kind="lower", device="", ticket_hash=HASH, **common),
    ]


async def test_a_chunked_body_in_single_bytes(house: House) -> None:
    await house.room("live")
    client = house.client()
    client.get(
        "/r/hall/reaction", "Content-Type: application/json", "Transfer-Encoding: chunked", method="POST"
    )
    for byte in b'5\r\n{"kin\r\nc\r\nd":"heart"} \r\n0\r\n\r\n':
        client.send(bytes([byte]))
    assert client.answers()[0].status == 202


async def test_trailers_decide_nothing(house: House) -> None:
    await house.room("live")
    client = house.client()
    client.get("/r/hall/reaction", "Transfer-Encoding: chunked", method="POST")
    client.send(b'10\r\n{"kind":"heart"}\r\n0\r\nContent-Type: application/json\r\n\r\n')
    check_problem(client.answers()[0], 415, "header Content-Type")


@pytest.mark.parametrize(("door", "change", "where"), WRONG)
async def test_what_is_not_valid_is_a_422_that_says_where(
    house: House, door: str, change: dict[str, Any], where: str
) -> None:
    await house.room("live")
    check_problem(house.client().post(f"/r/hall/{door}", BODIES[door] | change), 422, where)
    assert sum(house.edge.metrics.inputs.values()) == 0
    assert house.edge.metrics.inputs_refused[door, "form"] == 1


@pytest.mark.parametrize("door", BODIES)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"device":"\xff"}', 400),
        (b"[" * 4000, 422),
        (b"null", 422),
    ],
)
async def test_what_is_not_json(house: House, door: str, body: bytes, status: int) -> None:
    await house.room("live")
    check_problem(house.client().post(f"/r/hall/{door}", body), status, "body")


async def test_a_body_over_4_kb_is_a_413(house: House) -> None:
    await house.room("live")
    check_problem(house.client().post("/r/hall/question", b" " * 4097), 413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_another_content_type_is_a_415(house: House, kind: str) -> None:
    await house.room("live")
    answer = house.client().post("/r/hall/reaction", BODIES["reaction"], kind=kind)
    check_problem(answer, 415, "header Content-Type")
    charset = "Application/JSON; charset=utf-8"
    assert house.client().post("/r/hall/reaction", BODIES["reaction"], kind=charset).status == 202


@pytest.mark.parametrize("slug", ["attic", "", "%2e%2e", "HALL"])
async def test_no_such_room(house: House, slug: str) -> None:
    await house.room("live")
    await house.room("live", slug="")
    check_problem(house.client().post(f"/r/{slug}/hand", BODIES["hand"]), 404)


async def test_before_the_rooms_are_known(house: House) -> None:
    answer = house.client().post("/r/hall/hand", BODIES["hand"])
    check_problem(answer, 503)
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("door", BODIES)
@pytest.mark.parametrize("status", ["scheduled", "ended", "cancelled"])
async def test_not_while_nothing_is_on(house: House, door: str, status: Any) -> None:
    await house.room(status)
    check_problem(house.client().post(f"/r/hall/{door}", BODIES[door]), 409)
    assert house.edge.metrics.inputs_refused[door, "closed"] == 1


async def test_the_studio_says_what_is_taken(house: House) -> None:
    await house.room("live", accepts=["reaction", "question"])
    client = house.client()
    statuses = {door: client.post(f"/r/hall/{door}", body).status for door, body in BODIES.items()}
    assert statuses == {"hand": 409, "reaction": 202, "question": 202, "vote": 409}
    # Who has a hand up may still take it down.
    assert client.post("/r/hall/hand", {"lower": True, "ticket": TICKET}).status == 202


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://hustings.example", 202),
        ("https://hustings.example", 202),
        ("https://hustings.example:443", 202),
        ("https://listen.example:8443", 202),
        ("https://evil.example", 403),
        ("https://hustings.example.evil.example", 403),
        ("https://hustings.example:8000", 403),
        ("null", 403),
        ("", 403),
        ("http://[::1", 403),
    ],
)
async def test_only_our_own_pages_may_send(house: House, origin: str, status: int) -> None:
    await house.room("live")
    house.edge._inputs._home = "listen.example:8443"
    answer = house.client().post("/r/hall/reaction", BODIES["reaction"], f"Origin: {origin}")
    assert answer.status == status
    assert house.edge.metrics.inputs_refused["reaction", "origin"] == (status == 403)


@pytest.mark.parametrize("origin", ["null", "", "file://"])
async def test_a_page_of_nowhere_may_not_send(house: House, origin: str) -> None:
    # The settings name no address of the audience door.
    await house.room("live")
    answer = house.client().post("/r/hall/reaction", BODIES["reaction"], f"Origin: {origin}")
    check_problem(answer, 403, "header Origin")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_only_post(house: House, method: str) -> None:
    await house.room("live")
    answer = house.client().ask("/r/hall/hand", method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST, OPTIONS"


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", BODIES)
async def test_a_device_is_limited(house: House, door: str) -> None:
    await house.room("live")
    rate = LIMITS[door].device
    statuses = await many(house, door, "192.0.2.1", rate.burst + 1, device=DEVICE)
    assert statuses == [202] * rate.burst + [429]
    assert house.edge.metrics.inputs_refused[door, "device"] == 1
    answer = house.client().post(f"/r/hall/{door}", BODIES[door] | {"device": DEVICE})
    check_problem(answer, 429)
    # What Retry-After says is enough.
    house.clock.advance(float(answer.headers["retry-after"]))
    assert (await many(house, door, "192.0.2.1", 1, device=DEVICE)) == [202]


@pytest.mark.parametrize("door", BODIES)
async def test_an_address_is_limited_whatever_the_devices(house: House, door: str) -> None:
    await house.room("live")
    rate = LIMITS[door].address
    statuses = []
    for number in range(rate.burst + 1):
        statuses += await many(house, door, "192.0.2.1", 1, device=f"{number:022}")
    assert statuses == [202] * rate.burst + [429]
    assert house.edge.metrics.inputs_refused[door, "address"] == 1
    assert await many(house, door, "192.0.2.2", 1) == [202]


async def test_an_ipv6_line_is_one_address(house: House) -> None:
    await house.room("live")
    burst = LIMITS["reaction"].address.burst
    statuses = []
    for number in range(burst + 1):
        statuses += await many(house, "reaction", f"2001:db8::{number:x}", 1)
    assert statuses[-1] == 429
    assert await many(house, "reaction", "2001:db8:0:1::1", 1) == [202]


async def test_behind_a_proxy_the_visitor_is_limited(house: House) -> None:
    await house.room("live")
    house.edge.proxies = frozenset({"192.0.2.9"})
    client = house.client("192.0.2.9")
    burst = LIMITS["reaction"].address.burst
    body = BODIES["reaction"]
    for _ in range(burst):
        # Only the last entry is the proxy's own word.
        assert client.post("/r/hall/reaction", body, "X-Forwarded-For: 1.2.3.4, 198.51.100.1").status == 202
    assert client.post("/r/hall/reaction", body, "X-Forwarded-For: 6.6.6.6, 198.51.100.1").status == 429
    assert client.post("/r/hall/reaction", body, "X-Forwarded-For: 198.51.100.2").status == 202
    # A header that anybody may write moves nobody who comes directly.
    direct = house.client("198.51.100.1")
    assert direct.post("/r/hall/reaction", body, "X-Forwarded-For: 203.0.113.5").status == 429


def test_a_refused_one_costs_the_other_bucket_nothing() -> None:
    limiter = Limiter(Limit(address=Rate(2, 10.0), device=Rate(1, 10.0)))
    assert limiter.take("a", "one", 0.0) == ("", 0.0)
    assert limiter.take("a", "one", 0.0)[0] == "device"
    assert limiter.take("a", "two", 0.0) == ("", 0.0)
    assert limiter.take("a", "three", 0.0)[0] == "address"


def test_buckets_are_bounded_and_the_one_unused_for_longest_goes() -> None:
    buckets = Buckets(Rate(1, 10.0), remembered=3)
    for key in ("a", "b", "c", "a"):
        buckets.charge(key, 0.0)
    buckets.charge("d", 0.0)
    assert len(buckets) == 3
    assert buckets.wait("b", 0.0) == 0.0
    assert buckets.wait("a", 0.0) == pytest.approx(20.0)


@given(
    st.integers(1, 20),
    st.floats(0.1, 30.0),
    st.lists(st.floats(0.0, 40.0), max_size=60),
)
def test_a_bucket_lets_no_more_through_than_its_rate(burst: int, every: float, pauses: list[float]) -> None:
    buckets = Buckets(Rate(burst, every))
    now, let = 0.0, 0
    for pause in pauses:
        now += pause
        if not buckets.wait("k", now):
            buckets.charge("k", now)
            let += 1
    assert let <= burst + now / every + 1e-6
    assert let >= min(len(pauses), burst)


# --- the way to the studio -----------------------------------------------------------------------


async def test_reactions_are_only_counts(house: House) -> None:
    await house.room("live")
    await house.room("live", slug="attic")
    outbox = house.edge.outbox
    for number in range(5):
        kind = "heart" if number < 2 else "laugh"
        house.client(f"192.0.2.{number}").post("/r/hall/reaction", {"kind": kind})
    house.client().post("/r/attic/reaction", {"kind": "heart"})
    assert not len(outbox)
    await outbox.send_reactions()
    await outbox.send_reactions()
    (sent,) = house.bus.reactions
    assert sent.counts == {"hall": {"heart": 2, "laugh": 3}, "attic": {"heart": 1}}


async def test_reactions_that_were_taken_outlive_two_restarts_of_the_bus(house: House) -> None:
    await house.room("live")
    outbox = house.edge.outbox
    taken = 0
    for number in range(6):
        (house.bus.heal if number % 2 else house.bus.cut)()
        answer = house.client(f"192.0.2.{number}").post("/r/hall/reaction", {"kind": "heart"})
        taken += answer.status == 202
        assert await outbox.send_reactions() == bool(number % 2)
    await outbox.send_reactions()
    told = {message.number: message.counts["hall"]["heart"] for message in house.bus.reactions}
    assert sum(told.values()) == taken == 6
    assert sorted(told) == list(range(1, len(told) + 1))


async def test_reactions_nobody_takes_are_given_up_and_counted(house: House) -> None:
    await house.room("live")
    house.client().post("/r/hall/reaction", {"kind": "heart"})
    house.bus.cut()
    assert not await house.edge.outbox.send_reactions()
    house.clock.advance(GIVE_UP)
    assert not await house.edge.outbox.send_reactions()
    assert house.edge.metrics.inputs_dropped["unanswered"] == 1
    house.bus.heal()
    assert await house.edge.outbox.send_reactions()
    assert house.bus.reactions == []


async def test_a_crowd_cannot_fill_the_bus(house: House) -> None:
    """Everything at its longest from thousands of addresses, for ten seconds: few messages, none too long."""
    await house.room("live")
    outbox = house.edge.outbox
    longest = {"text": "\U0001f3a4" * 280, "name": "\U0001f3a4" * 80}
    taken = 0
    for second in range(10):
        for number in range(400):
            client = Client(house.edge, f"10.{second}.{number // 250}.{number % 250}")
            body = BODIES["question"] | longest | {"device": f"{second:011}{number:011}"}
            sent = json.dumps(body, ensure_ascii=False).encode()
            status = client.post("/r/hall/question", sent).status
            taken += status == 202
            client.post("/r/hall/reaction", {"kind": "heart", "device": f"{second:011}{number:011}"})
            client.transport.abort()
        # As often as `run` does in a second.
        for _ in range(int(1 / REACTIONS_EVERY)):
            await outbox.send_reactions()
        for _ in range(int(1 / BATCH_EVERY)):
            await outbox.send_batch()
        house.clock.advance(1.0)
    assert taken > 2000
    messages = [*house.bus.batches, *house.bus.reactions]
    assert len(messages) <= 10 * (1 / BATCH_EVERY + 1 / REACTIONS_EVERY)
    assert len(house.bus.published) == 0
    sizes = [len(encode(message)) for message in messages]
    assert max(sizes) < MAX_PAYLOAD / 2
    assert len(outbox) <= WAITING


def fill(house: House, count: int) -> int:
    """As many votes of different people; how many were taken."""
    taken = 0
    for number in range(count):
        client = Client(house.edge, f"10.0.{number // 250}.{number % 250}")
        body = BODIES["vote"] | {"device": f"{number:022}"}
        taken += client.post("/r/hall/vote", body).status == 202
        client.transport.abort()
    return taken


async def test_batches_are_in_order_and_bounded(house: House) -> None:
    await house.room("live")
    assert fill(house, BATCH + 10) == BATCH + 10
    outbox = house.edge.outbox
    assert await outbox.send_batch()
    assert await outbox.send_batch()
    assert await outbox.send_batch(), "nothing left to do"
    first, second = house.bus.batches
    assert first.batch_id != second.batch_id
    sent = [each.device for each in (*first.inputs, *second.inputs)]
    assert sent == [f"{number:022}" for number in range(BATCH + 10)]
    assert len(first.inputs) == BATCH
    assert not len(outbox)


@pytest.mark.parametrize("error", [Unavailable("no studio"), Refused(503, "Busy")])
async def test_an_unanswered_batch_is_sent_again_as_it_was(house: House, error: Exception) -> None:
    await house.room("live")
    outbox = house.edge.outbox
    house.bus.refuse_batches = error
    fill(house, 3)
    assert not await outbox.send_batch()
    fill(house, 1)
    assert not await outbox.send_batch()
    house.bus.refuse_batches = None
    assert await outbox.send_batch()
    tries = [message for message in house.bus.requests if hasattr(message, "batch_id")]
    assert tries[0] == tries[1] == tries[2]
    assert await outbox.send_batch()
    assert len(house.bus.batches) == 2
    assert house.edge.metrics.inputs_dropped == {"refused": 0, "unanswered": 0}


async def test_a_refused_batch_is_dropped_and_counted(house: House) -> None:
    await house.room("live")
    house.bus.refuse_batches = Refused(400, "Undecodable bus message")
    fill(house, 3)
    assert await house.edge.outbox.send_batch()
    assert not len(house.edge.outbox)
    assert house.edge.metrics.inputs_dropped == {"refused": 3, "unanswered": 0}


async def test_a_batch_is_not_tried_for_ever(house: House) -> None:
    await house.room("live")
    house.bus.refuse_batches = Unavailable("no studio")
    fill(house, 3)
    assert not await house.edge.outbox.send_batch()
    house.clock.advance(GIVE_UP + 1)
    assert not await house.edge.outbox.send_batch()
    assert not len(house.edge.outbox)
    assert house.edge.metrics.inputs_dropped == {"refused": 0, "unanswered": 3}


async def test_a_full_queue_refuses_and_counts(house: House) -> None:
    await house.room("live")
    assert fill(house, WAITING + 5) == WAITING
    answer = house.client("10.9.9.9").post("/r/hall/vote", BODIES["vote"])
    check_problem(answer, 503)
    assert answer.headers["retry-after"]
    assert house.edge.metrics.inputs_refused["vote", "full"] == 6
    # Reactions need no place in it.
    assert house.client("10.9.9.9").post("/r/hall/reaction", BODIES["reaction"]).status == 202


async def test_the_outbox_runs_and_backs_off(house: House) -> None:
    await house.room("live")
    outbox = house.edge.outbox
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    outbox._sleep = sleep
    house.bus.refuse_batches = Unavailable("no studio")
    running = asyncio.create_task(outbox.run())
    fill(house, 1)
    while slept.count(4.0) < 2:
        await asyncio.sleep(0)
    house.bus.refuse_batches = None
    while not house.bus.batches:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [pause for pause in slept if pause > 0.5][:4] == [1.0, 2.0, 4.0, 4.0]


async def test_a_fault_of_ours_does_not_end_the_sending(house: House) -> None:
    await house.room("live")
    outbox = house.edge.outbox

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    outbox._sleep = sleep
    house.bus.refuse_batches = RuntimeError("never seen before")
    running = asyncio.create_task(outbox.run())
    fill(house, 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    house.bus.refuse_batches = None
    while not house.bus.batches:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_waits_is_tried_once_more_at_the_end(house: House) -> None:
    await house.room("live")
    fill(house, BATCH + 1)
    house.client().post("/r/hall/reaction", BODIES["reaction"])
    await house.edge.outbox.close()
    assert [len(batch.inputs) for batch in house.bus.batches] == [BATCH, 1]
    assert len(house.bus.reactions) == 1


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  Why\n\tnow? ", "Why now?"),
        ("Warum \u00fc\u0308ber 🏳️\u200d🌈?", "Warum \u00fc\u0308ber 🏳️\u200d🌈?"),
        ("a\u0000b\u0007c\u200b", "abc"),
        ("e\u0301", "é"),
        ("שלום \u2067abc\u2069 x", "שלום \u2067abc\u2069 x"),
        ("\u2067abc", "\u2067abc\u2069"),
        ("abc\u2069 d", "abc d"),
        ("\u2066\u2067a\u2069", "\u2066\u2067a\u2069\u2069"),
        ("\u202eabc\u202c", "abc"),
        ("a" + "\u0301" * 40, "á" + "\u0301" * 4),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("かな", "かな"),
    ],
)
def test_text_is_cleaned(text: str, wanted: str) -> None:
    assert clean(text, 100) == wanted


@pytest.mark.parametrize("text", ["", " ", "\u2067\u2069", "\u0301", "\u202e"])
def test_text_without_anything_visible(text: str) -> None:
    with pytest.raises(ValueError, match="no visible character"):
        clean(text, 100)


def test_length_is_counted_in_code_points() -> None:
    assert clean("😀" * 280, 280) == "😀" * 280
    with pytest.raises(ValueError, match="has 281 characters; at most 280 fit"):
        clean("😀" * 281, 280)


@given(
    st.text(alphabet=st.characters(), max_size=60) | st.text("\u2066\u2067\u2068\u2069ab \u202e", max_size=40)
)
def test_clean_text_is_clean(text: str) -> None:
    try:
        cleaned = clean(text, 50)
    except ValueError:
        return
    assert clean(cleaned, 50) == cleaned
    assert len(cleaned) <= 50
    depth = 0
    for char in cleaned:
        assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
        assert char not in "\u202a\u202b\u202c\u202d\u202e"
        depth += (char in "\u2066\u2067\u2068") - (char == "\u2069")
        assert depth >= 0
    assert depth == 0
