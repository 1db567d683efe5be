"""The bus over a real nats-server: requests, refusals, garbage, reconnection, bounds."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from hustings.bus import client as client_module
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import (
    Done,
    MediaChunk,
    Message,
    MuteParticipant,
    StageHello,
    WindowRequest,
    encode,
)
from hustings.errors import Refused, Unavailable
from hustings.supervisor.doors import free_port
from hustings.supervisor.nats_server import find_program

pytestmark = pytest.mark.e2e

HELLO = StageHello(stage_id="s1")


class Nats:
    """A nats-server on one port that tests may kill and start again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"nats://tester:secret@127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nauthorization {{ user: "tester", password: "secret" }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [find_program(), "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest_asyncio.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    server = Nats(tmp_path)
    server.start()
    yield server
    server.kill()


type Connect = Callable[[], Awaitable[Bus]]


@pytest_asyncio.fixture
async def connect(nats: Nats) -> AsyncIterator[Connect]:
    async with contextlib.AsyncExitStack() as stack:

        async def connected() -> Bus:
            bus = await Bus.connect(nats.url, "test", patience=30)
            stack.push_async_callback(bus.close)
            return bus

        yield connected


def _count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"hustings_bus_{name}_total", labels) or 0.0


async def _until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.01)


async def _flushed(bus: Bus) -> None:
    """After this, what `bus` asked of the server (subscriptions) holds."""
    # nats-py puts the first PING before what still waits to be written; the second comes after it.
    for _ in range(2):
        await bus._nats.flush(timeout=10)


async def test_messages_arrive_in_order_and_whole(connect: Connect) -> None:
    here, there = await connect(), await connect()
    heard: list[MediaChunk] = []
    subject = subjects.media("20261122T000000-abcdef", "opus")
    await there.subscribe(subject, MediaChunk, heard.append)
    await _flushed(there)
    sent = [
        MediaChunk(
            broadcast_id="20261122T000000-abcdef",
            codec="opus",
            seq=seq,
            epoch=0,
            media_time=seq * 9600,
            duration=9600,
            wall_clock=1.5,
            data=bytes([seq % 256]) * 5000,
        )
        for seq in range(300)
    ]
    for chunk in sent:
        await here.publish(subject, chunk)
    await _until(lambda: len(heard) == len(sent))
    assert heard == sent


async def test_a_request_is_answered_and_a_refusal_stays_a_refusal(connect: Connect) -> None:
    stage, studio = await connect(), await connect()

    async def mute(request: MuteParticipant) -> Message:
        if request.participant_id == "nobody":
            raise Refused(404, "No such participant", "They left.", "participant_id")
        if request.participant_id == "bug":
            raise ZeroDivisionError
        return Done()

    await stage.serve(subjects.STAGE_MUTE, MuteParticipant, mute)
    await _flushed(stage)

    async def ask(who: str) -> Done:
        request = MuteParticipant(broadcast_id="b", participant_id=who, muted=True)
        return await studio.request(subjects.STAGE_MUTE, request, Done)

    assert await ask("ann") == Done()
    with pytest.raises(Refused) as refused:
        await ask("nobody")
    assert refused.value.problem() == {
        "type": "about:blank",
        "title": "No such participant",
        "status": 404,
        "detail": "They left.",
        "where": "participant_id",
    }
    with pytest.raises(Refused) as broken:
        await ask("bug")
    assert broken.value.status == 500
    assert await ask("ben") == Done(), "a bug in one answer leaves the next alone"


async def test_nobody_there_and_nobody_answering_are_unavailable(connect: Connect) -> None:
    stage, studio = await connect(), await connect()
    with pytest.raises(Unavailable, match="Nobody serves"):
        await studio.request(subjects.STAGE_OPEN, HELLO, Done)

    async def never(_request: StageHello) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await stage.serve(subjects.STAGE_OPEN, StageHello, never)
    await _flushed(stage)
    with pytest.raises(Unavailable, match=r"within 0\.2 s"):
        await studio.request(subjects.STAGE_OPEN, HELLO, Done, timeout=0.2)


async def test_what_does_not_decode_is_counted_without_naming_its_broadcast(connect: Connect) -> None:
    here, there = await connect(), await connect()
    heard: list[MediaChunk] = []
    ours = [subjects.media(f"20260101T120000-00000{n}", "opus") for n in range(5)]
    for subject in ours:
        await there.subscribe(subject, MediaChunk, heard.append)
    await _flushed(there)
    before = _count("undecodable", subject="v1.media.*")
    for subject in ours:
        await here._nats.publish(subject, b"\xc1")
    await _until(lambda: _count("undecodable", subject="v1.media.*") == before + len(ours))
    assert all(_count("undecodable", subject=subject) == 0 for subject in ours), (
        "no series for each broadcast"
    )


async def test_garbage_and_foreign_messages_are_counted_and_harm_nothing(connect: Connect) -> None:
    here, there = await connect(), await connect()
    heard: list[StageHello] = []
    await there.subscribe(subjects.STAGE_HELLO, StageHello, heard.append)

    async def answer(_request: StageHello) -> Message:
        return Done()

    await there.serve(subjects.STAGE_OPEN, StageHello, answer)
    await _flushed(there)
    before = _count("undecodable", subject=subjects.STAGE_HELLO)
    garbage = (
        b"",
        b"\xc1",
        b"x" * 5000,
        encode(Done()),
        encode(WindowRequest(broadcast_id="b", codec="opus")),
    )
    for data in garbage:
        await here._nats.publish(subjects.STAGE_HELLO, data)
    await here.publish(subjects.STAGE_HELLO, HELLO)
    await _until(lambda: heard == [HELLO])
    assert _count("undecodable", subject=subjects.STAGE_HELLO) == before + len(garbage)
    with pytest.raises(Refused) as refused:
        await here.request(subjects.STAGE_OPEN, Done(), Done)
    assert refused.value.status == 400
    with pytest.raises(Unavailable, match="could not be read"):
        await here.request(subjects.STAGE_OPEN, HELLO, StageHello)


async def test_a_handler_that_fails_hears_the_next_message(connect: Connect) -> None:
    bus = await connect()
    heard: list[str] = []

    def handler(message: StageHello) -> None:
        heard.append(message.stage_id)
        if message.stage_id == "first":
            raise ZeroDivisionError

    await bus.subscribe(subjects.STAGE_HELLO, StageHello, handler)
    for name in ("first", "second"):
        await bus.publish(subjects.STAGE_HELLO, StageHello(stage_id=name))
    await _until(lambda: heard == ["first", "second"])


async def test_the_bus_may_die_and_come_back(nats: Nats, connect: Connect) -> None:
    here, there = await connect(), await connect()
    heard: list[StageHello] = []
    back = [asyncio.Event(), asyncio.Event()]
    await there.subscribe(subjects.STAGE_HELLO, StageHello, heard.append)
    here.on_reconnect(back[0].set)
    there.on_reconnect(back[1].set)
    await _flushed(there)
    nats.kill()
    await _until(lambda: not here.connected and not there.connected)
    before = _count("dropped")
    await here.publish(subjects.STAGE_HELLO, HELLO)
    assert _count("dropped") == before + 1, "away: dropped and counted, never raised, never stored"
    with pytest.raises(Unavailable):
        await here.request(subjects.STAGE_OPEN, HELLO, Done, timeout=0.5)
    nats.start()
    async with asyncio.timeout(30):
        await asyncio.gather(back[0].wait(), back[1].wait())
    await _flushed(there)
    await here.publish(subjects.STAGE_HELLO, HELLO)
    await _until(lambda: heard == [HELLO])


async def test_a_slow_consumer_is_bounded_and_counted(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_PENDING", 10)
    here, there = await connect(), await connect()
    go, heard = asyncio.Event(), list[str]()

    async def slow(message: StageHello) -> None:
        await go.wait()
        heard.append(message.stage_id)

    await there.subscribe(subjects.STAGE_HELLO, StageHello, slow)
    await _flushed(there)
    before = _count("dropped")
    for number in range(200):
        await here.publish(subjects.STAGE_HELLO, StageHello(stage_id=str(number)))
    await _until(lambda: _count("dropped") > before)
    await _flushed(here)
    await _flushed(there)
    go.set()
    await here.publish(subjects.STAGE_HELLO, StageHello(stage_id="last"))
    await _until(lambda: "last" in heard)
    assert heard[0] == "0"
    assert len(heard) <= 13
    assert _count("dropped") - before >= 200 - 12


async def test_a_server_that_does_not_read_costs_no_memory(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await connect()
    monkeypatch.setattr(client_module, "MAX_UNSENT", 100)
    before = _count("dropped")
    # Nothing yields to the event loop in between, so nothing can be sent.
    for _ in range(50):
        with contextlib.suppress(StopIteration):
            bus.publish(subjects.STAGE_HELLO, HELLO).send(None)
    assert _count("dropped") > before
    assert bus._nats.pending_data_size < 300


@pytest.mark.parametrize("user", ["tester:wrong", "nobody:secret"])
async def test_a_wrong_credential_is_an_error_in_words(nats: Nats, connect: Connect, user: str) -> None:
    await connect()  # the server is up
    url = nats.url.replace("tester:secret", user)
    with pytest.raises(Unavailable, match="Authorization Violation") as refused:
        await Bus.connect(url, "test", patience=1.0)
    assert "secret" not in str(refused.value)


async def test_no_bus_at_all_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="The bus does not answer"):
        await Bus.connect(f"nats://127.0.0.1:{free_port()}", "test", patience=0.6)


async def test_an_address_that_is_none_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await Bus.connect("nats://127.0.0.1:notaport", "test", patience=1.0)
