"""Any file PyAV reads, as 48 kHz mono frames of 20 ms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Frame
from hustings.errors import HustingsError, UsageError


def read_frames(path: Path) -> Iterator[Frame]:
    """The file's first audio stream, frame by frame; the last one is padded with silence.

    Decodes as it goes, so a two-hour file costs no memory. Raises UsageError or HustingsError.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    try:
        yield from _decode(path)
    except av.error.FFmpegError as error:
        raise HustingsError(f"{path} cannot be read as sound: {error.strerror}.") from error


def check_sound(path: Path) -> None:
    """Raises UsageError or HustingsError when `path` holds no sound that can be read."""
    for _ in read_frames(path):
        return
    raise HustingsError(f"{path} holds no sound.")


def _decode(path: Path) -> Iterator[Frame]:
    rest = np.zeros(0, np.float32)
    with av.open(str(path)) as source:
        if not source.streams.audio:
            raise HustingsError(f"{path} has no audio stream.")
        # 960 samples a piece come out of the resampler's own buffer.
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE, frame_size=FRAME_SAMPLES)
        for decoded in source.decode(source.streams.audio[0]):
            for piece in resampler.resample(decoded):
                rest = np.concatenate((rest, np.asarray(piece.to_ndarray()[0], np.float32)))
                while len(rest) >= FRAME_SAMPLES:
                    yield rest[:FRAME_SAMPLES]
                    rest = rest[FRAME_SAMPLES:]
        for piece in resampler.resample(None):
            rest = np.concatenate((rest, np.asarray(piece.to_ndarray()[0], np.float32)))
    while len(rest):
        frame = np.zeros(FRAME_SAMPLES, np.float32)
        frame[: min(len(rest), FRAME_SAMPLES)] = rest[:FRAME_SAMPLES]
        rest = rest[FRAME_SAMPLES:]
        yield frame
