"""Measure how a person with several photos should be scored, whether a margin helps, and what enrolment refuses.

    python tests/bench/bench_person_score.py [--data DIR]

Needs the development data (``$FACECLI_DATA``, or ../shared/data beside the checkout): lfw_view1 and legislators are
pooled, the people in both made one, and embedded with the defaults that ship.
Prints Markdown tables; RESULTS.md has what they gave and what follows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import enrolment_outliers
import numpy as np
from numpy.typing import NDArray
from photo_faces import AS_THEY_ARE, DATA, PhotoFaces, embed_photos

from facecli.app import App
from facecli.evaluation.bootstrap import percentile_interval, resampled_people
from facecli.settings import Settings

Scores = NDArray[np.float64]
Rows = NDArray[np.intp]

SEED = 0
SPLITS = 20
FPIRS = (0.1, 0.01, 0.003)
LEAST_PHOTOS, MOST_TEMPLATES = 3, 6
OTHERS = 700
"""People enrolled with one photo each, beside those with several."""
SINGLES = 1000
"""People enrolled where everybody has one photo."""


def unit(vectors: Scores) -> Scores:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def mean_of_best(count: int | None) -> Callable[[Scores, Scores, Scores], Scores]:
    return lambda scores, _probe, _mean: np.sort(scores, axis=1)[:, ::-1][:, :count].mean(axis=1)


PERSON_SCORES: dict[str, Callable[[Scores, Scores, Scores], Scores]] = {
    # Scores with the templates (P, T), with their mean and their mean by quality (P,) -> score of the person (P,).
    "best template": lambda scores, mean, weighted: scores.max(axis=1),
    "mean of the best 2": mean_of_best(2),
    "mean of the best 3": mean_of_best(3),
    "mean of all scores": mean_of_best(None),
    "mean template": lambda scores, mean, weighted: mean,
    "quality-weighted mean template": lambda scores, mean, weighted: weighted,
    "best of templates and mean template": lambda scores, mean, weighted: np.maximum(scores.max(axis=1), mean),
    "average of best and mean template": lambda scores, mean, weighted: (scores.max(axis=1) + mean) / 2,
}

MARGIN_RULES: dict[str, Callable[[Scores, Scores], Scores]] = {
    # Scores of the nearest two people (P,) -> what is compared with the threshold (P,).
    "none": lambda first, second: first,
    **{
        f"second within {d}": lambda first, second, d=d: np.where(first - second >= d, first, -1.0)
        for d in (0.02, 0.05, 0.1)
    },
    **{f"score - {a} x second": lambda first, second, a=a: first - a * second for a in (0.1, 0.2, 0.4)},
}


@dataclass
class Answers:
    """Searches of all splits: scores by rule, shape (rules, searches), and whom each probe shows."""

    mated: Scores
    mated_people: Rows
    strangers: Scores
    strangers_people: Rows

    @classmethod
    def joined(cls, parts: list[Answers]) -> Answers:
        return cls(
            np.concatenate([part.mated for part in parts], axis=1),
            np.concatenate([part.mated_people for part in parts]),
            np.concatenate([part.strangers for part in parts], axis=1),
            np.concatenate([part.strangers_people for part in parts]),
        )


def fnirs(answers: Answers, people: int) -> tuple[Scores, Scores]:
    """FNIR by rule and FPIR, shape (rules, rates), and the same for 1,000 draws of people, (draws, rules, rates)."""
    orders = np.argsort(-answers.strangers, axis=1)

    def rates(weights: NDArray[np.int64]) -> Scores:
        own = weights[answers.mated_people]
        found = np.empty((len(orders), len(FPIRS)))
        for rule, order in enumerate(orders):
            reaching = weights[answers.strangers_people[order]].cumsum()
            for at, rate in enumerate(FPIRS):
                first = int(np.searchsorted(reaching, rate * reaching[-1] + 1e-9, side="right"))
                missed = answers.mated[rule] <= answers.strangers[rule][order[first]]
                found[rule, at] = (own * missed).sum() / own.sum()
        return found

    return rates(np.ones(people, np.int64)), np.stack([rates(weights) for weights in resampled_people(people)])


def several_photos(faces: PhotoFaces, kind: str) -> Answers:
    """People with several photos enrolled with all but one of them, which is searched for, among many with one."""
    rng = np.random.default_rng(SEED)
    own = [np.flatnonzero(faces.people == person) for person in range(int(faces.people.max()) + 1)]
    several = [rows for rows in own if len(rows) >= LEAST_PHOTOS]
    rest = [rows for rows in own if len(rows) < LEAST_PHOTOS]
    vectors, probes = faces.vectors[AS_THEY_ARE].astype(np.float64), faces.vectors[kind].astype(np.float64)
    parts = []
    for _ in range(SPLITS):
        shuffled = [rng.permutation(rows) for rows in several]
        order = rng.permutation(len(rest))
        single = np.array([rng.choice(rest[at]) for at in order[:OTHERS]])
        strangers = np.concatenate([rest[at] for at in order[OTHERS:]])
        held_out = np.array([rows[0] for rows in shuffled])
        searched = probes[np.concatenate([held_out, strangers])]
        others = (searched @ vectors[single].T).max(axis=1)
        by_rule = np.empty((len(PERSON_SCORES), len(searched), len(several)))
        for place, rows in enumerate(shuffled):
            templates = vectors[rows[1 : 1 + MOST_TEMPLATES]]
            weights = faces.quality[rows[1 : 1 + MOST_TEMPLATES]] + 1e-6
            means = unit(np.stack([templates.mean(axis=0), weights @ templates]))
            scores, mean, weighted = searched @ templates.T, *(means @ searched.T)
            for rule, person_score in enumerate(PERSON_SCORES.values()):
                by_rule[rule, :, place] = person_score(scores, mean, weighted)
        count = len(held_out)
        right = by_rule[:, np.arange(count), np.arange(count)]
        nearest = np.maximum(by_rule.max(axis=2), others)
        mated = np.where(right >= nearest[:, :count], right, -1.0)
        parts.append(Answers(mated, faces.people[held_out], nearest[:, count:], faces.people[strangers]))
    return Answers.joined(parts)


def one_photo_each(faces: PhotoFaces, kind: str) -> Answers:
    """`SINGLES` people enrolled with one photo each; all other photos are searched for."""
    rng = np.random.default_rng(SEED)
    scores = faces.vectors[kind] @ faces.vectors[AS_THEY_ARE].T
    everybody = np.unique(faces.people)
    parts = []
    for _ in range(SPLITS):
        chosen = rng.choice(everybody, SINGLES, replace=False)
        enrolled = np.array([rng.choice(np.flatnonzero(faces.people == person)) for person in chosen])
        searched = np.setdiff1d(np.arange(len(scores)), enrolled)
        found = scores[np.ix_(searched, enrolled)]
        two = np.argpartition(found, -2, axis=1)[:, -2:]
        pair = np.take_along_axis(found, two, axis=1).astype(np.float64)
        nearest = chosen[np.take_along_axis(two, pair.argmax(axis=1)[:, None], axis=1)[:, 0]]
        by_rule = np.stack([rule(pair.max(axis=1), pair.min(axis=1)) for rule in MARGIN_RULES.values()])
        known = np.isin(faces.people[searched], chosen)
        mated = np.where(nearest == faces.people[searched], by_rule, -1.0)[:, known]
        parts.append(Answers(mated, faces.people[searched][known], by_rule[:, ~known], faces.people[searched][~known]))
    return Answers.joined(parts)


def percent(value: float) -> str:
    return f"{100 * value:.2f}"


def lines(rules: list[str], answers: Answers, people: int) -> Iterator[str]:
    """Rows of a table: FNIR at each FPIR, and how much it differs from the first rule's, with intervals."""
    fixed, draws = fnirs(answers, people)
    for rule, name in enumerate(rules):
        cells = []
        for at in range(len(FPIRS)):
            cell = f"{percent(fixed[rule, at])} %"
            against = draws[:, rule, at] - (draws[:, 0, at] if rule else 0)
            if (interval := percentile_interval(against)) is not None:
                low, high = percent(interval.low), percent(interval.high)
                cell += f" ({low} to {high})" if not rule else f" ({float(low):+.2f} to {float(high):+.2f})"
            cells.append(cell)
        yield f"| {name} | {' | '.join(cells)} |"


def report(faces: PhotoFaces) -> None:
    """Print the tables of person scores and margins."""
    people = int(faces.people.max()) + 1
    head = " | ".join(f"FNIR at FPIR {100 * rate:g} %" for rate in FPIRS)
    measured: tuple[tuple[str, Callable[[PhotoFaces, str], Answers], list[str]], ...] = (
        ("person score", several_photos, list(PERSON_SCORES)),
        ("margin", one_photo_each, list(MARGIN_RULES)),
    )
    for title, searches, rules in measured:
        for kind in faces.vectors:
            answers = searches(faces, kind)
            mated, strangers = answers.mated.shape[1] // SPLITS, answers.strangers.shape[1] // SPLITS
            shown = len(np.unique(answers.mated_people))
            print(f"\n{title}; probes {kind}; {SPLITS} splits of {mated} mated searches (of {shown:,} people in all)")
            print(f"and {strangers:,} non-mated ones; beside the first line: difference to it\n")
            print(f"| {title} | {head} |\n|---|{'---|' * len(FPIRS)}")
            print("\n".join(lines(rules, answers, people)), flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    options = parser.parse_args()
    if not (options.data / "lfw_view1").is_dir():
        # `make bench` goes on: where the data is not, there is nothing to measure.
        print(f"no development data at {options.data}: name its folder with --data or FACECLI_DATA")
        return
    faces = embed_photos(App(Settings()), options.data)
    print(f"{len(faces.names):,} photos of {int(faces.people.max()) + 1:,} people")
    report(faces)
    enrolment_outliers.report(faces)


if __name__ == "__main__":
    main()
