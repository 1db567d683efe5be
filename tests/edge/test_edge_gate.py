"""Caps: in all, for each address, and for saying no."""

from __future__ import annotations

from pathlib import Path

from edge_memory import Client, House, make_house
from hypothesis import given
from hypothesis import strategies as st

from hustings.addresses import address_key
from hustings.edge.gate import LINGERING, Gate, Verdict, descriptor_cap


def test_ipv6_counts_by_its_64() -> None:
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")
    assert address_key("::ffff:192.0.2.7") == address_key("192.0.2.7") == "192.0.2.7"
    assert address_key("fe80::1%eth0") == address_key("fe80::2")
    assert address_key("not:an:address") == "not:an:address"


def test_cap_in_all() -> None:
    gate = Gate(total=2, per_address=9)
    assert [gate.enter(key) for key in ("a", "b", "c")] == [Verdict.WELCOME, Verdict.WELCOME, Verdict.FULL]
    gate.leave("a", Verdict.WELCOME)
    assert gate.enter("d") is Verdict.WELCOME
    assert gate.refused[Verdict.FULL] == 1


def test_cap_of_one_address_and_the_end_of_patience() -> None:
    gate = Gate(total=1000, per_address=3)
    verdicts = [gate.enter("a") for _ in range(20)]
    assert verdicts[:3] == [Verdict.WELCOME] * 3
    assert verdicts[3:11] == [Verdict.CROWDED] * 8
    assert verdicts[11:] == [Verdict.CUT] * 9
    assert gate.enter("b") is Verdict.WELCOME
    assert gate.held("a") == 11


def test_even_refusing_has_its_limit() -> None:
    gate = Gate(total=1, per_address=1000)
    gate.enter("first")
    verdicts = [gate.enter(f"{number}") for number in range(LINGERING + 5)]
    assert verdicts.count(Verdict.FULL) == LINGERING
    assert verdicts.count(Verdict.CUT) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200))
def test_what_enters_and_leaves_adds_up(steps: list[tuple[str, bool]]) -> None:
    gate = Gate(total=5, per_address=3)
    held: list[tuple[str, Verdict]] = []
    for key, enter in steps:
        if enter:
            held.append((key, gate.enter(key)))
        elif held:
            gate.leave(*held.pop())
        assert gate.inside == sum(verdict is Verdict.WELCOME for _, verdict in held) <= 5
        for each in "abc":
            assert gate.held(each) == sum(key == each and v is not Verdict.CUT for key, v in held)
    for key, verdict in held:
        gate.leave(key, verdict)
    assert gate.inside == gate.lingering == 0
    assert all(gate.held(each) == 0 for each in "abc")


def test_descriptor_cap_is_within_the_limit() -> None:
    assert descriptor_cap(10) == 10
    assert descriptor_cap(0) == descriptor_cap(10**9) >= 16


async def test_one_address_too_many(house: House) -> None:
    house.edge.gate.per_address = 2
    kept = [house.client() for _ in range(2)]
    crowded = house.client()
    answer = crowded.ask("/healthz")
    assert answer.status == 429
    assert 4 <= int(answer.headers["retry-after"]) <= 20
    assert crowded.is_closed()
    assert house.client("192.0.2.2").ask("/nothing").status == 404
    kept[0].transport.close()
    assert house.client().ask("/nothing").status == 404
    assert house.edge.metrics.refused["crowded"] == 1


async def test_behind_a_proxy_its_visitors_are_told_apart(web: Path) -> None:
    house = make_house(web, per_address=2, proxies="198.51.100.1, 2001:db8::1")
    await house.live(5)

    def listen(visitor: str) -> Client:
        client = house.client("198.51.100.1")
        client.get("/r/hall/live", f"X-Forwarded-For: 10.0.0.1, {visitor}")
        return client

    kept = [listen("192.0.2.1"), listen("192.0.2.1"), listen("192.0.2.2"), listen("192.0.2.3")]
    assert all(client.answers()[0].status == 200 for client in kept)
    assert listen("192.0.2.1").answers()[0].status == 429
    kept[0].transport.close()
    assert listen("192.0.2.1").answers()[0].status == 200
    for visitor in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        client = house.client("198.51.100.1")
        client.ask("/r/hall/hls/opus.m3u8", f"X-Forwarded-For: {visitor}")
    assert house.edge.audience("edge").listening["hall"]["hls"] == 2
    # Who is no proxy of ours may write what they like.
    assert house.client("203.0.113.5").ask("/nothing", "X-Forwarded-For: 192.0.2.1").status == 404
    await house.end()
    assert house.edge.gate.held("192.0.2.1") == 0


async def test_full_is_a_page_that_tries_again_by_itself(house: House) -> None:
    house.edge.gate.total = 0
    answer = house.client().ask("/r/hall", "Accept: text/html", "Accept-Language: de-AT,en;q=0.5")
    assert answer.status == 503
    assert b'http-equiv="refresh"' in answer.body
    assert b'lang="de"' in answer.body
    assert f'content="{answer.headers["retry-after"]}; url=?place='.encode() in answer.body
    assert answer.headers["connection"] == "close"
    assert house.client().ask("/r/hall").headers["content-type"] == "application/problem+json"


async def test_the_refused_do_not_stay(house: House) -> None:
    house.edge.gate.total = 0
    silent = house.client()
    house.step(8)
    assert silent.is_closed()
    assert house.edge.gate.lingering == 0


async def test_a_crowd_is_cut_without_a_word(web: Path) -> None:
    house = make_house(web, per_address=1)
    clients = [house.client() for _ in range(12)]
    assert [client.is_closed() for client in clients] == [False] * 9 + [True] * 3
    assert house.edge.metrics.refused == {"full": 0, "crowded": 8, "cut": 3, "load": 0, "draining": 0}
    await house.end()
