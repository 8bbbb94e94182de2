"""Measure whether the photos of two people under one name come apart, and those of one person stay together.

    python tests/bench/bench_splits.py [--data DIR] [--embedder NAME]

Needs the development data (``$FACECLI_DATA``, or ../shared/data beside the checkout): lfw_view1 and legislators are
pooled, the people in both made one. Prints a Markdown table for `facecli.services.template_clusters.ALIKE_SHARE`;
RESULTS.md has what it gave.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from photo_faces import AS_THEY_ARE, DATA, embed_photos

from facecli.app import App
from facecli.scores import ScoreDistribution
from facecli.services.template_clusters import alike_groups
from facecli.settings import Settings

LEAST_PHOTOS = 3
SHARES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


def report(people: Sequence[NDArray[np.float32]], scores: ScoreDistribution) -> None:
    """Print, for each share, how often one person stays whole and two come apart: all pairs of all people."""
    print("| share of strangers | score | one person stays one | two come apart exactly | some cluster shows both |")
    print("|---|---|---|---|---|")
    pairs = list(combinations(people, 2))
    for share in SHARES:
        threshold = scores.score_at(share)
        whole = sum(len(alike_groups(photos, threshold)) == 1 for photos in people)
        apart = mixed = 0
        for one, other in pairs:
            groups = alike_groups(np.concatenate([one, other]), threshold)
            shows_both = any(group.rows[0] < len(one) <= group.rows[-1] for group in groups)
            mixed += shows_both
            apart += len(groups) == 2 and not shows_both
        print(
            f"| {share:g} | {threshold:.3f} | {whole / len(people):.1%} of {len(people)} "
            f"| {apart / len(pairs):.1%} of {len(pairs):,} | {mixed / len(pairs):.1%} |"
        )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--embedder", default=Settings().embedder)
    options = parser.parse_args()
    if not (options.data / "lfw_view1").is_dir():
        # `make bench` goes on: where the data is not, there is nothing to measure.
        print(f"no development data at {options.data}: name its folder with --data or FACECLI_DATA")
        return
    app = App(Settings(embedder=options.embedder))
    scores = app.scores
    if scores is None:
        parser.error(f"the scores of {options.embedder} are not measured")
    faces = embed_photos(app, options.data)
    vectors = faces.vectors[AS_THEY_ARE]
    folders = (vectors[(faces.people == person) & vectors.any(axis=1)] for person in np.unique(faces.people))
    report([photos for photos in folders if len(photos) >= LEAST_PHOTOS], scores)


if __name__ == "__main__":
    main()
