"""Hold music: the built-in loop is what its code makes; files of hosts are made anew or refused."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from studio_support import House, running_studio

import hustings
from hustings.audio.hold import LOUDNESS, MAX_SECONDS, Unusable, decode, encode, loop, rewrite
from hustings.bus.messages import RoomPublic
from hustings.studio.holds import Holds

URL = "/api/rooms/town-hall/hold"
BUILT_IN = Path(hustings.__file__).parent / "web" / "audio" / "hold.m4a"


def wav(seconds: float, level: float = 0.3, rate: int = 44_100) -> bytes:
    """Two channels of a tone."""
    t = np.arange(round(seconds * rate)) / rate
    tone = np.round(np.sin(2 * np.pi * 330 * t) * level * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone, 2).tobytes())
    return out.getvalue()


def test_the_built_in_loop_is_what_its_code_makes() -> None:
    samples, kept = loop(), decode(BUILT_IN.read_bytes())
    count = min(samples.shape[0], kept.shape[0])
    assert abs(samples.shape[0] - kept.shape[0]) < 4800
    lag = max(
        range(-2200, 2200, 8),
        key=lambda n: float(np.dot(np.roll(kept[:count], n)[:96_000], samples[:96_000])),
    )
    correlation = np.corrcoef(np.roll(kept[:count], lag)[5000:-5000], samples[5000 : count - 5000])[0, 1]
    assert correlation > 0.9
    assert np.abs(samples).max() <= 0.21, "quiet"


def test_the_loop_goes_round_without_a_click() -> None:
    for samples in (loop(), decode(encode(loop()))):
        assert np.abs(samples[:480]).max() < 1e-3
        assert np.abs(samples[-480:]).max() < 1e-3
        assert np.abs(np.diff(np.concatenate([samples, samples]))).max() < 0.05


def test_a_file_becomes_quiet_short_and_mono() -> None:
    samples = decode(rewrite(wav(MAX_SECONDS + 30, 0.9)))
    assert samples.shape[0] / 48_000 == pytest.approx(MAX_SECONDS, abs=0.1)
    rms = float(np.sqrt(np.mean(np.square(samples[48_000 : 40 * 48_000]))))
    assert rms == pytest.approx(LOUDNESS, rel=0.15)
    assert np.abs(samples[-480:]).max() < 1e-3


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"no sound at all" * 100, "not a sound"), (wav(0.2), "too short"), (wav(3, 0.0), "silent")],
)
def test_what_is_no_music_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Unusable) as refused:
        rewrite(data)
    assert refused.value.reason == reason


async def put(house: House, data: bytes, kind: str = "audio/wav") -> tuple[int, dict[str, object]]:
    answer = await house.operator.put(URL, content=data, headers={"Content-Type": kind})
    return answer.status_code, answer.json()


async def test_a_host_sends_a_file_and_waiting_listeners_get_it(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        made = await house.room()
        assert made["details"]["hold"] == "loop"
        status, room = await put(house, wav(3))
        details = room["details"]
        assert status == 200
        assert isinstance(details, dict)
        opened = await house.command("open")
        assert opened["links"]["hold"] == f"/r/town-hall/hold.m4a?v={details['hold'][:16]}"
        house.clock.advance(6)
        await house.app.state.publisher.publish_due()
        pages = [m.pages for m in house.published(RoomPublic) if isinstance(m, RoomPublic)]
        (music,) = {page["hold.m4a"].body for page in pages if "hold.m4a" in page}
        assert decode(music).shape[0] > 100_000
        live = await house.command("start")
        assert "hold" not in live["links"]
        back = (await house.operator.delete(URL)).json()
        assert back["details"]["hold"] == "loop"
        assert list((tmp_path / "hold").iterdir()) == [], "nobody plays it any more"


async def test_silence_can_be_chosen_and_the_loop_again(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(hold="silence")
        assert "hold" not in (await house.command("open"))["links"]
        changed = await house.operator.patch("/api/rooms/town-hall", json={"hold": "loop"})
        assert changed.json()["links"]["hold"].startswith("/static/audio/hold.m4a?v=")


async def test_faults_have_words(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        assert (await put(house, b"x" * 1000))[0] == 415
        assert (await put(house, wav(1), "text/plain"))[0] == 415
        status, problem = await put(house, wav(0.1))
        assert (status, problem["title"]) == (422, "The sound is too short")
        assert (await put(house, b""))[0] == 422
        assert (await put(house, bytes(8 * 1024 * 1024 + 1)))[0] == 413
        answer = await house.anyone.put(URL, content=wav(2), headers={"Content-Type": "audio/wav"})
        assert answer.status_code == 401


def test_names_are_no_paths(tmp_path: Path) -> None:
    holds = Holds(tmp_path)
    for name in ("../secret", "", "loop", "A" * 32):
        assert holds.read(name) is None
