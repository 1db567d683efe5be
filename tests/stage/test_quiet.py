"""Quiet packets are not decoded, and nobody notices."""

from __future__ import annotations

import numpy as np
import pytest
from stage_engine_support import tone

from hustings.audio.opus import OpusDecoder, OpusEncoder
from hustings.audio.receiver import Receiver
from hustings.errors import Corrupt
from hustings.stage.quiet import PACKETS_BEFORE, QuietGate, QuietPacket, SparingDecoder


def test_a_packet_is_marked_after_a_while_of_quiet_only() -> None:
    gate = QuietGate()
    marked = [isinstance(gate.mark(b"x", -127.0), QuietPacket) for _ in range(PACKETS_BEFORE + 3)]
    assert marked == [False] * PACKETS_BEFORE + [True] * 3
    assert not isinstance(gate.mark(b"x", -40.0), QuietPacket)
    assert not isinstance(gate.mark(b"x", -90.0), QuietPacket)
    assert not isinstance(gate.mark(b"x", None), QuietPacket)


def test_speech_after_quiet_is_whole() -> None:
    """Through a receiver: silence for nothing, then the tone from its first frame on."""
    encoder = OpusEncoder(48_000, application="audio", fec=False)
    receiver, gate = Receiver(decoder=SparingDecoder()), QuietGate()
    reference = OpusDecoder()
    heard: list[np.ndarray] = []
    wanted: list[np.ndarray] = []
    for n in range(150):
        loud = n >= 100
        packet = encoder.encode(tone(500, 1, 0.3 if loud else 0.00001, n))
        wanted.append(reference.decode(packet))
        receiver.push(n, n * 960, gate.mark(packet, -13.0 if loud else -103.0), n * 0.02)
        pulled = receiver.pull(n * 0.02 + 0.01)
        heard.append(pulled.frame)
    stats = receiver.stats
    assert stats.frames_concealed == 0
    assert stats.packets_received == 150
    sound, truth = np.concatenate(heard), np.concatenate(wanted)
    assert not sound[60 * 960 : 98 * 960].any()
    onset = int(np.argmax(np.abs(sound) > 0.05))
    delay = onset - int(np.argmax(np.abs(truth) > 0.05))
    assert 0 < delay < 5 * 960
    error = sound[onset + 960 : onset + 30 * 960] - truth[onset + 960 - delay :][: 29 * 960]
    assert np.sqrt(np.mean(error**2)) < 0.02 * 0.3


def test_garbage_is_corrupt() -> None:
    decoder = SparingDecoder()
    with pytest.raises(Corrupt):
        decoder.decode(QuietPacket(b""))
    with pytest.raises(Corrupt):
        decoder.decode(b"\xff")
    assert not decoder.decode(QuietPacket(b"\xf8\xff\xfe")).any()
    assert decoder.conceal(960).shape == (960,)
    decoder.close()
