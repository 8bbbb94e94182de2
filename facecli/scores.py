"""How a model's scores fall: for pairs of different people, and for pairs of one person. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import ConfigError

DoubleArray = NDArray[np.float64]

# A fitted tail of negative shape ends somewhere, and a score beyond its end is not impossible, only never seen. So it
# is taken to fall no faster than this shape lets it: slower than what was fitted errs towards fewer false positives.
MIN_TAIL_SHAPE: Final = -0.05


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto tail of the non-mated scores: peaks over a threshold.

    Attributes
    ----------
    start : float
        Score at which it begins.
    share : float
        Of all non-mated pairs that reach `start`.
    scale : float
        In score; around `start` the share falls by e with each such step.
    shape : float
        0 falls exponentially, below 0 faster.

    References
    ----------
    Pickands (1975), Annals of Statistics 3(1), 119-131.
    """

    start: float
    share: float
    scale: float
    shape: float


@dataclass(frozen=True, slots=True, eq=False)
class ScoreDistribution:
    """Cosine similarities of one model's embeddings, measured on pairs of faces.

    Attributes
    ----------
    non_mated : ndarray of shape (L, 2), float64
        (share, score): this share of pairs of different people reaches this score. Shares fall, scores rise; the last
        row is where `tail` begins.
    tail : Tail
    mated : ndarray of shape (M, 2), float64
        (share, score): this share of pairs of one person stays below this score. Both rise.
    non_mated_pairs, mated_pairs, people : int
        How many of each were measured.
    probability : tuple of (float, float)
        Intercept and slope: the logit of "this is the right person" over the negative logarithm of the false positives
        expected at the score, where half of all searches are for somebody enrolled.
    measured_on : str
        The set, for people.
    """

    non_mated: DoubleArray
    tail: Tail
    mated: DoubleArray
    non_mated_pairs: int
    mated_pairs: int
    people: int
    probability: tuple[float, float]
    measured_on: str

    def __post_init__(self) -> None:
        for name in ("non_mated", "mated"):
            array = np.array(getattr(self, name), np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def log_share_above(self, scores: DoubleArray) -> DoubleArray:
        """Natural logarithm of the share of non-mated pairs that reach a score; any shape, falls with the score."""
        scores = np.asarray(scores, np.float64)
        shares, known = np.log(self.non_mated[:, 0]), self.non_mated[:, 1]
        # Below the first quantile nearly all pairs lie; the line is led on so that it keeps falling.
        slope = (shares[1] - shares[0]) / (known[1] - known[0])
        body = np.where(scores < known[0], shares[0] + slope * (scores - known[0]), np.interp(scores, known, shares))
        steps = np.maximum(scores - self.tail.start, 0.0) / self.tail.scale
        shape = max(self.tail.shape, MIN_TAIL_SHAPE)
        fall = steps if shape == 0 else np.log1p(np.maximum(shape * steps, -1 + 1e-12)) / shape
        tail = np.log(self.tail.share) - fall
        return np.asarray(np.minimum(np.where(scores > self.tail.start, tail, body), 0.0))

    def score_at(self, share: float) -> float:
        """Return the least score that at most this share of non-mated pairs reaches.

        Raises
        ------
        ConfigError
            If the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ConfigError(f"a rate of {share} cannot be met", hint="Give a rate between 0 and 1, such as 0.001.")
        shares = self.log_share_above(SCORE_GRID)
        return float(SCORE_GRID[min(int(np.searchsorted(-shares, -np.log(share))), len(SCORE_GRID) - 1)])

    def share_below(self, score: float) -> float:
        """Share of mated pairs that stay below a score: who is missed there, with one photo each."""
        return float(np.interp(score, self.mated[:, 1], self.mated[:, 0]))


SCORE_GRID: Final[DoubleArray] = np.linspace(-1.0, 1.0, 8001)
"""Scores at which curves are evaluated: steps of 0.00025, finer than two engines agree."""
SCORE_GRID.flags.writeable = False
