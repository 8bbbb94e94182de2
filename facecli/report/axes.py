"""Scales and ticks of the plots that error rates are read from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axis import Axis

_NORMAL: Final = NormalDist()

# Rates that get a line and a label on a normal-deviate axis.
_RATES: Final = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
LEAST_RATE: Final = _RATES[0]
CHANCE: Final = 0.5  # beyond it a curve is of no interest
LEAST_GAP: Final = 0.12  # of the axis, between two labels as wide as "0.0001 %"


def probit(rates: Iterable[float], least: float = LEAST_RATE) -> NDArray[np.float64]:
    """Return the normal deviates of rates; those nearer to 0 or 1 than `least` are put there.

    On these axes (Martin et al., 1997, "The DET curve in assessment of detection task performance") two normal
    distributions of scores make a straight line, and small rates and large are read equally well; a logarithm
    would give all room to the small ones.
    """
    held = (min(max(rate, least), 1 - least) for rate in rates)
    return np.fromiter(map(_NORMAL.inv_cdf, held), np.float64)


def rate_range(rates: Iterable[float]) -> tuple[float, float]:
    """Return the least and greatest rate that a normal-deviate axis needs to show.

    Parameters
    ----------
    rates : iterable of float
        Of all curves; 0, which no such axis has, is shown at its border.
    """
    known = [rate for rate in rates if 0 < rate < 1]
    least = max((tick for tick in _RATES if tick <= min(known, default=0.01)), default=LEAST_RATE)
    # Of a system worse than chance throughout, that is what is to be seen.
    return (least, CHANCE) if min(known, default=0.0) < CHANCE else (0.2, 0.99)


def set_probit_axis(axis: Axis, bounds: tuple[float, float]) -> None:
    """Label an axis whose values are normal deviates with the rates they stand for."""
    first, last = probit(bounds)
    ticks: list[float] = []
    for rate, place in zip(_RATES, probit(_RATES), strict=True):
        is_free = not ticks or place - probit(ticks[-1:])[0] >= LEAST_GAP * (last - first)
        if bounds[0] <= rate <= bounds[1] and is_free:
            ticks.append(rate)
    axis.set_ticks(list(probit(ticks)), [percent(rate) for rate in ticks])


def least_positive(values: Iterable[float]) -> float:
    """Return the power of ten at or below the smallest positive rate, for the near end of a logarithmic axis."""
    smallest = min((value for value in values if value > 0), default=1.0)
    return float(10.0 ** math.floor(math.log10(min(smallest, 0.1)) + 1e-9))


def set_log_percent_axis(axis: Axis, least: float) -> None:
    """Label a logarithmic axis of rates at the powers of ten, at most six of them."""
    powers = range(round(math.log10(least)), 1)
    ticks = [10.0**power for power in powers if not power % math.ceil(len(powers) / 6)]
    axis.set_ticks(ticks, [percent(tick) for tick in ticks])
    axis.set_ticks([], minor=True)


def percent(rate: float) -> str:
    """Write a rate as a percentage with the digits that it has, up to three."""
    return f"{100 * rate:.6f}".rstrip("0").rstrip(".") + " %" if rate < 0.01 else f"{100 * rate:.3g} %"
