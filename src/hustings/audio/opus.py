"""Opus (RFC 6716) through libopus itself: the library that opuslib_next bundles, its float API, by ctypes.

The functions are bound with `ctypes.PyDLL`: a call keeps the interpreter lock. A call lasts 20-200 us, less
than giving the lock away and getting it back from a busy thread (up to `sys.getswitchinterval()`, 5 ms)
would cost the tick.

Measured (`benchmarks/audio_cost.py`, 2-core EPYC): decoding a frame takes 17 us (CELT) to 30 us (hybrid).
"""

from __future__ import annotations

import ctypes
from typing import Final, Literal

import numpy as np
import opuslib_next.api  # type: ignore[import-untyped]  # ships no types; only its library is used

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Frame, Samples
from hustings.errors import Corrupt

MAX_PACKET_BYTES: Final = 1500
"""What one RTP packet can carry; the encoder is never asked for more."""
MAX_PACKET_SAMPLES: Final = 5760
"""120 ms, the longest packet there is (RFC 6716 section 3.1)."""

_APPLICATIONS: Final = {"voip": 2048, "audio": 2049}
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS_PERC: Final = 4014
_GET_LOOKAHEAD: Final = 4027
_RESET_STATE: Final = 4028
_SET_PREDICTION_DISABLED: Final = 4046

_library: Final = ctypes.PyDLL(opuslib_next.api.libopus._name)


def _function(name: str, result: type | None, *arguments: type) -> ctypes._NamedFuncPointer:
    function: ctypes._NamedFuncPointer = getattr(_library, name)
    function.restype = result
    function.argtypes = arguments
    return function


_void_p, _int, _int32 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32
_encoder_create = _function("opus_encoder_create", _void_p, _int32, _int, _int, _void_p)
_encoder_destroy = _function("opus_encoder_destroy", None, _void_p)
_encoder_get_size = _function("opus_encoder_get_size", _int, _int)
_encoder_ctl = _function("opus_encoder_ctl", _int, _void_p, _int)
_encode_float = _function("opus_encode_float", _int32, _void_p, _void_p, _int, _void_p, _int32)
_decoder_create = _function("opus_decoder_create", _void_p, _int32, _int, _void_p)
_decoder_destroy = _function("opus_decoder_destroy", None, _void_p)
_decoder_ctl = _function("opus_decoder_ctl", _int, _void_p, _int)
_decode_float = _function("opus_decode_float", _int, _void_p, ctypes.c_char_p, _int32, _void_p, _int, _int)
_packet_has_lbrr = _function("opus_packet_has_lbrr", _int, ctypes.c_char_p, _int32)
_strerror = _function("opus_strerror", ctypes.c_char_p, _int)
_version_string = _function("opus_get_version_string", ctypes.c_char_p)


def version() -> str:
    """libopus' own name and version."""
    return str(_version_string().decode("ascii"))


def _reason(code: int) -> str:
    return str(_strerror(code).decode("ascii"))


class OpusEncoder:
    """One encoder: 20 ms float32 frames in, packets out.

    `bitrate` in bit/s, `complexity` 0-10, `fec` puts a coarse copy of each frame of speech into the next
    packet, `expected_loss` in percent steers how many bits that may cost. At 32 kbit/s libopus writes no copy
    at all below 10 percent (measured; at 40 kbit/s from 5 percent on), hence the default. FEC needs the SILK
    or hybrid mode: with `application="audio"` it costs three times the time of the plain CELT mode.

    `application="audio"` without FEC keeps the waveform (correlation 0.98 with speech at 32 kbit/s) and takes
    48 us a frame; "voip" filters and models (0.82-0.90 at any bitrate) and takes 135 us, with FEC 170 us.
    """

    def __init__(
        self,
        bitrate: int = 32_000,
        *,
        application: Literal["voip", "audio"] = "voip",
        complexity: int = 5,
        fec: bool = True,
        expected_loss: int = 10,
        channels: int = 1,
    ) -> None:
        self._state: int | None = None
        error = _int(0)
        state = _encoder_create(SAMPLE_RATE, channels, _APPLICATIONS[application], ctypes.byref(error))
        if error.value != 0 or not state:
            raise ValueError(f"libopus refuses this encoder: {_reason(error.value)}")
        self._state = state
        self._channels = channels
        self._settings = (channels, application)
        self._pcm: Samples = np.zeros(FRAME_SAMPLES * channels, dtype=np.float32)
        self._pcm_address = self._pcm.ctypes.data
        self._packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        self._packet_address = ctypes.addressof(self._packet)
        self._unpredicted = False
        self._expected_loss = expected_loss
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_INBAND_FEC, int(fec))
        self._set(_SET_PACKET_LOSS_PERC, expected_loss)
        lookahead = _int32(0)
        _encoder_ctl(state, _GET_LOOKAHEAD, ctypes.byref(lookahead))
        self.lookahead: Final = lookahead.value
        """Samples by which the decoded sound lags the input: the pre-skip of RFC 7845 section 4.2."""

    def _set(self, request: int, value: int) -> None:
        code = _encoder_ctl(self._state, request, _int32(value))
        if code != 0:
            raise ValueError(f"libopus refuses setting {request} = {value}: {_reason(code)}")

    def encode(self, frame: Frame) -> bytes:
        """Encode one frame, shape (960,) (two channels: (1920,) interleaved or (960, 2))."""
        if self._state is None:
            raise ValueError("the encoder is closed")
        self._pcm[:] = frame if frame.ndim == 1 else frame.reshape(-1)
        size = _encode_float(
            self._state, self._pcm_address, FRAME_SAMPLES, self._packet_address, MAX_PACKET_BYTES
        )
        if self._unpredicted:
            self._unpredicted = False
            self._set(_SET_PREDICTION_DISABLED, 0)
        if size < 0:
            raise ValueError(f"libopus cannot encode: {_reason(size)}")
        return ctypes.string_at(self._packet_address, size)

    def disable_prediction_once(self) -> None:
        """Make the next packet (almost) independent of those before it.

        For a decoder that has heard another encoder so far.
        """
        self._set(_SET_PREDICTION_DISABLED, 1)
        self._unpredicted = True

    def set_expected_loss(self, percent: int) -> None:
        """Tell the encoder the loss the far end reports, 0-100 percent."""
        self._set(_SET_PACKET_LOSS_PERC, percent)

    def protect(self, percent: int) -> None:
        """In-band error correction for this expected loss, 1-100 percent, from the next packet on; 0: none,
        and the loss expected as the encoder was made with (it steers prediction, too)."""
        self._set(_SET_INBAND_FEC, int(percent > 0))
        self._set(_SET_PACKET_LOSS_PERC, percent or self._expected_loss)

    def tune(self, bitrate: int, complexity: int) -> None:
        """Change bit rate (bit/s) and complexity (0-10) from the next packet on."""
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_COMPLEXITY, complexity)

    def continue_from(self, other: OpusEncoder) -> None:
        """Take over the whole state of `other`, made with the same channels and application.

        A decoder that has heard `other` so far can then hear this encoder without noticing: going from the
        shared encode to a private one costs no click and no quality. libopus states are one block without
        inner pointers and may be copied as bytes (opus.h, "Opus Encoder").
        """
        if self._state is None or other._state is None or self._settings != other._settings:
            raise ValueError("encoders of different kinds, or a closed one")
        ctypes.memmove(self._state, other._state, _encoder_get_size(self._channels))
        self._unpredicted = other._unpredicted

    def reset(self) -> None:
        """Forget all history; settings stay."""
        _encoder_ctl(self._state, _RESET_STATE)

    def close(self) -> None:
        """Free the state. A closed encoder refuses to encode."""
        state, self._state = self._state, None
        if state is not None:
            _encoder_destroy(state)

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self.close()


class OpusDecoder:
    """One mono decoder at 48 kHz. Stereo packets are mixed down by libopus."""

    def __init__(self) -> None:
        self._state: int | None = None
        error = _int(0)
        state = _decoder_create(SAMPLE_RATE, 1, ctypes.byref(error))
        if error.value != 0 or not state:
            raise ValueError(f"libopus refuses a decoder: {_reason(error.value)}")
        self._state = state
        self._pcm: Samples = np.zeros(MAX_PACKET_SAMPLES, dtype=np.float32)
        self._pcm_address = self._pcm.ctypes.data

    def decode(self, packet: bytes) -> Samples:
        """Decode one packet: float32, shape (n,), n = 120..5760. Raises Corrupt on garbage."""
        if not packet:
            raise Corrupt("an empty Opus packet")
        return self._run(packet, len(packet), MAX_PACKET_SAMPLES, 0)

    def conceal(self, samples: int = FRAME_SAMPLES) -> Samples:
        """Invent `samples` (a multiple of 120, at most 5760) for a lost packet (RFC 6716 section 4.4)."""
        return self._run(None, 0, samples, 0)

    def recover(self, next_packet: bytes, samples: int = FRAME_SAMPLES) -> Samples:
        """The `samples` just before `next_packet`, from its in-band FEC; concealment if it carries none.

        `next_packet` is still to be decoded afterwards. Raises Corrupt on garbage.
        """
        if not next_packet:
            raise Corrupt("an empty Opus packet")
        return self._run(next_packet, len(next_packet), samples, 1)

    def _run(self, packet: bytes | None, size: int, room: int, fec: int) -> Samples:
        if self._state is None:
            raise ValueError("the decoder is closed")
        count = _decode_float(self._state, packet, size, self._pcm_address, room, fec)
        if count < 0:
            raise Corrupt(f"libopus cannot decode this packet: {_reason(count)}")
        return self._pcm[:count].copy()

    def reset(self) -> None:
        """Forget all history."""
        _decoder_ctl(self._state, _RESET_STATE)

    def close(self) -> None:
        """Free the state. A closed decoder refuses to decode."""
        state, self._state = self._state, None
        if state is not None:
            _decoder_destroy(state)

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self.close()


def has_fec(packet: bytes) -> bool:
    """Whether `packet` carries in-band FEC (LBRR, RFC 6716 section 4.2.5) for the frame before it."""
    # Configurations 16-31 are CELT alone, which has none (RFC 6716 table 2).
    return len(packet) > 1 and packet[0] < 0x80 and bool(_packet_has_lbrr(packet, len(packet)) == 1)


_SILK_SAMPLES: Final = (480, 960, 1920, 2880)
_CELT_SAMPLES: Final = (120, 240, 480, 960)


def packet_duration(packet: bytes) -> int:
    """Samples at 48 kHz in `packet`, from its first two bytes (RFC 6716 section 3.1). Raises Corrupt."""
    if not packet:
        raise Corrupt("an empty Opus packet")
    toc = packet[0]
    configuration = toc >> 3
    if configuration >= 16:
        frame = _CELT_SAMPLES[configuration & 3]
    elif configuration >= 12:
        frame = _SILK_SAMPLES[configuration & 1]
    else:
        frame = _SILK_SAMPLES[configuration & 3]
    code = toc & 3
    if code == 3:
        if len(packet) < 2:
            raise Corrupt("an Opus packet of code 3 without its frame count")
        count = packet[1] & 63
    else:
        count = 1 if code == 0 else 2
    # RFC 6716 section 3.2.5 [R5]: at least one frame, at most 120 ms in all.
    if count == 0 or frame * count > MAX_PACKET_SAMPLES:
        raise Corrupt("an Opus packet of no frame or of more than 120 ms")
    return frame * count
