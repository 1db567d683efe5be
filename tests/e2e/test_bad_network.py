"""A speaker behind a bad network (a small part of benchmarks/network_matrix.py): loss and jitter, a
black-out, another address; the seat stays and the sound comes back. How soon, the benchmark asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_network import SERVER, BadNetwork, Fault, possible
from bad_network_people import Ear, speaking_page, voice, voice_file
from harness import Room, Server, start, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not possible(), reason="network namespaces and TUN devices need Linux and root"),
]


@pytest.fixture
def network() -> Iterator[BadNetwork]:
    with BadNetwork(seed=9) as network, network.inside("server"):
        yield network


@pytest.fixture
def server(network: BadNetwork, tmp_path: Path) -> Iterator[Server]:
    server = start(tmp_path, host=SERVER, media=SERVER, levelling=False)
    yield server
    assert server.stop() == 0


@pytest.fixture
def room(server: Server) -> Room:
    room = server.room("Bad network", speakers=["Ada"])
    room.open()
    room.start()
    return room


def seat(room: Room) -> tuple[str, bool, bool]:
    [person] = room.state()["participants"]
    return person["id"], person["connected"], person["muted"]


def heard(ear: Ear) -> float:
    """Waits until there is sound again from now on; seconds that took."""
    begin = time.monotonic()
    until(lambda: ear.back(begin) is not None, 60)
    back = ear.back(begin)
    assert back is not None
    return back


def test_a_voice_comes_back_into_its_seat(network: BadNetwork, room: Room, tmp_path: Path) -> None:
    ear = Ear(room.whep_url)
    with voice(network, room, voice_file(tmp_path / "voice.wav")):
        heard(ear)
        before = seat(room)
        network.fault = Fault(loss=0.2, jitter=0.05, reorder=0.05, duplicate=0.05)
        heard(ear)  # also meanwhile, with some of it invented
        network.fault = Fault(dark=True)
        time.sleep(4.0)
        network.fault = Fault()
        print(f"after the black-out: {heard(ear):.2f} s")
        network.move()
        print(f"after the change of address: {heard(ear):.2f} s")
        until(lambda: seat(room) == before, 30)
    ear.close()


def test_a_page_with_another_address_keeps_seat_and_mute(
    network: BadNetwork, room: Room, tmp_path: Path
) -> None:
    ear = Ear(room.whep_url)
    with speaking_page(network, room, voice_file(tmp_path / "voice.wav")) as page:
        heard(ear)
        page.keyboard.press("m")
        until(lambda: seat(room)[2], 30)
        before = seat(room)
        page.evaluate(
            """() => new MutationObserver(() => {
              const { state } = document.querySelector("#desk").dataset;
              if (state === "reconnecting") document.body.dataset.away = "yes";
              if (state === "muted" && document.body.dataset.away) document.body.dataset.back = "yes";
            }).observe(document.querySelector("#desk"), { attributes: true })"""
        )
        network.move()
        page.wait_for_selector("body[data-back]", state="attached", timeout=60_000)
        until(lambda: seat(room) == before, 30)
        page.keyboard.press("m")
        heard(ear)
    ear.close()
