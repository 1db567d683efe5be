"""Edited versions of a recording, as hosts ask for, publish and delete them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import studio_support
from recording_folder import VOICES, write_recording
from studio_support import House, running_studio

from hustings.archive.index import write_index
from hustings.archive.library import Library
from hustings.archive.model import encode_index, read_index
from hustings.archive.orders import EDIT_KIND, EditOrder
from hustings.archive.withheld import WITHHELD_NAME, Withheld, read_withheld, withhold
from hustings.bus import subjects
from hustings.bus.messages import EditReport, RecordingReady, RecordingWithheld
from hustings.clock import FakeClock
from hustings.config import Settings
from hustings.store.jobs import Jobs
from hustings.studio.retention import DAY, began_at

SLUG, BROADCAST = "town-hall", "20261128T200000-abc123"
ADA, BERT = (voice.participant_id for voice in VOICES)
SECONDS = 8.0


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(folder: Path) -> Settings:
        named = {"data": folder, "studio_door": "127.0.0.1:8001", "audience_url": "https://live.example.org"}
        return Settings.model_validate(named)

    monkeypatch.setattr(studio_support, "settings_in", settings)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_studio(tmp_path, clock=FakeClock(wall=began_at(BROADCAST) + DAY)) as house:
        await house.room(SLUG)
        await record(house, BROADCAST)
        yield house


async def record(house: House, broadcast: str) -> Path:
    folder = write_recording(house.settings.data, SECONDS, broadcast=broadcast).folder
    write_index(folder)
    await house.bus.publish(subjects.RECORDING_READY, RecordingReady(broadcast_id=broadcast, slug=SLUG))
    return folder


def place(path: str = "", broadcast: str = BROADCAST) -> str:
    return f"/api/rooms/{SLUG}/recordings/{broadcast}/edits{path}"


async def ask(house: House, **asked: object) -> dict[str, Any]:
    answer = await house.operator.post(place(), json=asked)
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


async def refused(house: House, **asked: object) -> httpx.Response:
    return await house.operator.post(place(), json=asked)


async def listed(house: House) -> dict[str, Any]:
    answer = await house.operator.get(place())
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


async def render(house: House) -> list[EditOrder]:
    """Does as the scribe does, but for the sound."""
    jobs, done = Jobs(house.studio.store._engine), []
    for job in await jobs.lease(EDIT_KIND, house.clock.wall(), 60.0, 20, {}, 20):
        order = msgspec.json.decode(job.body, type=EditOrder)
        folder = write_recording(house.settings.data, 4.0, broadcast=order.edition).folder
        withhold(folder, Withheld(why="draft", since=""))
        write_index(folder)
        await jobs.done(job, house.clock.wall(), "")
        report = EditReport(broadcast_id=order.broadcast, slug=SLUG, edition=order.edition, state="made")
        await house.bus.publish(subjects.EDIT_REPORT, report)
        done.append(order)
    return done


def public(house: House) -> list[str]:
    """What an edge would serve."""
    library = Library(house.settings.data)
    return [folder.name for folder in library.folders(SLUG) if library.folder(SLUG, folder.name)]


async def test_asked_for_made_heard_by_hosts_published_and_taken_back(house: House) -> None:
    asked = await ask(house, **{"from": 1.0, "cuts": [[2.0, 3.5]], "gains": {ADA: 3}})
    assert (asked["number"], asked["state"], asked["public"]) == (1, "waiting", False)
    assert asked["seconds"] == pytest.approx(SECONDS - 1.0 - 1.5)
    assert public(house) == [BROADCAST]
    (order,) = await render(house)
    assert (order.edition, order.asked.cuts) == (asked["edition"], [(2.0, 3.5)])
    (edit,) = (await listed(house))["edits"]
    assert (edit["state"], edit["public"], edit["from"], edit["to"]) == ("made", False, 1.0, None)
    assert public(house) == [BROADCAST]  # nobody has published it
    heard = await house.operator.get(edit["preview"], headers={"range": "bytes=0-99"})
    assert (heard.status_code, len(heard.content)) == (206, 100)
    answer = await house.operator.post(place("/1/publish"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["public"] == edit["edition"]
    assert answer.json()["edits"][0]["replay"].endswith(f"/replay/{edit['edition']}/")
    assert public(house) == [edit["edition"]]
    original = read_withheld(house.settings.data / "rooms" / SLUG / BROADCAST)
    assert original is not None
    assert (original.why, original.instead) == ("edited", edit["edition"])
    whole = await house.operator.get((await listed(house))["preview"])
    assert whole.content[4:8] == b"ftyp"  # hosts hear the original still
    assert (await house.operator.delete(place("/1"))).status_code == 409
    assert (await house.operator.post(place("/0/publish"))).status_code == 200
    assert public(house) == [BROADCAST]
    assert (await house.operator.delete(place("/1"))).status_code == 204
    assert (await listed(house))["edits"] == []


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({}, "body"),
        ({"from": 0, "to": 8}, "body"),
        ({"gains": {ADA: 0}}, "body"),
        ({"from": 5, "to": 5}, "body: to"),
        ({"from": 5, "to": 3}, "body: to"),
        ({"from": 8.0}, "body: from"),
        ({"to": 0.5}, "body: to"),
        ({"cuts": [[2, 2]]}, "body: cuts: 0"),
        ({"cuts": [[3, 4], [1, 2]]}, "body: cuts: 1"),
        ({"cuts": [[1, 3], [2.5, 4]]}, "body: cuts: 1"),
        ({"cuts": [[0, 4], [4, 7.5]]}, "body: cuts"),
        ({"gains": {"nobody": 1}}, "body: gains: nobody"),
        ({"gains": {ADA: 1}, "without": [ADA]}, f"body: gains: {ADA}"),
        ({"without": ["nobody"]}, "body: without"),
        ({"without": [ADA, ADA]}, "body: without"),
        ({"without": [ADA, BERT]}, "body: without"),
        ({"from": 1, "take_down": True}, "body: without"),
    ],
)
async def test_what_cannot_be_is_refused_and_named(house: House, asked: dict[str, Any], where: str) -> None:
    answer = await refused(house, **asked)
    assert answer.status_code == 422, answer.text
    assert answer.json()["where"] == where
    assert (await listed(house))["edits"] == []


@pytest.mark.parametrize(
    "asked",
    [{"gains": {ADA: 13}}, {"cuts": [[1]]}, {"cuts": [[-1, 2]]}, {"from": "1"}, {"begins": 1}, {"more": 1}],
)
async def test_what_has_another_form_is_refused(house: House, asked: dict[str, Any]) -> None:
    assert (await refused(house, **asked)).status_code == 422


async def test_what_is_to_be_taken_down_is_public_no_more_at_once(house: House) -> None:
    told: list[RecordingWithheld] = []
    await house.bus.subscribe(subjects.RECORDING_WITHHELD, RecordingWithheld, told.append)
    asked = await ask(house, without=[BERT], take_down=True)
    assert public(house) == []
    assert [each.broadcast_id for each in told] == [BROADCAST]
    assert (await listed(house))["public"] is None
    assert (await refused(house, **{"from": 1})).status_code == 409
    assert (await house.operator.post(place("/0/publish"))).status_code == 409
    await render(house)
    assert public(house) == [asked["edition"]]
    items = (await house.operator.get(f"/api/rooms/{SLUG}/recordings")).json()["recordings"]
    assert {each["broadcast"]: each["state"] for each in items} == {
        BROADCAST: "deleting",
        asked["edition"]: "kept",
    }
    # What is left is a recording like any other, and can be edited again.
    answer = await house.operator.post(place(broadcast=asked["edition"]), json={"from": 1})
    assert answer.status_code == 202, answer.text


async def test_a_take_down_keeps_what_was_cut_out_cut_out(house: House) -> None:
    await ask(house, cuts=[[2.0, 3.0]], gains={ADA: 3, BERT: 2})
    await render(house)
    await house.operator.post(place("/1/publish"))
    draft = await ask(house, **{"from": 1})
    await render(house)
    asked = await ask(house, without=[BERT], take_down=True)
    assert (asked["cuts"], asked["gains"]) == ([[2.0, 3.0]], {ADA: 3.0})
    assert public(house) == []
    await render(house)
    assert public(house) == [asked["edition"]]
    gone = await house.operator.get(f"/api/rooms/{SLUG}/recordings")
    states = {each["broadcast"]: each["state"] for each in gone.json()["recordings"]}
    assert states[BROADCAST] == "deleting"
    assert draft["edition"] not in states  # never was public
    assert house.app.state.shelf.gone(draft["edition"])


async def test_a_take_down_given_up_is_undone(house: House) -> None:
    await ask(house, without=[BERT], take_down=True)
    assert (await house.operator.delete(place("/1"))).status_code == 204
    assert public(house) == [BROADCAST]
    assert await render(house) == []


async def test_who_may_and_when(house: House) -> None:
    invitation = await house.invite(SLUG, role="cohost")
    cohost = {"Authorization": f"Bearer {invitation['ticket']}"}
    assert (await house.anyone.get(place(), headers=cohost)).status_code == 200
    for method, path in (("POST", ""), ("POST", "/0/publish"), ("DELETE", "/1")):
        body = None if path else {"from": 1}
        answer = await house.anyone.request(method, place(path), headers=cohost, json=body)
        assert answer.status_code == 403, (method, path)
    assert (await house.anyone.post(place(), json={"from": 1})).status_code == 401
    assert (await house.operator.get(place(broadcast="20261128T200000-000000"))).status_code == 404
    assert (await house.operator.post(place("/7/publish"))).status_code == 404


async def test_deleting_the_original_deletes_its_editions(house: House) -> None:
    asked = await ask(house, **{"from": 1})
    await render(house)
    await house.operator.post(place("/1/publish"))
    answer = await house.operator.delete(f"/api/rooms/{SLUG}/recordings/{BROADCAST}")
    assert answer.status_code == 202
    shelf = house.app.state.shelf
    assert shelf.gone(BROADCAST)
    assert shelf.gone(asked["edition"])


async def test_after_a_restart_it_is_as_it_was(tmp_path: Path) -> None:
    clock = FakeClock(wall=began_at(BROADCAST) + DAY)
    async with running_studio(tmp_path, clock=clock) as house:
        await house.room(SLUG)
        folder = await record(house, BROADCAST)
        asked = await ask(house, without=[BERT])
        await render(house)
        await house.operator.post(place("/1/publish"))
        other = await record(house, "20261127T200000-abc123")
    edition = folder.with_name(asked["edition"])
    # Killed after the database was told and before the folders were; and the other way round.
    (folder / WITHHELD_NAME).unlink()
    withhold(edition, Withheld(why="draft", since=""))
    withhold(other, Withheld(why="being_edited", since=""))
    async with running_studio(tmp_path, clock=clock) as house:
        assert public(house) == [edition.name, other.name]
        assert (await listed(house))["public"] == edition.name


async def test_an_edition_the_database_does_not_know_stays_hidden(tmp_path: Path) -> None:
    clock = FakeClock(wall=began_at(BROADCAST) + DAY)
    async with running_studio(tmp_path, clock=clock) as house:
        await house.room(SLUG)
        folder = await record(house, BROADCAST)
    withhold(folder, Withheld(why="draft", since=""))
    async with running_studio(tmp_path, clock=clock) as house:
        assert public(house) == []


def test_an_index_without_an_edit_reads_as_before(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, 2.0).folder
    index = write_index(folder)
    assert "edited_from" not in json.loads(encode_index(index))
    assert read_index(folder) == index


async def fail(house: House) -> None:
    """As the scribe when it has given one up."""
    jobs = Jobs(house.studio.store._engine)
    for job in await jobs.lease(EDIT_KIND, house.clock.wall(), 60.0, 20, {}, 20):
        await jobs.bury(job, house.clock.wall(), "The disk is full.")


async def test_a_take_down_that_fails_shows_nothing_and_another_stands_for_it(house: House) -> None:
    third = "c1c2c3d4e5f6a7b8c9"
    await ask(house, without=[BERT], take_down=True)
    await fail(house)
    (edit,) = (await listed(house))["edits"]
    assert (edit["state"], edit["problem"]) == ("failed", "The disk is full.")
    assert public(house) == []
    assert (await refused(house, **{"from": 1})).status_code == 409
    assert (await refused(house, without=[third], take_down=True)).status_code == 422
    asked = await ask(house, **{"from": 1}, without=[BERT], take_down=True)
    assert asked["without"] == [BERT]
    assert public(house) == []  # not for a moment
    assert [each["number"] for each in (await listed(house))["edits"]] == [2]
    await render(house)
    assert public(house) == [asked["edition"]]
    assert house.app.state.shelf.why(BROADCAST) == "take_down"


async def test_what_was_made_while_its_original_was_deleted_goes_too(house: House) -> None:
    asked = await ask(house, **{"from": 1})
    answer = await house.operator.delete(f"/api/rooms/{SLUG}/recordings/{BROADCAST}")
    assert answer.status_code == 202
    folder = write_recording(house.settings.data, 4.0, broadcast=asked["edition"]).folder
    withhold(folder, Withheld(why="draft", since=""))
    write_index(folder)
    report = EditReport(broadcast_id=BROADCAST, slug=SLUG, edition=asked["edition"], state="made")
    await house.bus.publish(subjects.EDIT_REPORT, report)
    assert house.app.state.shelf.gone(asked["edition"])
    assert asked["edition"] not in public(house)


async def test_old_recordings_go_with_their_editions(house: House) -> None:
    asked = await ask(house, **{"from": 1})
    await render(house)
    await house.operator.post(place("/1/publish"))
    await house.operator.patch(f"/api/rooms/{SLUG}", json={"keep_days": 1})
    house.clock.advance(400 * DAY)
    shelf = house.app.state.shelf
    await shelf.expire()
    assert (shelf.why(BROADCAST), shelf.why(asked["edition"])) == ("retention", "retention")


async def test_no_more_than_so_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hustings.studio.edits.MOST_EDITIONS", 2)
    for second in (1, 2):
        await ask(house, **{"from": second})
    answer = await refused(house, **{"from": 3})
    assert (answer.status_code, answer.json()["title"]) == (409, "Too many editions")
    assert (await house.operator.delete(place("/1"))).status_code == 204
    assert (await ask(house, **{"from": 3}))["number"] == 3


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=4-7", 206, b"ftyp"),
        ("bytes=-5", 206, None),
        ("bytes=0-", 206, None),
        ("bytes=99999999-", 416, None),
        ("bytes=7-4", 416, None),
        ("bytes=0-1,4-5", 200, None),
        ("lines=1-2", 200, None),
        ("bytes=x", 200, None),
        ("bytes=" + "9" * 40 + "-", 200, None),
    ],
)
async def test_ranges_of_a_preview(house: House, asked: str, status: int, body: bytes | None) -> None:
    answer = await house.operator.get(place("/0/program.m4a"), headers={"range": asked})
    assert answer.status_code == status
    if body is not None:
        assert answer.content == body
    if status == 206:
        assert answer.headers["content-length"] == str(len(answer.content))


async def test_a_preview_has_its_figures_beside_it(house: House) -> None:
    drawn = (await house.operator.get(place("/0/peaks.json"))).json()
    assert set(drawn["tracks"]) == {ADA, BERT}
    said = (await house.operator.get(place("/0/timeline.json"))).json()
    assert said["duration"] == SECONDS
    assert (await house.operator.get(place("/1/peaks.json"))).status_code == 404
    assert (await house.operator.get(place("/0/other.json"))).status_code == 422
    assert (await house.anyone.get(place("/0/peaks.json"))).status_code == 401
