"""K-weighting and meters against BS.1770, EBU Tech 3341 and ffmpeg; the leveller's promises."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import av
import numpy as np
import pytest
from audio_network import clicks, frames_of, speechlike
from av.filter import Graph

from hustings.audio.frame import Samples, silence
from hustings.audio.loudness import KWeighting, Leveller, Loudness


def tone(hertz: float, dbfs: float, seconds: float = 5.0) -> Samples:
    time = np.arange(round(seconds * 48_000)) / 48_000
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def meter(sound: Samples) -> Loudness:
    loudness = Loudness()
    for frame in frames_of(sound):
        loudness.push(frame)
    return loudness


def test_reference_tone() -> None:
    """BS.1770-4: 0 dBFS, 997 Hz in one channel reads -3.01 LUFS."""
    for dbfs in (0.0, -20.0, -40.0):
        loudness = meter(tone(997, dbfs))
        for value in (loudness.momentary, loudness.short_term, loudness.integrated):
            assert value == pytest.approx(-3.01 + dbfs, abs=0.02)


def response(hertz: float) -> float:
    """Gain of K-weighting in dB, straight from the coefficients of BS.1770-4 tables 1 and 2."""
    z = complex(math.cos(2 * math.pi * hertz / 48_000), -math.sin(2 * math.pi * hertz / 48_000))
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z * z) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z * z
    )
    high_pass = (1 - 2 * z + z * z) / (1 - 1.99004745483398 * z + 0.99007225036621 * z * z)
    return 20 * math.log10(abs(shelf * high_pass))


@pytest.mark.parametrize("hertz", [25.0, 100.0, 500.0, 1000.0, 2000.0, 10_000.0, 20_000.0])
def test_block_filter_has_the_response_of_the_standard(hertz: float) -> None:
    loudness = meter(tone(hertz, -6.0))
    expected = -0.691 - 6.0 - 3.0103 + response(hertz)
    assert loudness.short_term == pytest.approx(expected, abs=0.02)


def test_blocks_are_exactly_the_recursion() -> None:
    sound = np.random.default_rng(5).standard_normal(960 * 6).astype(np.float32)
    state = np.zeros(4)
    b, a = (1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585)
    slow = []
    for x in sound.astype(float):
        y = b[0] * x + state[0]
        state[0], state[1] = b[1] * x - a[0] * y + state[1], b[2] * x - a[1] * y
        z = y + state[2]
        state[2], state[3] = -2 * y + 1.99004745483398 * z + state[3], y - 0.99007225036621 * z
        slow.append(z)
    weighting = KWeighting()
    fast = np.concatenate([weighting.process(frame) for frame in frames_of(sound)])
    np.testing.assert_allclose(fast, slow, atol=1e-9)


def test_gates() -> None:
    """EBU Tech 3341, cases 3 and 4 (one channel, so 3 LU less): quiet stretches do not pull the mean down."""
    quiet, loud, nothing = tone(1000, -36, 10), tone(1000, -23, 60), tone(1000, -72, 10)
    assert meter(np.concatenate((quiet, loud, quiet))).integrated == pytest.approx(-26.0, abs=0.1)
    assert meter(np.concatenate((nothing, quiet, loud, quiet, nothing))).integrated == pytest.approx(
        -26.0, abs=0.1
    )
    assert Loudness().integrated == Loudness().momentary == -120.0


def demo_sound(name: str) -> Samples | None:
    """A demo voice, from the package or from where the project's shared files lie; 48 kHz mono."""
    for path in (
        Path(str(resources.files("hustings"))) / "web" / "demo" / name,
        Path("../shared/demo") / name,
    ):
        if path.is_file():
            with av.open(str(path)) as container:
                resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000)
                parts = [
                    np.asarray(out.to_ndarray()).reshape(-1)
                    for frame in container.decode(audio=0)
                    for out in resampler.resample(frame)
                ]
            return np.concatenate(parts).astype(np.float32)
    return None


def ebur128(sound: Samples) -> tuple[float, list[float]]:
    """ffmpeg's own integrated loudness, and its short-term loudness every 100 ms."""
    graph = Graph()
    source = graph.add_abuffer(sample_rate=48_000, format="flt", layout="mono")
    measure = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(measure)
    measure.link_to(sink)
    graph.configure()
    integrated, short = -70.0, []
    for n, part in enumerate(frames_of(sound)):
        frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = n * 960
        graph.push(frame)
        while True:
            try:
                out = graph.pull()
            except (BlockingIOError, av.EOFError):
                break
            metadata = getattr(out, "metadata", None) or {}
            if "lavfi.r128.I" in metadata:
                integrated = float(metadata["lavfi.r128.I"])
                short.append(float(metadata["lavfi.r128.S"]))
    return integrated, short


@pytest.mark.parametrize("name", ["speechlike", "host.opus", "guest.opus"])
def test_agrees_with_ffmpeg(name: str) -> None:
    sound = speechlike(30) if name == "speechlike" else demo_sound(name)
    assert sound is not None, "the demo's voices are part of the package"
    integrated, _ = ebur128(sound)
    assert meter(sound).integrated == pytest.approx(integrated, abs=0.15)


def test_many_frames_of_many_streams_at_once_measure_as_each_by_itself() -> None:
    counts = [5, 2, 4]
    sounds = [
        np.random.default_rng(n).standard_normal((18, 960)).astype(np.float32) * 0.1 + 0.05 for n in counts
    ]
    alone, together = [KWeighting() for _ in counts], [KWeighting() for _ in counts]
    at = [0, 0, 0]
    for _ in range(3):
        rows = [sound[start : start + n] for sound, start, n in zip(sounds, at, counts, strict=True)]
        found = KWeighting.mean_squares(together, counts, np.concatenate(rows))
        expected = [one.mean_square(frame) for one, row in zip(alone, rows, strict=True) for frame in row]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        at = [start + n for start, n in zip(at, counts, strict=True)]


def test_products_take_one_thread() -> None:
    """Or else OpenBLAS' others spin beside the stage for many times what the product takes."""
    code = "import os, hustings, numpy as np; a = np.ones((512, 512)); a @ a"
    code += "; print(len(os.listdir('/proc/self/task')))"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "1"


# -- levelling -------------------------------------------------------------------------------------------


def level(leveller: Leveller, sound: Samples, *, speaking: bool = True) -> Samples:
    return np.concatenate([leveller.process(frame, speaking) for frame in frames_of(sound)])


@pytest.mark.parametrize("gain_db", [-10.0, -6.0, 0.0, 8.0])
@pytest.mark.parametrize("target", [-18.0, -16.0])
def test_speech_comes_to_the_target(gain_db: float, target: float) -> None:
    sound = tone(300, -20.0, 20.0) * np.float32(10 ** (gain_db / 20))
    out = level(Leveller(target), sound)
    assert meter(out[48_000 * 10 :]).short_term == pytest.approx(target, abs=0.3)
    assert clicks(out).max() < 10


def test_gain_moves_slowly_and_stays_in_bounds() -> None:
    leveller = Leveller(-18.0, 18.0, min_gain_db=-12.0, rise_db=3.0, fall_db=6.0)
    last = 0.0
    for frame in frames_of(np.concatenate((tone(300, -60.0, 10), tone(300, 0.0, 10)))):
        leveller.process(frame, True)
        assert -0.121 < leveller.gain_db - last < 0.061
        last = leveller.gain_db
        assert -12.0 <= last <= 18.0
    assert last == -12.0


def test_pauses_leave_the_gain_alone() -> None:
    leveller = Leveller()
    level(leveller, tone(300, -30.0, 10.0))
    before = leveller.gain_db
    assert before > 5
    level(leveller, tone(300, -65.0, 60.0), speaking=False)
    assert leveller.gain_db == before
    level(leveller, np.tile(silence(), 100), speaking=True)
    assert leveller.gain_db <= before + 3.0


def test_switched_off_it_touches_nothing() -> None:
    leveller = Leveller(enabled=False)
    for frame in frames_of(speechlike(1)):
        assert leveller.process(frame, True) is frame


def test_all_at_once_and_in_place_are_levelled_as_each_by_itself() -> None:
    """Also who begins later than the others, is silent meanwhile, or is not levelled."""
    sound = speechlike(5)[: 960 * 200].reshape(200, 960)
    sounds = np.stack([sound * np.float32(gain) for gain in (0.3, 1.3, 2.3)])
    alone, together = ([Leveller(), Leveller(), Leveller(enabled=False)] for _ in range(2))
    program, besides = Leveller(-16.0), Leveller(-16.0)
    for n in range(200):
        speaking = [n > 20, not 60 < n < 90, True]
        expected = [
            one.process(sound[n], speaks) for one, sound, speaks in zip(alone, sounds, speaking, strict=True)
        ]
        frames = sounds[:, n].copy()
        Leveller.process_all(together, frames, speaking, besides)
        total = frames.sum(axis=0)
        program.process(total, True)
        besides.process(total, True)
        if n < 25:
            np.testing.assert_allclose(frames, expected, rtol=1e-4)
    for one, other in zip((*alone, program), (*together, besides), strict=True):
        # Whose measurement comes with another's comes a little sooner: 80 ms at 3 dB a second.
        assert one.gain_db == pytest.approx(other.gain_db, abs=0.25)
    assert alone[0].gain_db != 0.0
    assert alone[2].gain_db == 0.0
