"""What a speaker says: frames from files, loops that repeat exactly."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from hustings.audio.opus import OpusDecoder
from hustings.clients.script import Script, encode, frames_of
from hustings.clients.sound_file import check_sound, read_frames
from hustings.errors import HustingsError, UsageError


def write_wav(path: Path, rate: int, channels: int, seconds: float) -> None:
    time = np.arange(round(rate * seconds)) / rate
    tone = (np.sin(2 * np.pi * 440 * time) * 16_000).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(np.repeat(tone, channels).tobytes())


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 1)])
def test_any_rate_becomes_48_khz_mono(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, rate, channels, 1.005)
    frames = list(read_frames(path))
    assert {frame.shape for frame in frames} == {(960,)}
    assert len(frames) == 51
    sound = np.concatenate(frames)[4800:43_200]
    assert np.abs(np.fft.rfft(sound)).argmax() * 48_000 / len(sound) == pytest.approx(440, abs=2)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        check_sound(tmp_path / "missing.wav")
    text = tmp_path / "notes.txt"
    text.write_text("no sound at all")
    with pytest.raises(HustingsError):
        check_sound(text)


def tone(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (0.5 * np.sin(np.arange(count) / 10)).astype(np.float32)


def test_a_script_ends() -> None:
    script = Script(encode(frames_of(tone(960 * 3 + 1))))
    assert [script.frame(number) is None for number in range(6)] == [False] * 4 + [True] * 2


def test_frames_whose_time_is_gone_are_passed_over() -> None:
    script, other = (Script(encode(frames_of(tone(960 * 10)))) for _ in range(2))
    every = [other.frame(number) for number in range(10)]
    assert script.frame(7) == every[7]
    assert script.frame(10) is None


def test_a_loop_repeats_its_packets() -> None:
    script = Script(encode(frames_of(tone(960 * 5))), loop=True)
    assert script.loop_seconds == pytest.approx(0.1)
    assert [script.frame(number) for number in range(5)] == [
        script.frame(number) for number in range(500, 505)
    ]
    decoder = OpusDecoder()
    for number in range(12):
        spoken = script.frame(number)
        assert spoken is not None
        assert len(decoder.decode(spoken.packet)) == 960
        assert spoken.level == 9


def test_an_empty_loop_is_refused() -> None:
    with pytest.raises(HustingsError):
        Script(iter(()), loop=True)
