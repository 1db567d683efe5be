"""How fast something grows, and how sure that is. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Slope:
    """A line by least squares; `slope` and `error` (standard error) in y for one of x."""

    slope: float
    error: float
    last: float
    """Mean of the last tenth."""


def slope(points: Sequence[tuple[float, float]], blocks: int = 30) -> Slope:
    """Of (x, y) in order of x. Means of `blocks` equal pieces are taken first: neighbours are alike, and each
    by itself would make the error look smaller than it is."""
    if len(points) < 6:
        return Slope(math.nan, math.nan, points[-1][1] if points else math.nan)
    pieces = np.array_split(np.array(points, float), min(blocks, len(points)))
    x, y = np.array([piece.mean(axis=0) for piece in pieces]).T
    off = x - x.mean()
    spread = float(off @ off)
    rate = float(off @ (y - y.mean()) / spread)
    rest = y - y.mean() - rate * off
    error = math.sqrt(float(rest @ rest) / (len(x) - 2) / spread)
    return Slope(rate, error, float(np.mean([value for _, value in points[-max(1, len(points) // 10) :]])))
