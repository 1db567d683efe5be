"""The plain streams, read by FFmpeg's own demuxers (through PyAV), as a radio would."""

from __future__ import annotations

import threading

import av
import av.error
import httpx
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from hustings.clients import trust
from hustings.clients.api import refused
from hustings.clients.delivered import SAMPLE_RATE
from hustings.clients.sink import Sink
from hustings.errors import Corrupt, Unavailable


class _Body:
    """A response's body as the file PyAV reads from; ends when told to stop."""

    def __init__(self, response: httpx.Response, sink: Sink, stop: threading.Event) -> None:
        self._chunks = response.iter_raw()
        self._rest = b""
        self._sink = sink
        self._stop = stop
        self.broken = False

    def read(self, size: int = 4096) -> bytes:
        """At most `size` bytes, as soon as there are any; b"" at the end."""
        while not self._rest:
            if self._stop.is_set():
                return b""
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return b""
            except httpx.HTTPError:
                self.broken = True
                return b""
            self._sink.received(len(self._rest))
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def listen_stream(url: str, sink: Sink, stop: threading.Event) -> str:
    """Until the stream ends or `stop` is set; returns why. Runs in a thread of its own.

    A plain stream carries no clock, so no latency can be told from it. Raises Refused, Unavailable
    or Corrupt.
    """
    container = "aac" if ".aac" in url.rpartition("/")[2] else "ogg"
    sink.result.codec = "aac" if container == "aac" else "opus"
    timeout = httpx.Timeout(10.0, read=5.0)
    try:
        with (
            httpx.Client(
                timeout=timeout, trust_env=False, follow_redirects=True, verify=trust.usual()
            ) as client,
            client.stream("GET", url) as response,
        ):
            if response.is_error:
                response.read()
                raise refused(response)
            body = _Body(response, sink, stop)
            _decode(body, container, sink, stop)
            if body.broken and not stop.is_set():
                return "closed"
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} does not answer; is the broadcast live?") from error
    except av.error.FFmpegError as error:
        if stop.is_set():
            return "stopped"
        raise Corrupt(f"FFmpeg cannot read {url}: {error}") from error
    return "stopped" if stop.is_set() else "ended"


def _decode(body: _Body, container: str, sink: Sink, stop: threading.Event) -> None:
    options = {"analyzeduration": "0", "probesize": "4096"}
    with av.open(body, mode="r", format=container, buffer_size=4096, options=options) as source:
        stream = source.streams.audio[0]
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        origin: int | None = None
        for frame in source.decode(stream):
            if stop.is_set():
                return
            position = _position(frame)
            if origin is None:
                origin = position
            for piece in resampler.resample(frame):
                samples = np.asarray(piece.to_ndarray()[0], np.float32)
                sink.heard(position - origin, samples)
                position += len(samples)


def _position(frame: AudioFrame) -> int:
    """Where the frame lies on the stream's own timeline, in 48 kHz samples."""
    if frame.pts is None or frame.time_base is None:
        return 0
    return round(frame.pts * frame.time_base * SAMPLE_RATE)
