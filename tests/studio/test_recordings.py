"""A room's recordings for its hosts: listed, deleted on demand and because they are old."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import studio_support
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faulty_store import FaultyStore
from recording_folder import write_recording
from studio_support import House, running_studio

from hustings.archive.index import write_index
from hustings.archive.model import encode_index, read_index
from hustings.archive.objects import Objects
from hustings.archive.orders import DELETE_KIND, KIND, STORE_KIND, Deletion, store_id
from hustings.archive.stored import free, store_recording
from hustings.bus import subjects
from hustings.bus.messages import JobsDue, RecordingDeleted, RecordingReady, RoomPublic
from hustings.clock import FakeClock
from hustings.config import Settings
from hustings.errors import Unavailable
from hustings.scribe.remove import Remover
from hustings.store.jobs import Job, Jobs
from hustings.studio.publisher import Publisher
from hustings.studio.retention import DAY, began_at, days_kept, kept_until

SLUG = "town-hall"
EARLIER, LATER = "20261127T200000-abc123", "20261128T200000-abc123"
ENDED = {EARLIER: began_at(EARLIER) + 100, LATER: began_at(LATER) + 100}
NOW = began_at(LATER) + DAY
AUDIENCE = "https://live.example.org"
BOUND = {"keep_days": 0}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(folder: Path) -> Settings:
        named = {"data": folder, "studio_door": "127.0.0.1:8001", "audience_url": AUDIENCE}
        return Settings.model_validate(named | BOUND)

    monkeypatch.setattr(studio_support, "settings_in", settings)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_studio(tmp_path, clock=FakeClock(wall=NOW)) as house:
        await house.room(SLUG)
        yield house


async def record(house: House, broadcast: str = LATER) -> Path:
    """A recording of the day its name says."""
    folder = write_recording(house.settings.data, 8.0, broadcast=broadcast).folder
    write_index(folder)
    index = msgspec.structs.replace(
        read_index(folder), live_since=ENDED[broadcast] - 8, ended_at=ENDED[broadcast]
    )
    (folder / "recording.json").write_bytes(encode_index(index))
    ready = RecordingReady(broadcast_id=broadcast, slug=SLUG)
    await house.bus.publish(subjects.RECORDING_READY, ready)
    return folder


async def listed(house: House) -> list[dict[str, Any]]:
    answer = await house.operator.get(f"/api/rooms/{SLUG}/recordings")
    assert answer.status_code == 200, answer.text
    found = answer.json()["recordings"]
    assert isinstance(found, list)
    return found


async def states(house: House) -> dict[str, str]:
    return {each["broadcast"]: each["state"] for each in await listed(house)}


async def delete(house: House, broadcast: str = LATER) -> httpx.Response:
    return await house.operator.delete(f"/api/rooms/{SLUG}/recordings/{broadcast}")


async def public(house: House) -> RoomPublic:
    found = house.app.state.publisher
    assert isinstance(found, Publisher)
    house.clock.advance(2.5)
    found.feeds.advance()
    await found.publish_due()
    return found._done[SLUG].public


async def jobs(house: House, kind: str) -> list[Job]:
    return await Jobs(house.studio.store._engine).lease(kind, house.clock.wall(), 60.0, 20, {}, 20)


async def scribe(house: House) -> list[Deletion]:
    """Does as the scribe does."""
    key = Ed25519PrivateKey.generate()
    remover = Remover(house.settings.data, None, key)
    done: list[Deletion] = []
    for job in await jobs(house, DELETE_KIND):
        order = msgspec.json.decode(job.body, type=Deletion)
        remover.delete(order, house.clock.wall())
        await Jobs(house.studio.store._engine).done(job, house.clock.wall(), "")
        gone = RecordingDeleted(broadcast_id=order.broadcast, slug=order.slug)
        await house.bus.publish(subjects.RECORDING_DELETED, gone)
        done.append(order)
    return done


async def test_recordings_are_listed_newest_first(house: House) -> None:
    folder = await record(house)
    await record(house, EARLIER)
    later, earlier = await listed(house)
    assert [later["broadcast"], earlier["broadcast"]] == [LATER, EARLIER]
    assert later["state"] == "kept"
    assert later["seconds"] == pytest.approx(8.0)
    assert later["bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for each in (later, earlier):
        assert each["replay"] == f"{AUDIENCE}/r/{SLUG}/replay/{each['broadcast']}/"
    assert earlier["listen"] == f"{AUDIENCE}/r/{SLUG}/replay/{EARLIER}/program.m4a"
    assert later["kept_until"] is None
    page = await house.operator.get(f"/api/rooms/{SLUG}/recordings?after={LATER}")
    assert [each["broadcast"] for each in page.json()["recordings"]] == [EARLIER]


async def test_deleting_is_a_job_and_all_links_go_at_once(house: House) -> None:
    await record(house, EARLIER)
    await record(house)
    assert json.loads((await public(house)).pages["state.json"].body)["links"]["replay"]
    assert len(await jobs(house, KIND)) == 4
    answer = await delete(house)
    assert (answer.status_code, answer.json()["state"]) == (202, "deleting")
    # The files are still there: nobody is told of them any more.
    assert f"{LATER}/" not in (await public(house)).pages["replay.en"].body.decode()
    downloads = (await house.operator.get(f"/api/rooms/{SLUG}/downloads")).json()["downloads"]
    assert {each["broadcast"] for each in downloads} == {EARLIER}
    assert await states(house) == {LATER: "deleting", EARLIER: "kept"}
    assert JobsDue(kind=DELETE_KIND) in house.published(JobsDue)
    # What was to be made of it is forgotten, what is to be made of the other is not.
    house.clock.advance(100)
    assert {job.subject for job in await jobs(house, KIND)} == {EARLIER}
    assert [order.why for order in await scribe(house)] == ["host"]
    later = (await listed(house))[0]
    assert (later["state"], later["deleted"]["why"], later["bytes"]) == ("deleted", "host", 0)
    await delete(house, EARLIER)
    await scribe(house)
    room = await public(house)
    assert "replay" not in json.loads(room.pages["state.json"].body)["links"]
    assert "replay.en" not in room.pages


async def test_deleting_twice_is_deleting_once(house: House) -> None:
    await record(house)
    first, second = await asyncio.gather(delete(house), delete(house))
    assert (first.status_code, second.status_code) == (202, 202)
    assert len(await scribe(house)) == 1
    again = await delete(house)
    assert (again.status_code, again.json()["state"]) == (202, "deleted")
    assert await jobs(house, DELETE_KIND) == []


async def test_what_there_never_was_cannot_be_deleted(house: House) -> None:
    for name in (EARLIER, "x", "x" * 40):
        assert (await delete(house, name)).status_code == 404


async def test_not_while_the_broadcast_is_on(house: House) -> None:
    room = await house.command("open")
    broadcast = room["broadcast"]
    ENDED[broadcast] = house.clock.wall()
    folder = write_recording(house.settings.data, 8.0, broadcast=broadcast).folder
    await house.command("start")
    answer = await delete(house, broadcast)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert await states(house) == {broadcast: "on_air"}
    await house.command("stop")
    # The stage may still be writing its index.
    assert (await delete(house, broadcast)).status_code == 409
    assert await states(house) == {broadcast: "finishing"}
    write_index(folder)
    assert (await delete(house, broadcast)).status_code == 202


async def test_the_owner_may_and_a_cohost_may_not(house: House) -> None:
    await record(house)
    offer = await house.invite("Cora", role="cohost")
    ticket = {"Authorization": f"Bearer {offer['ticket']}"}
    url = f"/api/rooms/{SLUG}/recordings"
    assert (await house.anyone.get(url, headers=ticket)).status_code == 200
    assert (await house.anyone.delete(f"{url}/{LATER}", headers=ticket)).status_code == 403
    assert (await house.anyone.get(url)).status_code == 401
    assert (await house.anyone.delete(f"{url}/{LATER}")).status_code == 401
    assert await states(house) == {LATER: "kept"}


async def test_job_and_cause_are_written_together_or_not_at_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(house)

    async def refused(*_: object) -> None:
        raise Unavailable("The database cannot be used.")

    with monkeypatch.context() as patched:
        patched.setattr("hustings.store.deletions.enqueue", refused)
        assert (await delete(house)).status_code == 503
    assert await states(house) == {LATER: "kept"}
    assert await house.app.state.shelf._store.all() == []
    assert (await delete(house)).status_code == 202


async def test_a_restart_remembers_what_is_to_go(tmp_path: Path) -> None:
    async with running_studio(tmp_path, clock=FakeClock(wall=NOW)) as house:
        await house.room(SLUG)
        await record(house)
        await delete(house)
    async with running_studio(tmp_path, clock=FakeClock(wall=NOW)) as house:
        assert await states(house) == {LATER: "deleting"}
        assert "replay" not in json.loads((await public(house)).pages["state.json"].body)["links"]
        await scribe(house)
        assert await states(house) == {LATER: "deleted"}


async def test_the_host_reads_why_it_is_not_deleted_yet(house: House) -> None:
    await record(house)
    await delete(house)
    (job,) = await jobs(house, DELETE_KIND)
    await Jobs(house.studio.store._engine).again(job, NOW + 60, "The disk refuses: Read-only file system.")
    (only,) = await listed(house)
    assert (only["state"], only["problem"]) == ("deleting", "The disk refuses: Read-only file system.")


async def test_hosts_read_where_a_recording_is(house: House) -> None:
    """And what has left the data folder is listed as before."""
    folder = await record(house)
    jobs, objects = Jobs(house.studio.store._engine), Objects(FaultyStore())

    async def where() -> tuple[str, str]:
        (one,) = await listed(house)
        return one["stored"], one["store_problem"]

    assert await where() == ("no", "")
    job = Job(store_id(LATER), STORE_KIND, LATER, "{}", NOW, NOW)
    await jobs.add(job)
    assert await where() == ("waiting", "")
    await jobs.again(job, NOW + 60, "The store does not answer.")
    assert await where() == ("waiting", "The store does not answer.")
    (before,) = await listed(house)
    store_recording(folder, objects, lambda: NOW)
    await jobs.done(job, NOW, "")
    assert await where() == ("stored", "")
    assert free(folder, objects, 0.5, NOW) > 0
    assert await where() == ("only_there", "")
    await jobs.purge(NOW + 1, NOW + 1)  # jobs that are done are forgotten some day
    assert await where() == ("only_there", "")
    (one,) = await listed(house)
    stored = (folder / "stored.json").stat().st_size
    assert one["bytes"] == before["bytes"] + stored  # of all its files, wherever they are
    names = ("state", "seconds", "files", "replay", "listen", "recorded_at")
    assert {name: one[name] for name in names} == {name: before[name] for name in names}


async def keep(house: House, days: int) -> dict[str, Any]:
    answer = await house.operator.patch(f"/api/rooms/{SLUG}", json={"keep_days": days})
    assert answer.status_code == 200, answer.text
    details = answer.json()["details"]
    assert isinstance(details, dict)
    return details


async def test_what_is_too_old_is_deleted(house: House) -> None:
    await record(house, EARLIER)
    await record(house)
    shelf = house.app.state.shelf
    await shelf.expire()
    assert await states(house) == {LATER: "kept", EARLIER: "kept"}
    assert (await keep(house, 2))["keep_days"] == 2
    later, earlier = await listed(house)
    assert (earlier["kept_until"], later["kept_until"]) == ("2026-11-29T20:01:40Z", "2026-11-30T20:01:40Z")
    assert "2026-11-30T20:01:40Z" in (await public(house)).pages["page.en"].body.decode()
    house.clock._wall = ENDED[EARLIER] + 2 * DAY - 1
    await shelf.expire()
    assert await states(house) == {LATER: "kept", EARLIER: "kept"}
    house.clock.advance(2)
    await shelf.expire()
    assert await states(house) == {LATER: "kept", EARLIER: "deleting"}
    assert [order.why for order in await scribe(house)] == ["retention"]
    assert (await keep(house, 0))["keep_days"] is None
    house.clock.advance(1000 * DAY)
    await shelf.expire()
    assert await states(house) == {LATER: "kept", EARLIER: "deleted"}


async def test_the_server_s_bound_holds_for_every_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BOUND, "keep_days", 3)
    async with running_studio(tmp_path, clock=FakeClock(wall=NOW)) as house:
        await house.room(SLUG, keep_days=100)
        await record(house, EARLIER)
        assert (await listed(house))[0]["kept_until"] == "2026-11-30T20:01:40Z"
        house.clock.advance(3 * DAY)
        await house.app.state.shelf.expire()
        assert await states(house) == {EARLIER: "deleting"}


async def test_without_an_index_the_name_says_how_old_it_is(house: House) -> None:
    write_recording(house.settings.data, 4.0, broadcast=EARLIER)
    await keep(house, 1)
    shelf = house.app.state.shelf
    house.clock._wall = began_at(EARLIER) + 2 * DAY - 1
    await shelf.expire()
    assert await states(house) == {EARLIER: "kept"}
    house.clock.advance(2)
    await shelf.expire()
    assert await states(house) == {EARLIER: "deleting"}


def test_the_shorter_time_counts() -> None:
    assert days_kept(None, 0) is None
    assert (days_kept(7, 0), days_kept(None, 7), days_kept(30, 7), days_kept(7, 30)) == (7, 7, 7, 7)
    assert kept_until(1000.0, None, 0) is None
    assert kept_until(1000.0, 1, 0) == 1000.0 + DAY
