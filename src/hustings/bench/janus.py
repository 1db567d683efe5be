"""A peer of `hustings bench stage`: rooms on Janus' AudioBridge, which mixes for each the others, as we do.

Its ICE library offers no address of the loopback interface. So Janus, load generator and what stands
between them run in a network namespace made for the purpose, with an address that is nowhere else:

    ip netns exec NAME python -m hustings.bench.janus '{"load": {...}, "seconds": 4, "runs": 3}'

prints {"shares": [...], "generators": [...]}, in percent of a core.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from hustings.bench import machine, peers
from hustings.bench.generator import generator, spent
from hustings.bench.house import free_port
from hustings.bench.offer_lines import take_offers
from hustings.bench.server import ended
from hustings.errors import Unavailable

ADDRESS: Final = "10.200.0.1"
SETTLE: Final = 3.0
PATIENCE: Final = 120.0
PLUGIN: Final = "janus.plugin.audiobridge"
_CONFIG: Final = """
general: {{ configs_folder = "{folder}"; debug_level = 2; session_timeout = 0; server_name = "bench" }}
nat: {{ ice_enforce_list = "{address}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
_HTTP: Final = """
general: {{ json = "compact"; base_path = "/janus"; http = true; ip = "127.0.0.1"; port = {port} }}
admin: {{ admin_http = false }}
"""
_PLUGINS: Final = "duktape echotest lua nosip recordplay sip streaming textroom videocall videoroom voicemail"
_TRANSPORTS: Final = "mqtt nanomsg pfunix rabbitmq websockets"
ROOM: Final = {"sampling_rate": 48_000, "audiolevel_ext": True, "permanent": False, "is_private": True}


# --- outside -----------------------------------------------------------------------------------------------


def possible() -> str:
    """Why it cannot be measured here; "" where it can."""
    if os.geteuid() != 0:
        return "Janus is measured in a network namespace of its own, which takes root."
    if shutil.which("ip") is None:
        return "Janus is measured in a network namespace of its own, which takes ip: apt-get install iproute2"
    return ""


async def measure(load: dict[str, Any], seconds: float, runs: int) -> tuple[list[float], list[float]]:
    """Percent of a core that Janus took in each run, and the generator. Raises Unavailable."""
    given = json.dumps({"load": load, "seconds": seconds, "runs": runs})
    with _namespace() as name:
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", name, sys.executable, "-m", "hustings.bench.janus", given),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), PATIENCE + runs * seconds)
        except TimeoutError:
            process.terminate()
            await process.wait()
            said = b""
    if not said:
        raise Unavailable("Janus could not be measured; see above.")
    found = json.loads(said)
    return found["shares"], found["generators"]


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    """With one address that is not the loopback interface's."""
    name = f"hustings-bench-{secrets.token_hex(3)}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "add", "bench0", "type", "veth", "peer", "name", "bench1")
        ip("-n", name, "address", "add", f"{ADDRESS}/24", "dev", "bench0")
        for link in ("lo", "bench0", "bench1"):
            ip("-n", name, "link", "set", link, "up")
        yield name
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"No network namespace for Janus: {error.stderr.decode().strip()}") from None
    finally:
        ip("netns", "del", name)


# --- inside ------------------------------------------------------------------------------------------------


class Janus:
    """A running one, by its HTTP API."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/janus", trust_env=False, timeout=20.0
        )
        self._rooms: dict[str, int] = {}

    async def close(self) -> None:
        await self._client.aclose()

    async def answer(self, room: str, sdp: str) -> str:
        """Takes one into a room; its answer to the offer."""
        session = (await self._ask("", janus="create"))["data"]["id"]
        handle = (await self._ask(f"/{session}", janus="attach", plugin=PLUGIN))["data"]["id"]
        way = f"/{session}/{handle}"
        if room not in self._rooms:
            number = self._rooms[room] = len(self._rooms) + 1
            await self._ask(way, janus="message", body={"request": "create", "room": number, **ROOM})
        join = {"request": "join", "room": self._rooms[room], "codec": "opus"}
        await self._ask(way, janus="message", body=join, jsep={"type": "offer", "sdp": sdp})
        while True:
            event = (await self._client.get(f"/{session}", params={"maxev": 1})).json()
            if "jsep" in event:
                return str(event["jsep"]["sdp"])
            said = event.get("plugindata", {}).get("data", {})
            if event.get("janus") == "error" or "error" in said:
                raise Unavailable(f"Janus refused a speaker: {said.get('error', event)}")

    async def _ask(self, way: str, **message: Any) -> dict[str, Any]:
        body = {"transaction": secrets.token_hex(6), **message}
        answer: dict[str, Any] = (await self._client.post(way, json=body)).json()
        if answer.get("janus") == "error":
            raise Unavailable(f"Janus refused: {answer['error']['reason']}")
        return answer


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[Janus, int]]:
    """Janus on the server's core, and the port at which lines are taken for it."""
    with tempfile.TemporaryDirectory(prefix="hustings-bench-") as name:
        folder, port = Path(name), free_port()
        plugins, transports = (
            ",".join(f"libjanus_{each}.so" for each in names.split()) for names in (_PLUGINS, _TRANSPORTS)
        )
        config = _CONFIG.format(folder=folder, address=ADDRESS, plugins=plugins, transports=transports)
        (folder / "janus.jcfg").write_text(config)
        (folder / "janus.transport.http.jcfg").write_text(_HTTP.format(port=port))
        (folder / f"{PLUGIN}.jcfg").write_text("general: { }\n")
        command = [peers.program("janus") or "janus", "-F", name, "-C", f"{name}/janus.jcfg"]
        with machine.on_cores(machine.server_cores()):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await peers.listens(port, process, "janus")
            janus = Janus(process.pid, port)
            async with await take_offers(janus.answer) as server:
                yield janus, server.sockets[0].getsockname()[1]
            await janus.close()
        finally:
            ended(process)


async def main(given: dict[str, Any]) -> None:
    """Starts both, measures, prints."""
    async with running() as (janus, lines):
        load = {**given["load"], "port": lines, "address": ADDRESS}
        async with generator("callers", load) as callers:
            await callers.answer()
            await asyncio.sleep(SETTLE)
            before = await callers.ask("counts")
            shares, generators = await spent(callers, janus.pid, given["seconds"], given["runs"])
            after = await callers.ask("counts")
    had, sent = (after[name] - before[name] for name in ("had", "sent"))
    if had < 0.9 * sent:
        raise SystemExit(f"Janus gave back {had} packets for {sent}: that is no conversation.")
    print(json.dumps({"shares": shares, "generators": generators}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
