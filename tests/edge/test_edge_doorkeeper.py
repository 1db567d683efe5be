"""Who has to wait keeps a signed place, does an effort only while it lasts, and is told what is known."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from edge_memory import Answer, House, make_house
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.addresses import address_key
from hustings.edge import effort
from hustings.edge.doorkeeper import EFFORT_AFTER, USES
from hustings.edge.gate import INVITED, Gate, Verdict
from hustings.edge.http import Request
from hustings.edge.lobby import WAVE
from hustings.edge.methods import is_page
from hustings.edge.protocol import Connection
from hustings.edge.shedding import Level
from hustings.edge.uses import Uses
from hustings.place_tokens import LENGTH, PlaceTokens

HTML = "Accept: text/html"


def test_a_place_says_when_and_nothing_else() -> None:
    tokens = PlaceTokens("secret")
    token = tokens.write("waiting", 1_800_000_000.1239)
    assert len(token) == LENGTH
    place = tokens.read(token)
    assert place is not None
    assert (place.kind, place.at) == ("waiting", 1_800_000_000.124)
    assert PlaceTokens("secret").read(token) == place, "any edge with the key"
    assert PlaceTokens("other").read(token) is None
    assert tokens.read(tokens.write("tested", place.at, place.number)) is not None


@given(st.binary(max_size=40), st.text(max_size=40), st.integers(0, 35), st.integers(1, 127))
def test_no_place_can_be_made_up(raw: bytes, text: str, at: int, flip: int) -> None:
    tokens = PlaceTokens("secret")
    token = tokens.write("pass", 2e9)
    other = chr(flip)
    forged = token[:at] + other + token[at + 1 :]
    if forged != token:
        assert tokens.read(forged) is None
    assert tokens.read(raw.decode("latin-1")) is None
    assert tokens.read(text) is None


def work(challenge: dict[str, Any]) -> str:
    """What a browser does."""
    for number in range(challenge["max"] + 1):
        said = f"{challenge['salt']}.{number}".encode()
        if hashlib.sha256(said).hexdigest() == challenge["challenge"]:
            return str(number)
    raise AssertionError("no such number")


@settings(max_examples=5, deadline=None)
@given(st.binary(min_size=8, max_size=8))
def test_the_effort_is_bounded_and_its_answer_is_one_number(number: bytes) -> None:
    tokens = PlaceTokens("secret")
    asked = effort.challenge(tokens, number)
    assert asked["max"] == effort.WORK
    answer = work(asked)
    assert effort.solved(tokens, number, answer)
    assert not effort.solved(tokens, number, str(int(answer) + 1))
    assert not effort.solved(PlaceTokens("other"), number, answer)
    for nonsense in ("", "-1", "٣", "1e3", "9" * 400, " 1"):
        assert not effort.solved(tokens, number, nonsense)


def test_uses_are_counted_and_forgotten() -> None:
    uses = Uses(remembered=10)
    assert [uses.take(b"a", 2) for _ in range(3)] == [True, True, False]
    for number in range(20):
        uses.take(bytes([number]), 1)
    assert len(uses) == 10


def test_the_invited_have_some_places_beyond_the_cap() -> None:
    gate = Gate(total=1, per_address=1000)
    gate.enter("a")
    verdicts = [gate.enter(f"{number}") for number in range(INVITED + 1)]
    assert set(verdicts) == {Verdict.FULL}
    assert [gate.let_in(verdict) for verdict in verdicts].count(True) == INVITED
    assert gate.inside == INVITED + 1
    assert gate.lingering == 1


class Rush:
    """An edge at which newcomers wait; `rate` a second go in."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.keeper = house.edge.keeper
        monkeypatch.setattr(self.keeper.shedding, "update", lambda _share, _late: None)
        monkeypatch.setattr(self.keeper, "second", lambda: None)
        self.begin()

    def begin(self, level: Level = Level.PAGES, rate: float = 4.0) -> None:
        self.keeper.shedding.level = level
        for pace in self.keeper.paces.values():
            pace.rate = rate
        self.house.step(0.25)

    def end(self) -> None:
        self.keeper.shedding.level = Level.CALM
        self.house.step(4)

    def ask(self, path: str, *lines: str, address: str = "192.0.2.1") -> Answer:
        client = self.house.client(address)
        client.get(path, *lines)
        (answer,) = client.answers()
        client.transport.close()
        return answer


@pytest.fixture
async def rush(house: House, monkeypatch: pytest.MonkeyPatch) -> Rush:
    await house.live(5)
    return Rush(house, monkeypatch)


async def test_programs_are_told_when_to_come_back_and_keep_their_place(rush: Rush) -> None:
    rush.ask("/r/hall/live")  # the one of this tick
    answers = [rush.ask(f"/r/hall/{door}") for door in ("live", "stream.ogg", "stream.aac", "hls/index.m3u8")]
    for answer in answers:
        assert answer.status == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert 1 <= int(answer.headers["retry-after"]) <= WAVE + 1
        told = answer.json()
        assert told["wait"] <= int(answer.headers["retry-after"]) <= told["wait"] + 1
        assert len(told["place"]) == LENGTH
    assert len({answer.headers["retry-after"] + str(answer.json()["wait"]) for answer in answers}) == 4
    place = answers[0].json()["place"]
    rush.house.step(0.25)
    assert rush.ask(f"/r/hall/live?codec=opus&place={place}").status == 200
    assert rush.ask("/r/hall/live").status == 503
    assert rush.house.edge.metrics.lobby["let_in"] == 2


async def test_players_that_take_parts_already_are_never_sent_to_the_lobby(rush: Rush) -> None:
    rush.ask("/r/hall/live")
    assert rush.ask("/r/hall/hls/opus.m3u8", address="192.0.2.50").status == 200
    assert rush.ask("/r/hall/hls/index.m3u8", address="192.0.2.50").status == 200
    assert rush.ask("/r/hall/hls/index.m3u8", address="192.0.2.51").status == 503


async def test_whose_line_broke_comes_back_before_others(rush: Rush) -> None:
    rush.end()
    before = rush.ask("/r/hall/live")
    place = before.headers["hustings-place"]
    rush.begin()
    rush.ask("/r/hall/live")
    assert rush.ask("/r/hall/live").status == 503
    for _ in range(USES["inside"]):
        assert rush.ask(f"/r/hall/live?place={place}").status == 200
    assert rush.ask(f"/r/hall/live?place={place}").status == 503, "not for a thousand connections"
    rush.house.clock.advance(7 * 3600)
    assert rush.house.edge.metrics.lobby["returned"] == USES["inside"]


async def test_browsers_get_a_page_that_keeps_the_place_without_a_script_too(rush: Rush) -> None:
    rush.ask("/r/hall", HTML)
    answer = rush.ask("/r/hall", HTML, "Accept-Language: de-AT,en;q=0.5")
    assert answer.status == 503
    body = answer.body.decode()
    assert 'lang="de"' in body
    assert "Einen Augenblick" in body
    place = re.search(r'content="(\d+); url=\?place=([\w-]+)&amp;lang=de"', body)
    assert place is not None
    assert place[1] == answer.headers["retry-after"]
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    for kind, tag in (("script", "<script>"), ("style", "<style>")):
        text = body.partition(tag)[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "set-cookie" not in answer.headers
    assert len(answer.body) < 12_000, "one piece, and small"
    assert "'self'" in policy.partition("frame-ancestors")[2]
    assert "*" in rush.ask("/r/hall/embed", HTML).headers["content-security-policy"].partition("frame-anc")[2]
    rush.house.step(0.5)
    assert rush.ask(f"/r/hall?place={place[2]}&lang=de", HTML).status == 200


async def test_the_page_asks_at_the_lobby_and_goes_in_once_it_is_told_so(rush: Rush) -> None:
    rush.ask("/lobby?door=page")
    first = rush.ask("/lobby?door=page").json()
    assert first["in"] is False
    second = rush.ask("/lobby?door=page").json()
    rush.house.step(0.5)
    again = rush.ask(f"/lobby?door=page&place={second['place']}").json()
    assert again["in"] is True
    assert rush.ask(f"/r/hall?place={again['place']}", HTML).status == 200
    assert rush.ask(f"/r/hall/live?place={again['place']}").status == 200, "and the sound by the same place"
    assert rush.ask(f"/lobby?door=page&place={first['place']}").json()["in"] is True


async def test_ahead_is_how_many_came_before(rush: Rush) -> None:
    rush.ask("/r/hall/live")
    for number in range(8):
        rush.house.clock.advance(0.3)
        rush.ask("/r/hall/live", address=f"192.0.2.{number}")
    rush.keeper.paces["join"].rate = 0.001
    rush.house.step(0.25)
    ahead = rush.ask("/r/hall/live").json()["ahead"]
    assert 6 <= ahead <= 8
    assert rush.house.edge.metrics.waiting()["join"] == 9


async def test_the_effort_is_asked_only_while_stress_lasts(rush: Rush) -> None:
    rush.begin(rate=0.001)
    rush.ask("/r/hall/live")
    assert "effort" not in rush.ask("/r/hall/live").json()
    rush.house.step(EFFORT_AFTER + 0.5)
    told = rush.ask("/r/hall/live").json()
    assert "ahead" not in told, "in no queue before it is done"
    waiting = rush.keeper.lobbies["join"].waiting
    number = work(told["effort"])
    wrong = rush.ask(f"/r/hall/live?place={told['place']}&effort={(int(number) + 1) % effort.WORK}")
    assert "effort" in wrong.json()
    assert rush.keeper.lobbies["join"].waiting == waiting
    done = rush.ask(f"/r/hall/live?place={told['place']}&effort={number}").json()
    assert "effort" not in done
    assert rush.keeper.lobbies["join"].waiting == waiting + 1
    assert rush.house.edge.metrics.lobby["tested"] == 1
    assert rush.house.edge.metrics.lobby["failed"] == 1
    again = rush.ask(f"/r/hall/live?place={done['place']}").json()
    assert "effort" not in again, "once is enough"
    assert again["ahead"] <= done["ahead"] + 1
    rush.end()
    assert rush.ask("/r/hall/live").status == 200


async def test_one_solved_place_lets_in_a_few_times_not_a_thousand(rush: Rush) -> None:
    rush.begin(rate=0.001)
    rush.house.step(EFFORT_AFTER + 0.5)
    told = rush.ask("/r/hall/live").json()
    solved = f"place={told['place']}&effort={work(told['effort'])}"
    rush.begin(rate=1000)
    rush.house.step(1)
    statuses = [rush.ask(f"/r/hall/live?{solved}").status for _ in range(USES["tested"] + 3)]
    assert statuses == [200] * USES["tested"] + [503] * 3


async def test_who_is_invited_goes_in_first_without_effort_also_when_it_is_full(rush: Rush) -> None:
    invited = PlaceTokens(GATE_KEY).write("pass", rush.house.clock.wall() + 60)
    stranger = PlaceTokens("another server").write("pass", rush.house.clock.wall() + 60)
    rush.begin(rate=0.001)
    rush.house.step(EFFORT_AFTER + 1)
    assert rush.ask("/r/hall", HTML).status == 503
    assert rush.ask(f"/r/hall?place={stranger}", HTML).status == 503
    assert rush.ask(f"/r/hall?place={invited}", HTML).status == 200
    assert rush.ask(f"/r/hall/live?place={invited}").status == 200
    rush.house.edge.gate.total = 0
    assert rush.ask("/r/hall", HTML).status == 503
    assert rush.ask(f"/r/hall?place={invited}", HTML).status == 200
    rush.house.clock.advance(61)
    assert rush.ask(f"/r/hall?place={invited}", HTML).status == 503, "until it runs out"
    rush.house.edge.gate.total = 1000


GATE_KEY = "the key of all edges and the studio"


@pytest.fixture
async def house(web: Path) -> Any:
    made = make_house(web, gate_key=GATE_KEY)
    yield made
    await made.end()


async def test_a_place_of_another_edge_counts(web: Path, rush: Rush) -> None:
    """First come, first in, whichever process one meets."""
    other = make_house(web, gate_key=GATE_KEY)
    earlier = other.edge.keeper.tokens.write("waiting", rush.house.clock.wall() - 60)
    rush.ask("/r/hall/live")
    assert rush.ask("/r/hall/live").status == 503
    assert rush.ask(f"/r/hall/live?place={earlier}").status == 200
    old = other.edge.keeper.tokens.write("waiting", rush.house.clock.wall() - 3700)
    future = other.edge.keeper.tokens.write("waiting", rush.house.clock.wall() + 60)
    for place in (old, future, "nonsense", earlier[:-1] + "!"):
        assert rush.ask(f"/r/hall/live?place={place}").status == 503
    assert rush.house.edge.metrics.lobby["expired"] == 2
    assert rush.house.edge.metrics.lobby["forged"] == 2
    await other.end()


async def test_a_full_house_waits_until_somebody_leaves(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.live(5)
    house.edge.keeper.capacity.connections = 10
    house.edge.keeper.capacity.places["descriptors"] = 3
    house.step(0.25)
    listeners = [house.client(f"192.0.2.{number}") for number in range(4)]
    for listener in listeners[:3]:
        listener.get("/r/hall/live")
    house.step(0.25)
    late = house.client("192.0.2.9").ask("/r/hall/live")
    assert late.status == 503
    assert house.edge.audience("e").load == "refusing"
    assert house.client("192.0.2.9").ask("/r/hall").status == 200, "pages are there all the same"
    for listener in listeners:
        listener.transport.close()
    for connection in list(house.edge.connections):
        if connection.fanout is None:
            connection.transport.close()
    house.step(1)
    assert house.client("192.0.2.9").ask(f"/r/hall/live?place={late.json()['place']}").status == 200


async def test_too_many_of_one_address_wait_without_a_place_in_the_queue(house: House) -> None:
    await house.live(5)
    house.edge.gate.per_address = 1
    kept = house.client()
    answer = house.client().ask("/r/hall", HTML)
    assert answer.status == 429
    assert "your network" in answer.body.decode()
    assert 'data-lobby="' in answer.body.decode()
    told = house.client().ask("/r/hall").json()
    assert len(told["place"]) == LENGTH
    assert not kept.is_closed()
    again = house.client().ask(f"/r/hall?place={told['place']}").json()
    assert again["place"] == told["place"], "it is kept"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (b"/", True),
        (b"/r/hall", True),
        (b"/r/hall/embed", True),
        (b"/r/hall/audience", True),
        (b"/r/hall/audience.json", False),
        (b"/r/hall/recordings", True),
        (b"/r/hall/clip/abc", True),
        (b"/r/hall/record", True),
        (b"/r/hall/record/40", True),
        (b"/r/hall/record.jsonl", False),
        (b"/r/hall/replay/", True),
        (b"/r/hall/replay/b1/", True),
        (b"/r/hall/replay/b1/program.m4a", False),
        (b"/r/hall/state.json", False),
        (b"/r/hall/live", False),
        (b"/static/js/player.js", False),
        (b"*", False),
        (b"", False),
        (b"/r", False),
    ],
)
def test_what_a_page_is(path: bytes, page: bool) -> None:
    assert is_page(path) is page


async def test_the_lobbys_data_is_escaped(rush: Rush) -> None:
    rush.ask("/r/hall", HTML)
    answer = rush.ask("/r/hall?place=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", HTML)
    assert b"alert(1)" not in answer.body
    data = re.search(r'data-lobby="([^"]*)"', answer.body.decode())
    assert data is not None
    told = json.loads(data[1].replace("&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&"))
    assert len(told["place"]) == LENGTH


@given(st.lists(st.sampled_from(["192.0.2.1", "evil", "10.0.0.1, 203.0.113.9", ""]), max_size=3))
def test_who_is_no_proxy_of_ours_is_who_he_is(fields: list[str]) -> None:
    """X-Forwarded-For from anybody else changes nothing; behind a proxy only its own last entry counts."""

    class NoDoor:
        proxies: frozenset[str] = frozenset()

    connection = Connection(NoDoor())  # type: ignore[arg-type]  # nothing else is asked
    connection.address = address_key("203.0.113.5")
    headers = {b"x-forwarded-for": b", ".join(field.encode() for field in fields)}
    request = Request(b"GET", b"/", headers)
    assert connection.visitor(request) == "203.0.113.5"
    connection.proxied, connection.address = True, ""
    last = headers[b"x-forwarded-for"].rpartition(b",")[2].strip().decode()
    assert connection.visitor(request) == address_key(last)
