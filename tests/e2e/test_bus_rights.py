"""What each role may say and hear on the bus: by the code of the roles, and by a real nats-server."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from prometheus_client import REGISTRY

sys.path.append(str(Path(__file__).parents[1] / "tls"))

from authority import Authority

from hustings.bus import subjects
from hustings.bus.audience_messages import SaltRequest
from hustings.bus.client import Bus
from hustings.bus.messages import Done
from hustings.bus.rights import RIGHTS, kind_of, users
from hustings.errors import Unavailable
from hustings.supervisor.doors import free_port
from hustings.supervisor.folder import DataFolder
from hustings.supervisor.nats_server import NatsServer, find_program

SOURCE = Path(subjects.__file__).parents[1]
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "nats.conf"
MADE = {"media": subjects.media("*", "*"), "timed": subjects.timed("*"), "returns": subjects.returns("*")}
ALL = sorted({*subjects.FIXED, *MADE.values()})
OF_ALL = {subjects.ROLE_METRICS, subjects.ROLE_READY}
"""role.py says them for every role."""


def mentioned(role: str) -> set[str]:
    """The subjects that stand in the code of `role`."""
    text = "".join(path.read_text() for path in (SOURCE / role).rglob("*.py"))
    names = set(re.findall(r"\bsubjects\.(\w+)", text)) - {"family", "FIXED"}
    return {MADE[name] if name in MADE else getattr(subjects, name) for name in names}


@pytest.mark.parametrize("role", ["stage", "studio", "edge", "scribe", "supervisor"])
def test_a_role_has_the_rights_its_code_needs_and_no_more(role: str) -> None:
    rights = RIGHTS[role]
    assert mentioned(role) | OF_ALL == {*rights.publish, *rights.subscribe} | OF_ALL


def test_what_somebody_may_say_somebody_may_hear() -> None:
    said = {subject for rights in RIGHTS.values() for subject in rights.publish}
    heard = {subject for rights in RIGHTS.values() for subject in rights.subscribe}
    assert said == heard == set(ALL)
    # What is for one speaker only, and orders to the stage.
    assert [role for role, rights in RIGHTS.items() if MADE["returns"] in rights.subscribe] == ["studio"]
    for order in ALL:
        if order.startswith("v1.stage.") and order in RIGHTS["stage"].subscribe:
            assert [role for role, rights in RIGHTS.items() if order in rights.publish] == ["studio"]


@contextlib.contextmanager
def running(command: list[str], **environment: str) -> Iterator[None]:
    """nats-server, killed at the end."""
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=os.environ | environment, stdout=null, stderr=null) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    folder = DataFolder(tmp_path)
    server = NatsServer(folder)
    with running(server.command):
        yield server
    folder.close()


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """A connection, and what the server refused it."""
    refused: list[str] = []

    async def error(problem: Exception) -> None:
        refused.append(str(problem))

    client = Client()
    await client.connect(url, error_cb=error, allow_reconnect=False)
    try:
        yield client, refused
    finally:
        await client.close()


async def settled(client: Client) -> None:
    for _ in range(2):
        await client.flush(timeout=10)


def refusals(refused: list[str], kind: str) -> set[str]:
    """The subjects that were refused, `kind`: publish or subscription."""
    found = [re.search(rf'permissions violation for {kind} to "([^"]+)"', line, re.I) for line in refused]
    return {match[1] for match in found if match}


def concrete(subject: str) -> str:
    return subject.replace("*", "x1")


@pytest.mark.parametrize("role", sorted(RIGHTS))
async def test_the_bus_holds_to_the_rights(bus: NatsServer, role: str) -> None:
    rights = RIGHTS[role]
    await (await Bus.connect(bus.url(role), role, patience=30)).close()  # it may be just starting
    async with raw(bus.url(role)) as (client, refused):
        for subject in ALL:
            await client.publish(concrete(subject), b"")
        await settled(client)
        forbidden = {concrete(subject) for subject in ALL if subject not in rights.publish}
        assert refusals(refused, "publish") == forbidden

        async def nothing(_message: Any) -> None: ...

        refused.clear()
        others = [f"_INBOX.{other}.>" for other in RIGHTS if other != role]
        beyond = [">", "v1.>", "_INBOX.>", "$SYS.>", *others]
        for subject in (*ALL, *beyond):
            await client.subscribe(subject, cb=nothing)
        await settled(client)
        forbidden = {*beyond, *(subject for subject in ALL if subject not in rights.subscribe)}
        # nats-py hands over what the server says in small letters.
        assert refusals(refused, "subscription") == {subject.lower() for subject in forbidden}
        assert refusals(refused, "publish") == set()


async def test_requests_are_answered_and_strangers_hear_no_answer(bus: NatsServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        names = ("studio", "edge-3", "scribe")
        studio, edge, scribe = [
            await Bus.connect(bus.url(kind_of(name)), name, patience=30) for name in names
        ]
        for each in (studio, edge, scribe):
            stack.push_async_callback(each.close)

        async def answer(_question: SaltRequest) -> Done:
            return Done()

        await studio.serve(subjects.AUDIENCE_SALT, SaltRequest, answer)
        await settled(studio._nats)
        asked = await edge.request(subjects.AUDIENCE_SALT, SaltRequest(scope="x"), Done, timeout=20)
        assert asked == Done()
        before = REGISTRY.get_sample_value("hustings_bus_forbidden_total") or 0.0
        # Who may not ask is told nothing, loses nothing else, and it is counted.
        with pytest.raises(Unavailable):
            await scribe.request(subjects.AUDIENCE_SALT, SaltRequest(scope="x"), Done, timeout=0.5)
        assert REGISTRY.get_sample_value("hustings_bus_forbidden_total") == before + 1
        assert scribe.connected


async def test_the_example_for_several_machines_is_these_rights_behind_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = EXAMPLE.read_text()
    assert users({role: f"$BUS_{role.upper()}" for role in RIGHTS}) in text
    authority = Authority(tmp_path)
    pair, port = authority.issue(), free_port()
    for there, here in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("/etc/hustings/bus.pem", str(pair.cert)),
        ("/etc/hustings/bus.key", str(pair.key)),
    ):
        assert text.count(there) == 1
        text = text.replace(there, here)
    (tmp_path / "nats.conf").write_text(text)
    environment = {f"BUS_{role.upper()}": f"secret-of-{role}" for role in RIGHTS}
    with running([str(find_program()), "-c", str(tmp_path / "nats.conf")], **environment):
        url = f"tls://edge:secret-of-edge@127.0.0.1:{port}"
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await Bus.connect(url, "edge-0", patience=2)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
        edge = await Bus.connect(url, "edge-0", patience=30)
        await edge.close()
        with pytest.raises(Unavailable, match="Authorization"):
            await Bus.connect(url.replace("edge@", "stage@"), "edge-0", patience=2)
