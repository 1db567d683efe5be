"""A script's encoder follows what the server says of the line: `hustings speak`."""

from __future__ import annotations

from hustings.audio.expected_loss import ExpectedLoss
from hustings.audio.line_rate import LineRate
from hustings.clients.script import BITRATE, EXPECTED_LOSS, Steer
from hustings.stage.webrtc.peer import Far


class Line:
    """Takes each report once; no I/O, no clock."""

    def __init__(self, steer: Steer) -> None:
        self._steer = steer
        self._rate = LineRate(BITRATE)
        self._loss = ExpectedLoss()
        self._seen = -1.0

    def take(self, far: Far | None) -> None:
        """What the far end said last; None: nothing yet."""
        if far is None or far.at == self._seen:
            return
        self._seen = far.at
        self._rate.take(far.lost, far.round_trip, far.at)
        self._loss.take(far.lost)
        self._steer.bitrate = self._rate.bitrate
        self._steer.expected_loss = max(self._loss.percent, EXPECTED_LOSS)
