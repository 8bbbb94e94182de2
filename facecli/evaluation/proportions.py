"""A count out of a number of trials, and how far the rate behind it can be known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# Two-sided 95 %: the 0.975 quantile of the standard normal distribution.
Z_95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """The range of values that the data do not speak against, at 95 % confidence."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval cannot run from {self.low} to {self.high}")

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low


def wilson_interval(count: float, trials: float) -> Interval:
    """Return the 95 % Wilson score interval of a rate.

    It assumes independent trials. Unlike the normal approximation it stays within [0, 1] and does not shrink to
    nothing where no error, or nothing but errors, was seen.

    Parameters
    ----------
    count : float
        Trials that ended one way; 0 to `trials`.
    trials : float
        May be fractional where it is an effective number. None at all say nothing: the interval is [0, 1].

    Raises
    ------
    ValueError
        If `count` is not within 0 and `trials`.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; recommended by Brown, Cai and DasGupta (2001), Stat. Sci. 16(2).
    """
    if not 0 <= count <= trials:
        raise ValueError(f"{count} of {trials} is no proportion")
    if trials == 0:
        return Interval(0.0, 1.0)
    rate, z2 = count / trials, Z_95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = Z_95 / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    # Rounding would leave 1e-17 where the formula gives the end itself.
    low = 0.0 if count == 0 else max(0.0, centre - reach)
    high = 1.0 if count == trials else min(1.0, centre + reach)
    return Interval(low, high)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A count out of a number of trials."""

    count: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.trials:
            raise ValueError(f"{self.count} of {self.trials} is no proportion")

    @property
    def rate(self) -> float | None:
        """The share; None where there was no trial."""
        return self.count / self.trials if self.trials else None

    @property
    def interval(self) -> Interval:
        """Its 95 % Wilson interval, which takes the trials for independent."""
        return wilson_interval(self.count, self.trials)


FEW: Final = 10
"""With fewer errors, or fewer successes, resampling cannot show how many more there might be. Ten is the textbook limit
of the normal approximation to a count."""


def joined_interval(resampled: Interval | None, rate: float, people: float, seen: float) -> Interval:
    """Join the interval of a bootstrap with Wilson's where few errors, or few successes, were seen.

    Parameters
    ----------
    resampled : Interval or None
    rate : float
    people : float
        Behind the trials. Trials that share a person are not independent; people are, so Wilson's interval counts them.
    seen : float
        Errors or successes, whichever are fewer.
    """
    if resampled is not None and seen >= FEW:
        return resampled
    wilson = wilson_interval(rate * people, people)
    if resampled is None:
        return wilson
    return Interval(min(wilson.low, resampled.low), max(wilson.high, resampled.high))
