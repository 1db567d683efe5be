"""One speaker's track as sound on the broadcast's timeline, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hustings.archive.track_packets import TrackPacket, track_packets
from hustings.audio.frame import FRAME_SAMPLES, Frame, Samples
from hustings.audio.opus import OpusDecoder
from hustings.errors import Corrupt


class TrackSound:
    """Reads forward only; memory is constant. Raises Corrupt when it is no track, OSError."""

    def __init__(self, path: Path) -> None:
        self._packets = track_packets(path)
        self._decoder = OpusDecoder()
        self._next: TrackPacket | None = next(self._packets, None)
        self._held: list[tuple[int, Samples]] = []

    def close(self) -> None:
        self._decoder.close()

    def frame(self, at: int) -> Frame | None:
        """The sound of [at, at + 960), (960,); None: there is none, or it is digital silence. `at` only
        grows."""
        end = at + FRAME_SAMPLES
        while self._next is not None and self._next.media_time < end:
            self._held.append((self._next.media_time, self._decoded(self._next)))
            self._next = next(self._packets, None)
        frame = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        for begins, sound in self._held:
            first, last = max(begins, at), min(begins + sound.shape[0], end)
            if first < last:
                frame[first - at : last - at] = sound[first - begins : last - begins]
        self._held = [held for held in self._held if held[0] + held[1].shape[0] > end]
        return frame if frame.any() else None

    def _decoded(self, packet: TrackPacket) -> Samples:
        try:
            return self._decoder.decode(packet.payload)
        except Corrupt:
            return self._decoder.conceal(packet.samples)


class VoiceSound:
    """All tracks of one speaker, of which one sounds at a time."""

    def __init__(self, paths: list[Path]) -> None:
        self._tracks = [TrackSound(path) for path in paths]

    def frame(self, at: int) -> Frame | None:
        """As TrackSound's."""
        found: Frame | None = None
        for track in self._tracks:
            frame = track.frame(at)
            if frame is not None:
                found = frame if found is None else found + frame
        return found

    def close(self) -> None:
        for track in self._tracks:
            track.close()


def framed(blocks: Iterator[Samples], begins: int) -> Iterator[tuple[int, Frame]]:
    """(media_time, frame) of sound that begins at `begins`; the last one filled up with silence."""
    rest: Samples = np.zeros(0, dtype=np.float32)
    for block in blocks:
        joined = np.concatenate((rest, block)) if rest.shape[0] else block
        whole = joined.shape[0] // FRAME_SAMPLES * FRAME_SAMPLES
        for at in range(0, whole, FRAME_SAMPLES):
            yield begins + at, joined[at : at + FRAME_SAMPLES]
        begins += whole
        rest = joined[whole:]
    if rest.shape[0]:
        yield begins, np.concatenate((rest, np.zeros(FRAME_SAMPLES - rest.shape[0], dtype=np.float32)))
