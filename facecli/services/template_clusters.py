"""Which of one person's templates are alike: groups that may be different people under one name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GalleryError
from facecli.scores import DoubleArray, ScoreDistribution
from facecli.services.calibration import unmeasured_error
from facecli.types import FloatArray

# Photos of two people under one name come apart exactly in 97 % of cases and those of one person stay together in 99 %,
# with sface, mobilefacenet and dlib-resnet alike; a tenth of it tears more people apart with dlib-resnet, ten times as
# much joins two people more often (tests/bench/RESULTS.md, bench_splits.py).
ALIKE_SHARE: Final = 0.01
"""Two groups whose scores with each other are, on average, what this share of pairs of strangers reaches are one."""

MOST_TEMPLATES: Final = 4096
"""Compared each with each: their scores take 128 MiB, and some seconds."""


@dataclass(frozen=True, slots=True)
class Group:
    """Templates that are alike.

    Attributes
    ----------
    rows : tuple of int
        In ascending order.
    within : float or None
        Mean score of its pairs; None of a single one.
    between : float or None
        Mean score with the nearest other group; None where there is no other.
    nearest : int or None
        Which that is, counted from 0.
    """

    rows: tuple[int, ...]
    within: float | None
    between: float | None
    nearest: int | None


def alike_score(scores: ScoreDistribution | None, model_id: str, threshold: float | None) -> float:
    """Return the mean score from which two groups are one.

    Raises
    ------
    ConfigError
        If neither a threshold is given nor the model's scores are measured.
    """
    if threshold is not None:
        return threshold
    if scores is None:
        raise unmeasured_error(model_id)
    return scores.score_at(ALIKE_SHARE)


def alike_groups(vectors: FloatArray, threshold: float) -> list[Group]:
    """Join what is most alike, on average of all pairs, as long as that reaches the threshold.

    Parameters
    ----------
    vectors : ndarray of shape (n, D), float32
        Unit vectors of one model.
    threshold : float

    Returns
    -------
    list of Group
        The largest first; of equal ones that with the lowest row.

    Raises
    ------
    GalleryError
        With code ``too_many_templates`` if there are more than `MOST_TEMPLATES`.

    References
    ----------
    Sokal and Michener (1958), University of Kansas Science Bulletin 38: UPGMA.
    """
    if len(vectors) > MOST_TEMPLATES:
        raise GalleryError(
            f"{len(vectors):,} templates of one person are too many to be compared with each other",
            hint=f"Up to {MOST_TEMPLATES:,} are; name the templates to split off.",
            code="too_many_templates",
        )
    doubles = vectors.astype(np.float64)
    scores = doubles @ doubles.T
    labels = _joined(scores.copy(), threshold)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    members.sort(key=lambda rows: (-len(rows), rows[0]))
    return [_group(scores, members, number) for number in range(len(members))]


def _joined(scores: DoubleArray, threshold: float) -> NDArray[np.intp]:
    """Return for each row the lowest row of its group; `scores` is used up."""
    labels = np.arange(len(scores))
    sizes = np.ones(len(scores))
    np.fill_diagonal(scores, -np.inf)
    best = scores.argmax(axis=1) if len(scores) else labels
    while len(scores):
        one = int(scores[np.arange(len(scores)), best].argmax())
        one, other = sorted((one, int(best[one])))
        if one == other or scores[one, other] < threshold:
            break
        mean = (sizes[one] * scores[one] + sizes[other] * scores[other]) / (sizes[one] + sizes[other])
        mean[one] = -np.inf
        scores[one], scores[:, one] = mean, mean
        scores[other], scores[:, other] = -np.inf, -np.inf
        sizes[one] += sizes[other]
        labels[labels == other] = one
        stale = np.flatnonzero((best == one) | (best == other))
        best[stale] = scores[stale].argmax(axis=1)
        best[one] = scores[one].argmax()
        better = mean > scores[np.arange(len(scores)), best]
        best[better] = one
    return labels


def _group(scores: DoubleArray, members: list[NDArray[np.intp]], number: int) -> Group:
    rows = members[number]
    count = len(rows)
    among = scores[np.ix_(rows, rows)]
    within = float(among[~np.eye(count, dtype=bool)].mean()) if count > 1 else None
    others = {other: float(scores[np.ix_(rows, each)].mean()) for other, each in enumerate(members) if other != number}
    nearest = max(others, key=others.__getitem__, default=None)
    return Group(tuple(rows.tolist()), within, None if nearest is None else others[nearest], nearest)
