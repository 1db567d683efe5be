"""Webhooks: who hears what, retried until it arrives, never where it must not go. The network is faked."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from accounts_support import another, first_operator
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Receiver
from studio_support import House, running_studio

from hustings.bus import subjects
from hustings.bus.messages import DownloadReport, RecordingDeleted, RecordingReady
from hustings.rooms import commands as c
from hustings.studio.webhooks import service as service_module
from hustings.studio.webhooks.sender import Outcome, Sender, signed
from hustings.studio.webhooks.service import GIVE_UP, Webhooks, retry_delay
from hustings.studio.webhooks.targets import ForbiddenTarget, Target, Unresolved, check, refuse, resolve

URL = "https://hooks.example/hustings"
OK = Outcome(True, 200, "HTTP 200")
DOWN = Outcome(False, 503, "HTTP 503")


class FakeSender(Sender):
    """Answers what it is told; remembers what was sent."""

    def __init__(self) -> None:
        super().__init__(private=False)
        self.answer: dict[str, Outcome] = {}
        self.sent: list[tuple[str, str, dict[str, Any], str]] = []
        self.hold: asyncio.Event | None = None

    async def send(self, url: str, secret: str, message_id: str, body: str, at: float) -> Outcome:
        self.sent.append((url, message_id, json.loads(body), secret))
        if self.hold is not None:
            await self.hold.wait()
        return self.answer.get(url, OK)

    @property
    def types(self) -> list[str]:
        return [body["type"] for _, _, body, _ in self.sent]


def webhooks_of(house: House) -> tuple[Webhooks, FakeSender]:
    webhooks: Webhooks = house.app.state.webhooks
    sender = FakeSender()
    webhooks.sender = sender
    return webhooks, sender


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is delivered behind a test's back; no name is looked up."""

    async def idle(_self: Webhooks) -> None:
        await asyncio.Event().wait()

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError("no network in tests")

    monkeypatch.setattr(Webhooks, "run", idle)
    monkeypatch.setattr("hustings.studio.webhooks.targets.lookup", nowhere)


async def deliver(webhooks: Webhooks) -> None:
    await webhooks.deliver_due()
    await webhooks.settled()


async def add(house: House, url: str = URL, **more: Any) -> dict[str, Any]:
    answer = await house.operator.post("/api/webhooks", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def listed(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await house.operator.get("/api/webhooks")).json()["webhooks"]
    return found


# --- what is told --------------------------------------------------------------------------------


async def test_a_rooms_events_are_told_signed_and_without_secrets(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        made = await add(house)
        assert made["secret"].startswith("whsec_")
        await house.room()
        invited = await house.invite("Ada")
        await house.command("open")
        await house.command("start")
        await house.command("stop")
        await deliver(webhooks)
        await deliver(webhooks)
        await deliver(webhooks)
        assert sorted(sender.types) == ["room.ended", "room.invited", "room.live", "room.opened"]
        url, message_id, body, secret = next(sent for sent in sender.sent if sent[2]["type"] == "room.live")
        assert (url, secret) == (URL, made["secret"])
        room = body["data"]["room"]
        assert (room["slug"], room["status"], room["title"]) == ("town-hall", "live", "Town hall")
        assert room["page"].endswith("/r/town-hall")
        assert body["timestamp"].endswith("+00:00")
        everything = json.dumps([sent[2] for sent in sender.sent])
        for private in (invited["ticket"], invited["link"].partition("#")[2], made["secret"]):
            assert private not in everything
        text = json.dumps(body)
        headers = signed(secret, message_id, text, house.clock.wall())
        assert headers["webhook-id"] == message_id


async def test_what_becomes_of_recordings_is_told(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await add(house, events=["room.recording", "recording.ready", "recording.made", "recording.deleted"])
        await house.room()
        await house.command("open")
        await house.command("start")
        off = await house.operator.post("/api/rooms/town-hall/off-record", json={"off": True})
        assert off.status_code == 200, off.text
        await deliver(webhooks)
        ((_, _, body, _),) = sender.sent
        assert (body["type"], body["data"]["change"]) == ("room.recording", {"state": "off_record"})
        sender.sent.clear()

        which = {"slug": "town-hall", "broadcast_id": "20261201T185500-4f2a9c"}
        made = DownloadReport(**which, kind="mp3", state="made", progress=1.0)
        making = DownloadReport(**which, kind="mp3", state="making", progress=0.5)
        await house.bus.publish(subjects.RECORDING_READY, RecordingReady(**which))
        for report in (making, made):
            await house.bus.publish(subjects.DOWNLOAD_REPORT, report)
        await house.bus.publish(subjects.RECORDING_DELETED, RecordingDeleted(**which))
        elsewhere = RecordingReady(slug="nowhere", broadcast_id=which["broadcast_id"])
        await house.bus.publish(subjects.RECORDING_READY, elsewhere)
        for _ in range(3):
            await deliver(webhooks)
        told = {body["type"]: body["data"]["change"] for _, _, body, _ in sender.sent}
        assert len(sender.sent) == 3
        assert told["recording.ready"].pop("replay").endswith("/r/town-hall/replay/")
        broadcast = {"broadcast": which["broadcast_id"]}
        assert told == {
            "recording.ready": broadcast,
            "recording.made": {**broadcast, "format": "mp3"},
            "recording.deleted": broadcast,
        }


def test_signatures_are_those_of_standard_webhooks() -> None:
    import time

    body, secret = '{"type":"webhook.test"}', "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"
    headers = signed(secret, "msg_1", body, time.time())
    assert Receiver(secret).verify(body, headers) == {"type": "webhook.test"}
    with pytest.raises(Exception, match="signature"):
        Receiver(secret).verify(body.replace("test", "live"), headers)


async def test_a_webhook_hears_of_its_room_and_its_events_only(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await house.room("a")
        await house.room("b")
        await add(house, "https://one.example/", room="a", events=["room.live"])
        for slug in ("a", "b"):
            for verb in ("open", "start"):
                await house.command(verb, slug)
        await deliver(webhooks)
        assert [(body["type"], body["data"]["room"]["slug"]) for _, _, body, _ in sender.sent] == [
            ("room.live", "a")
        ]


async def test_hosts_hear_of_their_own_rooms_only_and_disabled_ones_of_none(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
    ):
        webhooks, sender = webhooks_of(house)
        await clara.ok("POST", "/api/rooms", 201, json={"title": "C", "slug": "clara"})
        await thomas.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "thomas"})
        foreign = await thomas.post("/api/webhooks", json={"url": URL, "room": "clara"})
        assert foreign.status_code == 403
        made = await thomas.ok("POST", "/api/webhooks", 201, json={"url": URL, "events": ["room.opened"]})
        for slug in ("clara", "thomas"):
            await clara.ok("POST", f"/api/rooms/{slug}/open")
        await deliver(webhooks)
        assert [body["data"]["room"]["slug"] for _, _, body, _ in sender.sent] == ["thomas"]
        me = await thomas.ok("GET", "/api/accounts/me")
        await clara.ok("POST", f"/api/accounts/{me['id']}/disable", json={"disabled": True})
        await clara.ok("POST", "/api/rooms/thomas/stop")
        await clara.ok("POST", "/api/rooms/thomas/open")
        await deliver(webhooks)
        assert len(sender.sent) == 1
        assert [each["id"] for each in await listed(house)] == [made["id"]]


async def test_nobody_sees_or_removes_anothers_webhook(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
        await another(house, clara, "Ida") as ida,
    ):
        webhooks_of(house)
        made = await thomas.ok("POST", "/api/webhooks", 201, json={"url": URL})
        assert (await ida.ok("GET", "/api/webhooks"))["webhooks"] == []
        assert (await ida.delete(f"/api/webhooks/{made['id']}")).status_code == 404
        assert (await ida.post(f"/api/webhooks/{made['id']}/test")).status_code == 404
        assert "secret" not in (await thomas.ok("GET", "/api/webhooks"))["webhooks"][0]
        await clara.ok("DELETE", f"/api/webhooks/{made['id']}", 204)


async def test_a_delivery_is_written_in_the_transaction_of_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_studio(tmp_path) as house:
        webhooks_of(house)
        await add(house)
        await house.room()

        async def broken(*_: object) -> None:
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(service_module, "enqueue", broken)
        with pytest.raises(RuntimeError):
            await house.studio.execute("town-hall", c.OpenDoors("20260101T000000-abcdef", 1.0))
        monkeypatch.undo()
        assert (await house.studio.store.room("town-hall")).status.value == "scheduled"
        await house.command("open")
        assert (await listed(house))[0]["waiting"] == 1


async def test_a_room_goes_on_when_its_news_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_studio(tmp_path) as house:
        webhooks_of(house)
        await add(house)
        await house.room()
        monkeypatch.setattr(service_module, "payload", None)
        await house.command("open")


# --- until it arrives ----------------------------------------------------------------------------


async def test_what_does_not_arrive_is_tried_again_under_the_same_id_and_given_up_after_a_day(
    tmp_path: Path,
) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await add(house)
        sender.answer[URL] = DOWN
        await house.room()
        await house.command("open")
        start = house.clock.wall()
        attempts: list[float] = []
        while house.clock.wall() - start < GIVE_UP + 7200:
            before = len(sender.sent)
            await deliver(webhooks)
            if len(sender.sent) > before:
                attempts.append(house.clock.wall() - start)
            house.clock.advance(1.0 if not attempts or attempts[-1] < 600 else 240.0)
        assert len({message_id for _, message_id, _, _ in sender.sent}) == 1
        assert 10 <= len(attempts) <= 16
        gaps = [later - sooner for sooner, later in itertools.pairwise(attempts)]
        assert 3.9 <= gaps[0] <= 7.1
        assert max(gaps) <= 4.8 * 3600 + 240
        assert attempts[-1] <= GIVE_UP
        state = (await listed(house))[0]
        assert (state["waiting"], state["given_up"], state["last_status"]) == (0, 1, 503)
        house.clock.advance(8 * 86400.0)
        await webhooks.tidy()
        assert (await listed(house))[0]["given_up"] == 0


async def test_it_arrives_once_the_receiver_is_back(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await add(house)
        sender.answer[URL] = Outcome(False, 0, "Nobody answers there.")
        await house.room()
        await house.command("open")
        await deliver(webhooks)
        assert (await listed(house))[0]["waiting"] == 1
        sender.answer[URL] = OK
        house.clock.advance(10.0)
        await deliver(webhooks)
        state = (await listed(house))[0]
        assert (state["waiting"], state["last_status"], len(sender.sent)) == (0, 200, 2)
        house.clock.advance(100.0)
        await deliver(webhooks)
        assert len(sender.sent) == 2


async def test_a_receiver_that_says_when_is_asked_then(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await add(house)
        sender.answer[URL] = Outcome(False, 429, "HTTP 429", retry_after=3600.0)
        await house.room()
        await house.command("open")
        await deliver(webhooks)
        house.clock.advance(3599.0)
        await deliver(webhooks)
        assert len(sender.sent) == 1
        house.clock.advance(2.0)
        await deliver(webhooks)
        assert len(sender.sent) == 2


async def test_a_receiver_that_is_gone_hears_nothing_more(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await add(house)
        sender.answer[URL] = Outcome(False, 410, "HTTP 410", gone=True)
        await house.room()
        await house.command("open")
        await deliver(webhooks)
        await house.command("start")
        house.clock.advance(60.0)
        await deliver(webhooks)
        assert len(sender.sent) == 1
        assert (await listed(house))[0]["disabled"] is True


async def test_a_slow_receiver_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await house.room()
        await house.command("open")
        await add(house, "https://slow.example/")
        for number in range(80):
            await house.studio.execute("town-hall", c.Lock(number % 2 == 0, float(number)))
        house.clock.advance(1.0)
        await add(house, "https://quick.example/")
        await house.command("start")
        sender.hold = asyncio.Event()
        await webhooks.deliver_due()
        await asyncio.sleep(0)
        await asyncio.wait_for(_until(lambda: len(sender.sent) == 3), 5)
        assert sorted(url for url, *_ in sender.sent) == [
            "https://quick.example/",
            "https://slow.example/",
            "https://slow.example/",
        ]
        sender.hold.set()
        await webhooks.settled()


async def _until(done: Any) -> None:
    while not done():
        await asyncio.sleep(0.01)


async def test_a_delivery_under_way_when_the_studio_died_is_tried_again(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        webhooks, sender = webhooks_of(house)
        await add(house)
        await house.room()
        await house.command("open")
        sender.hold = asyncio.Event()
        await webhooks.deliver_due()
        await asyncio.wait_for(_until(lambda: sender.sent), 5)
        for task in list(webhooks._running):
            task.cancel()
        await webhooks.settled()
        clock = house.clock
    async with running_studio(tmp_path, clock=clock) as house:
        webhooks, again = webhooks_of(house)
        await deliver(webhooks)
        assert again.sent == []  # the lease still holds
        clock.advance(31.0)
        await deliver(webhooks)
        assert [sent[1] for sent in again.sent] == [sent[1] for sent in sender.sent]


async def test_what_waits_for_one_receiver_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "MAX_WAITING", 5)
    async with running_studio(tmp_path) as house:
        webhooks_of(house)
        await house.room()
        await house.command("open")
        made = await add(house)
        for number in range(9):
            await house.studio.execute("town-hall", c.Lock(number % 2 == 0, float(number)))
        assert (await listed(house))[0]["waiting"] == 5
        assert (await house.operator.delete(f"/api/webhooks/{made['id']}")).status_code == 204
        assert await house.app.state.webhooks.counts() == {}


async def test_a_test_is_sent_at_once_and_says_how_it_went(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        _, sender = webhooks_of(house)
        made = await add(house)
        path = f"/api/webhooks/{made['id']}/test"
        answer = (await house.operator.post(path)).json()
        assert (answer["delivered"], answer["status"]) == (True, 200)
        assert sender.types == ["webhook.test"]
        sender.answer[URL] = Outcome(False, 302, "It redirects; redirects are not followed.")
        answer = (await house.operator.post(path)).json()
        assert (answer["delivered"], answer["status"]) == (False, 302)
        assert "redirect" in (await listed(house))[0]["last_note"]
        statuses = [(await house.operator.post(path)).status_code for _ in range(9)]
        assert statuses == [200] * 8 + [429]


def test_delays_grow_to_four_hours_and_are_spread() -> None:
    assert [retry_delay(n, 0.5) for n in range(1, 5)] == pytest.approx([5.0, 15.0, 45.0, 135.0])
    assert retry_delay(1000, 0.5) == pytest.approx(4 * 3600.0)
    assert retry_delay(1, 0.0) == pytest.approx(4.0)
    assert retry_delay(1, 1.0) == pytest.approx(6.0)


# --- where they go -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "LOCALHOST."),
        *("a.localhost", "10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "168.63.129.16", "192.0.2.1", "198.18.0.1"),
        *("[", "[a]", "a:99999", "a:b"),
        *("[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:127.0.0.1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::ffff:a9fe:a9fe]", "[64:ff9b:1::1]", "[2001:db8::1]"),
    ],
)
async def test_webhooks_do_not_go_to_private_places(tmp_path: Path, host: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check(f"https://{host}/x", private=False)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "168.63.129.16", "224.0.0.1", "0.0.0.0", "[::]"]
)
def test_some_places_are_forbidden_on_intranets_too(host: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check(f"https://{host}/x", private=True)


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://example.org/", "https://", "x"])
def test_webhooks_need_tls(url: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check(url, private=False)


def test_intranets_and_tests_may_allow_private_places() -> None:
    assert check("http://127.0.0.1:9/x", private=True) == Target(("127.0.0.1",), "127.0.0.1", 9, False)
    assert check("https://hooks.example/", private=True) == Target((), "hooks.example", 443, True)


async def test_a_name_is_looked_at_once_as_it_resolves_and_all_it_resolves_to(tmp_path: Path) -> None:
    answers = [["93.184.216.34"], ["93.184.216.34", "10.0.0.1"], ["fd00::1"], []]

    async def lookup(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    target = check(URL, private=False)
    assert (await resolve(target, False, lookup)).addresses == ("93.184.216.34",)
    for _ in range(2):
        with pytest.raises(ForbiddenTarget):
            await resolve(target, False, lookup)
    with pytest.raises(Unresolved):
        await resolve(target, False, lookup)


@given(st.ip_addresses())
def test_no_address_that_is_not_public_is_ever_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    try:
        refuse(str(address), private=False)
    except ForbiddenTarget:
        return
    nat64 = ipaddress.IPv6Network("64:ff9b::/96")
    assert address.is_global or address in nat64
    assert not address.is_multicast


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "http://example.org/",
        "https://user:pw@example.org/",
        "javascript:x",
    ],
)
async def test_such_a_webhook_is_not_made(tmp_path: Path, url: str) -> None:
    async with running_studio(tmp_path) as house:
        answer = await house.operator.post("/api/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["where"]) == (422, "body: url")


async def test_a_webhook_to_an_unknown_room_or_event_is_not_made(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for more, status in (({"room": "nowhere"}, 404), ({"events": ["room.nonsense"]}, 422)):
            answer = await house.operator.post("/api/webhooks", json={"url": URL, **more})
            assert answer.status_code == status
