"""CMAF in, samples out: the init segment tells the codec, every chunk its own place."""

from __future__ import annotations

from typing import Protocol

import av
import av.error
import numpy as np

from hustings.audio.opus import OpusDecoder
from hustings.clients.delivered import SAMPLE_RATE, Samples
from hustings.cmaf.chunker import ChunkInfo, read_chunks
from hustings.cmaf.init_segment import read_init
from hustings.errors import Corrupt


class UnitDecoder(Protocol):
    """Decodes one packet or access unit."""

    def decode(self, unit: bytes) -> Samples:
        """Raises Corrupt."""
        ...


class AacDecoder:
    """AAC-LC through PyAV; one access unit gives 1024 samples."""

    def __init__(self, config: bytes) -> None:
        """`config` is the AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1)."""
        context = av.CodecContext.create("aac", "r")
        assert isinstance(context, av.AudioCodecContext)
        context.extradata = config
        self._context = context

    def decode(self, unit: bytes) -> Samples:
        """Raises Corrupt."""
        try:
            frames = self._context.decode(av.Packet(unit))
        except av.error.FFmpegError as error:
            raise Corrupt(f"An AAC access unit could not be decoded: {error}") from error
        pieces = [np.asarray(frame.to_ndarray()[0], np.float32) for frame in frames]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


class ChunkDecoder:
    """Decodes the chunks of one stream in order."""

    def __init__(self, init: bytes) -> None:
        """`init` is the CMAF init segment. Raises Corrupt."""
        track = read_init(init)
        if track.sample_rate != SAMPLE_RATE:
            raise Corrupt(f"The track has {track.sample_rate} Hz instead of {SAMPLE_RATE}.")
        self.codec = track.codec
        self._units: UnitDecoder = (
            OpusDecoder() if track.codec == "opus" else AacDecoder(track.audio_specific_config)
        )

    def decode(self, data: bytes) -> list[tuple[int, Samples]]:
        """One chunk, or several as in a part or a segment: media_time and samples of each, as many
        samples as its durations say. Raises Corrupt."""
        return [(info.base_decode_time, self._chunk(data, info)) for info in read_chunks(data)]

    def _chunk(self, data: bytes, info: ChunkInfo) -> Samples:
        pieces = [
            _fitted(self._units.decode(data[offset : offset + size]), duration)
            for offset, size, duration in info.samples
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _fitted(samples: Samples, duration: int) -> Samples:
    """A decoder that gave too little or too much must not shift what follows."""
    if not 0 < duration <= SAMPLE_RATE:
        raise Corrupt(f"A sample says it lasts {duration} units of 1/48000 s.")
    if len(samples) == duration:
        return samples
    fitted = np.zeros(duration, np.float32)
    count = min(duration, len(samples))
    fitted[:count] = samples[:count]
    return fitted
