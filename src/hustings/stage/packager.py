"""From program frames to CMAF chunks in both codecs; off the tick, in a thread of its own.

A chunk is whole or missing: where frames are missing (the stage was stalled), the chunk they were in is
left out and the next begins at the next slot. Only the last chunk of a broadcast may be shorter.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog
from prometheus_client import Counter

from hustings.audio.aac import AacEncoder
from hustings.audio.frame import Samples
from hustings.bus.messages import Codec, MediaChunk
from hustings.cmaf.chunker import Chunk, Chunker
from hustings.cmaf.init_segment import init_segment
from hustings.cmaf.timeline import (
    AAC_UNIT_SAMPLES,
    CHUNK_SAMPLES,
    OPUS_FRAME_SAMPLES,
    SAMPLE_RATE,
    first_unit,
    next_seq,
)
from hustings.stage.engine import ProgramFrame

log = structlog.get_logger()

QUEUE_BATCHES = 100
"""10 s of program that may wait for the packager, two batches of frames to a chunk; more is dropped, counted
and becomes a gap."""

SILENT = 0.001
"""Full scale is 1; what has no louder sample (-60 dBFS) counts as silence."""

_dropped = Counter("hustings_stage_packager_dropped_frames_total", "Program frames the packager had to miss.")
_gaps = Counter(
    "hustings_stage_gaps_total", "Times the program's timeline jumped, so that chunks are missing."
)

type Publish = Callable[[MediaChunk], None]


def init_segments(pre_skip: int, aac_bitrate: int) -> dict[Codec, bytes]:
    """The init segments of both codecs, the same for every broadcast of this stage."""
    configuration = AacEncoder(aac_bitrate).audio_specific_config
    return {
        "opus": init_segment("opus", pre_skip=pre_skip),
        "aac": init_segment("aac", audio_specific_config=configuration, bitrate=aac_bitrate),
    }


def completes_chunk(media_time: int) -> bool:
    """Whether a chunk of either codec is complete with the program frame that begins at `media_time`.

    The tenth frame of a slot ends its Opus chunk; its last AAC unit goes on into the next slot, and the
    encoder gives it out once it has the two units after it.
    """
    end = media_time + OPUS_FRAME_SAMPLES
    slot = end // CHUNK_SAMPLES
    return end == slot * CHUNK_SAMPLES or media_time < (first_unit("aac", slot) + 2) * AAC_UNIT_SAMPLES <= end


class Packager:
    """One broadcast's frames in, chunks out. Pure: it waits for nothing and reads no clock."""

    def __init__(self, broadcast_id: str, epoch: int, aac_bitrate: int) -> None:
        self.broadcast_id = broadcast_id
        self._epoch = epoch
        self._aac_bitrate = aac_bitrate
        self._expected = -1
        self._wall_of_zero: float | None = None
        """Unix seconds of media time 0, as the first frame has it."""
        self._loud_until = 0
        """End of the last frame that was no silence, media time."""
        self._opus: Chunker | None = None
        self._aac: Chunker | None = None
        self._encoder: AacEncoder | None = None
        self._samples: list[Samples] = []
        """For the AAC encoder, which gets them when a chunk may be complete."""
        self._unwanted_units = 0

    def push(self, frame: ProgramFrame) -> list[MediaChunk]:
        """Takes the next program frame; returns the chunks it completes (at most one of each codec)."""
        if frame.media_time != self._expected:
            self._restart(frame.media_time)
        self._expected = frame.media_time + frame.frame.shape[0]
        if self._wall_of_zero is None:
            # Once: a step of the wall clock must not be one of the timeline (EXT-X-PROGRAM-DATE-TIME).
            self._wall_of_zero = frame.wall_clock - frame.media_time / SAMPLE_RATE
        if np.abs(frame.frame).max() > SILENT:
            self._loud_until = self._expected
        return self._push_opus(frame) + self._push_aac(frame)

    def finish(self) -> list[MediaChunk]:
        """The chunks begun when the broadcast ends."""
        chunks: list[MediaChunk] = []
        if self._opus is not None:
            chunks += self._messages("opus", self._opus.flush())
        if self._aac is not None and self._encoder is not None:
            chunks += self._encode_aac(self._encoder)
            for unit in self._encoder.flush():
                chunks += self._push_unit(unit)
            chunks += self._messages("aac", self._aac.flush())
        self._opus = self._aac = self._encoder = None
        self._expected = -1
        return chunks

    def _restart(self, media_time: int) -> None:
        if self._expected >= 0:
            _gaps.inc()
        first = next_seq(media_time)
        self._opus = Chunker("opus", first, self._epoch)
        self._aac = Chunker("aac", first, self._epoch)
        self._encoder = None
        self._samples.clear()

    def _push_opus(self, frame: ProgramFrame) -> list[MediaChunk]:
        assert self._opus is not None
        if frame.media_time < self._opus.next_media_time:
            return []  # before the first slot that can be whole
        return self._messages("opus", self._opus.push(frame.packet))

    def _push_aac(self, frame: ProgramFrame) -> list[MediaChunk]:
        """Samples reach the encoder from the first unit of the first slot on."""
        assert self._aac is not None
        samples = frame.frame
        if self._encoder is None:
            start = self._aac.next_media_time - frame.media_time
            if start >= samples.shape[0]:
                return []
            samples = samples[start:]
            self._encoder = AacEncoder(self._aac_bitrate)
            self._unwanted_units = self._encoder.priming
        self._samples.append(samples)
        return self._encode_aac(self._encoder) if completes_chunk(frame.media_time) else []

    def _encode_aac(self, encoder: AacEncoder) -> list[MediaChunk]:
        chunks: list[MediaChunk] = []
        if self._samples:
            for unit in encoder.encode(np.concatenate(self._samples)):
                chunks += self._push_unit(unit)
            self._samples.clear()
        return chunks

    def _push_unit(self, unit: bytes) -> list[MediaChunk]:
        assert self._aac is not None
        if self._unwanted_units:
            self._unwanted_units -= 1
            return []
        return self._messages("aac", self._aac.push(unit))

    def _messages(self, codec: Codec, chunks: list[Chunk]) -> list[MediaChunk]:
        return [
            MediaChunk(
                broadcast_id=self.broadcast_id,
                codec=codec,
                seq=chunk.seq,
                epoch=self._epoch,
                media_time=chunk.media_time,
                duration=chunk.duration,
                wall_clock=(self._wall_of_zero or 0.0) + chunk.media_time / SAMPLE_RATE,
                data=chunk.data,
                silent=self._loud_until <= chunk.media_time,
            )
            for chunk in chunks
        ]


@dataclass(frozen=True, slots=True)
class _Finish:
    broadcast_id: str


class PackagerThread:
    """Packages for all broadcasts of the process; `publish` is called in this thread, and so is `finished`,
    with the broadcast_id, after the last chunk of a broadcast.

    It is woken for frames that complete a chunk, not for each of fifty a second: what wakes takes the
    interpreter away from the tick, and a coder with several frames in a row finds its tables in the cache.
    """

    def __init__(self, publish: Publish, finished: Callable[[str], None] = lambda _: None) -> None:
        self._publish = publish
        self._finished = finished
        self._queue: queue.Queue[list[ProgramFrame] | _Finish | None] = queue.Queue(QUEUE_BATCHES)
        self._waiting: dict[str, list[ProgramFrame]] = {}
        """Frames that complete no chunk yet, by broadcast_id."""
        self._packagers: dict[str, Packager] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="packager", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def open(self, packager: Packager) -> None:
        """From now on frames of this broadcast are packaged."""
        with self._lock:
            self._packagers[packager.broadcast_id] = packager

    def push(self, frame: ProgramFrame) -> None:
        """Takes a frame, from the tick: never waits."""
        waiting = self._waiting.setdefault(frame.broadcast_id, [])
        waiting.append(frame)
        if completes_chunk(frame.media_time):
            self._hand_over(frame.broadcast_id)

    def _hand_over(self, broadcast_id: str) -> None:
        frames = self._waiting.pop(broadcast_id, [])
        try:
            self._queue.put_nowait(frames)
        except queue.Full:
            _dropped.inc(len(frames))

    def finish(self, broadcast_id: str) -> None:
        """After the frames pushed so far the broadcast is over; the tick pushes no more of it."""
        self._hand_over(broadcast_id)
        self._queue.put(_Finish(broadcast_id))

    def stop(self) -> None:
        """Packages what is waiting, then ends; the tick pushes no more. Waits some seconds at most."""
        for broadcast_id in list(self._waiting):
            self._hand_over(broadcast_id)
        self._queue.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            for step in [item] if isinstance(item, _Finish) else item:
                try:
                    self._do(step)
                except Exception:
                    log.exception("packager failed")

    def _do(self, step: ProgramFrame | _Finish) -> None:
        over = isinstance(step, _Finish)
        with self._lock:
            packager = self._packagers.get(step.broadcast_id)
            if over:
                self._packagers.pop(step.broadcast_id, None)
        if packager is not None:
            for chunk in packager.finish() if isinstance(step, _Finish) else packager.push(step):
                self._publish(chunk)
        if over:
            self._finished(step.broadcast_id)
