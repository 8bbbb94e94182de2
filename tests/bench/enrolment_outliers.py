"""What enrolment does with a wrong photo in a person's folder, by the rule that ships: `facecli.decide.outliers`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from photo_faces import AS_THEY_ARE, PhotoFaces

from facecli.decide import outliers
from facecli.evaluation.score_fit import fit_scores
from facecli.scores import ScoreDistribution
from facecli.services.enrolment_checks import LOOKALIKE_FPIR

SEED = 0
LEAST_PHOTOS = 3
WRONG_A_PERSON = 40
CHOICES = (0.005, 0.01, 0.02, 0.04, 0.08)
"""Values of `outliers.MISFIT_SHARE` that were tried."""


def halves(people: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Two halves of the people, drawn at random."""
    everybody = np.random.default_rng(SEED).permutation(np.unique(people))
    return everybody[::2], everybody[1::2]


def distribution_of(faces: PhotoFaces, measured_on: str) -> ScoreDistribution:
    """Fit the scores of these photos; the two sets count alike, as in the files that ship."""
    vectors = faces.vectors[AS_THEY_ARE]
    non_mated, mated = [], []
    in_set = np.array([name.partition("/")[0] for name in faces.names])
    for each in np.unique(in_set):
        rows = np.flatnonzero(in_set == each)
        scores = vectors[rows] @ vectors[rows].T
        upper = np.triu_indices(len(rows), 1)
        same = faces.people[rows][upper[0]] == faces.people[rows][upper[1]]
        non_mated.append(scores[upper][~same].astype(np.float64))
        mated.append(scores[upper][same].astype(np.float64))
    count = int(faces.people.max()) + 1
    return fit_scores(non_mated, mated, people=count, probability=(0.0, 1.0), measured_on=measured_on)


def folders(faces: PhotoFaces) -> Iterator[NDArray[np.intp]]:
    """Rows of each person with enough photos."""
    for person in np.unique(faces.people):
        rows = np.flatnonzero(faces.people == person)
        if len(rows) >= LEAST_PHOTOS:
            yield rows


def refused(vectors: NDArray[np.float32], distribution: ScoreDistribution) -> tuple[set[int], bool]:
    """Rows that enrolling these photos at once refuses, and whether it warns of any instead."""
    agreement = outliers.compare_photos(vectors, 0, distribution)
    rows = {misfit.row for misfit in agreement.misfits}
    return (rows, False) if agreement.reference else (set(), bool(rows))


def right_photos(faces: PhotoFaces, distribution: ScoreDistribution, kind: str) -> tuple[int, int]:
    """How many photos of folders without a wrong one are refused, of how many; one at a time is of another kind."""
    count = wrong = 0
    for rows in folders(faces):
        for place, row in enumerate(rows):
            vectors = faces.vectors[AS_THEY_ARE][rows].copy()
            vectors[place] = faces.vectors[kind][row]
            wrong += place in refused(vectors, distribution)[0]
            count += 1
    return wrong, count


def wrong_photos(faces: PhotoFaces, distribution: ScoreDistribution, wrong: int) -> dict[str, int]:
    """Replace `wrong` photos of a folder, at most 5 of which are taken, by photos of one random other person."""
    rng = np.random.default_rng(SEED)
    counts = dict.fromkeys(("folders", "wrong", "refused", "right", "right refused", "warned"), 0)
    photos = np.bincount(faces.people)
    vectors = faces.vectors[AS_THEY_ARE]
    for rows in folders(faces):
        if len(rows) < 5 - wrong if wrong > 1 else len(rows) < LEAST_PHOTOS - 1:
            continue
        donors = np.flatnonzero((photos >= wrong) & (np.arange(len(photos)) != faces.people[rows[0]]))
        for _ in range(WRONG_A_PERSON):
            other = rng.choice(np.flatnonzero(faces.people == rng.choice(donors)), wrong, replace=False)
            own = rng.permutation(rows)[: 5 - wrong]
            found, warned = refused(vectors[np.concatenate([own, other])], distribution)
            counts["folders"] += 1
            counts["wrong"] += wrong
            counts["right"] += len(own)
            counts["refused"] += sum(row >= len(own) for row in found)
            counts["right refused"] += sum(row < len(own) for row in found)
            counts["warned"] += warned
    return counts


def second_names(faces: PhotoFaces, distribution: ScoreDistribution) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Under a new name, people enrolled already and new people: how many are noted, of how many; and those enrolled."""
    vectors = faces.vectors[AS_THEY_ARE]
    own = [np.flatnonzero(faces.people == person) for person in np.unique(faces.people)]
    several, single = [rows for rows in own if len(rows) > 1], [rows for rows in own if len(rows) == 1]
    enrolled = vectors[[rows[0] for rows in (*several, *single[::2])]]
    limit = distribution.score_at(LOOKALIKE_FPIR / len(enrolled))

    def noted(rows: NDArray[np.intp]) -> tuple[int, int]:
        return int(((vectors[rows] @ enrolled.T).max(axis=1) >= limit).sum()), len(rows)

    again = np.concatenate([rows[1:] for rows in several])
    return noted(again), noted(np.concatenate(single[1::2])), len(enrolled)


def share(count: int, total: int) -> str:
    return f"{count / total:.2%} ({count:,} of {total:,})"


def report(faces: PhotoFaces) -> None:
    """Print what the rule does, chosen on one half of the people and measured on the other."""
    chosen_on, measured_on = (faces.of_people(half) for half in halves(faces.people))
    shipped = outliers.MISFIT_SHARE
    print("\n| chance to pass | half | right photos refused | wrong photos refused, one a folder |\n|---|---|---|---|")
    for label, test in (("chosen on", chosen_on), ("the other", measured_on)):
        distribution = distribution_of(chosen_on, "one half")
        for value in CHOICES if label == "chosen on" else (shipped,):
            outliers.MISFIT_SHARE = value
            right, wrong = right_photos(test, distribution, AS_THEY_ARE), wrong_photos(test, distribution, 1)
            print(f"| {value} | {label} | {share(*right)} | {share(wrong['refused'], wrong['wrong'])} |")
    outliers.MISFIT_SHARE = shipped
    distribution = distribution_of(chosen_on, "one half")
    print("\n| the other half, one photo of a folder spoilt | right photos refused |\n|---|---|")
    for kind in faces.vectors:
        print(f"| {kind} | {share(*right_photos(measured_on, distribution, kind))} |")
    print(
        "\n| the other half: folder | folders | wrong refused | right refused | warned of instead |\n"
        + "|---" * 5
        + "|"
    )
    for wrong in (1, 2, 3):
        found = wrong_photos(measured_on, distribution, wrong)
        print(
            f"| {wrong} wrong, of one person, beside up to {5 - wrong} right | {found['folders']:,} "
            f"| {share(found['refused'], found['wrong'])} | {share(found['right refused'], found['right'])} "
            f"| {found['warned'] / found['folders']:.1%} |"
        )
    again, new, enrolled = second_names(measured_on, distribution)
    print(
        f"\nThe other half, {enrolled:,} people enrolled with one photo each, under a new name: photos of these noted"
    )
    print(f"{share(*again)}, photos of others {share(*new)}.")
