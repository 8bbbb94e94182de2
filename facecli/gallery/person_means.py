"""The mean of a person's templates, searched beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from facecli.gallery.records import TemplateMatrix

MEAN: Final = 0
"""Stands for a template_id where a row is the mean of a person's templates; real ones begin at 1."""

# Templates that cancel each other out have no mean direction. No two photos of one person come near that.
LEAST_LENGTH: Final = 1e-3


def with_means(matrix: TemplateMatrix) -> TemplateMatrix:
    """Add a row to each person of several templates: their mean, scaled to unit length, behind them.

    What photos have in common is the person, so their mean is nearer to a poor photo of them than each photo is. The
    best of templates and mean missed fewer people than the best template alone, and never more, in
    tests/bench/bench_person_score.py; means of scores missed more.

    Parameters
    ----------
    matrix : TemplateMatrix
        As a gallery gives it.

    Returns
    -------
    TemplateMatrix
        The same one where everybody has one template.
    """
    person_ids = matrix.person_ids
    if not len(person_ids):
        return matrix
    starts = np.flatnonzero(np.diff(person_ids, prepend=person_ids[0] - 1))
    ends = np.append(starts[1:], len(person_ids))
    several = np.flatnonzero(ends - starts > 1)
    if not len(several):
        return matrix
    means = np.stack([matrix.vectors[starts[person] : ends[person]].mean(0, dtype=np.float64) for person in several])
    lengths = np.linalg.norm(means, axis=1)
    several, means = several[lengths > LEAST_LENGTH], means[lengths > LEAST_LENGTH]
    means = (means / lengths[lengths > LEAST_LENGTH, None]).astype(np.float32)
    behind = ends[several]
    vectors = np.insert(matrix.vectors, behind, means, axis=0)
    template_ids = np.insert(matrix.template_ids, behind, MEAN)
    all_ids = np.insert(person_ids, behind, person_ids[starts[several]])
    for array in (vectors, template_ids, all_ids):
        array.flags.writeable = False
    return replace(matrix, vectors=vectors, template_ids=template_ids, person_ids=all_ids)
