"""Measure what "this is not that person" does: to other photos of whoever was mistaken, and to the person's own.

    python tests/bench/bench_not.py [--data DIR] [--cache FILE]

Needs the development data (``$FACECLI_DATA``, or ../shared/data beside the checkout): lfw_view1 and legislators are
pooled, the people in both made one, and embedded with the defaults that ship. Half of the people choose the rule, the
other half tell what it does. Prints Markdown tables; RESULTS.md has what they gave and what follows.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from photo_faces import AS_THEY_ARE, DATA, PhotoFaces, embed_photos

from facecli.app import App
from facecli.evaluation.bootstrap import percentile_interval, resampled_people
from facecli.evaluation.identification import threshold_at
from facecli.evaluation.proportions import joined_interval
from facecli.settings import Settings

Scores = NDArray[np.float64]
Rows = NDArray[np.intp]

SEED = 0
SPLITS = 200
ENROLLED = 500
"""People in a gallery, of about 1,030 in either half."""
MOST_TEMPLATES = 3
FPIRS = (0.01, 0.1)

RULES: dict[str, tuple[str, float]] = {
    # A face is barred whose score with a negative reaches that with the person, or with their templates, plus a number.
    **{
        f"as near as the person{f' less {-margin:g}' if margin < 0 else f' and {margin:g} more' if margin else ''}": (
            "person",
            margin,
        )
        for margin in (0.0, -0.1, -0.05, 0.05, 0.1, 0.2)
    },
    "as near as the nearest template": ("templates", 0.0),
}
CHOSEN = next(iter(RULES))


@dataclass
class Answers:
    """Searches of one kind, one row each.

    `cluster` is whose photo was searched for, `before` whether the person was named, `barred` by each rule.
    """

    cluster: list[int] = field(default_factory=list)
    before: list[bool] = field(default_factory=list)
    barred: list[list[bool]] = field(default_factory=list)


@dataclass
class Half:
    """What came of all galleries of one half of the people."""

    name: str
    marks: int = 0
    marked: set[int] = field(default_factory=set)
    strangers: dict[str, Answers] = field(default_factory=dict)
    own: dict[str, Answers] = field(default_factory=dict)


def mated_photos(faces: PhotoFaces, data: Path) -> NDArray[np.bool_]:
    """Say which photos are two photographs of one person: in legislators only listed pairs are known to be two."""
    same: NDArray[np.bool_] = faces.people[:, None] == faces.people
    row = {name: number for number, name in enumerate(faces.names)}
    listed = np.zeros_like(same)
    with (data / "legislators" / "pairs.csv").open(newline="", encoding="utf-8") as file:
        for pair in csv.DictReader(file):
            names = [f"legislators/{pair[key]}" for key in ("file_a", "file_b")]
            if all(name in row for name in names):
                first, second = (row[name] for name in names)
                listed[first, second] = listed[second, first] = True
    is_official = np.array([name.startswith("legislators/") for name in faces.names])
    np.fill_diagonal(same, val=False)
    return same & (listed | ~(is_official[:, None] & is_official))


def measure(name: str, faces: PhotoFaces, mated: NDArray[np.bool_], people: Rows, fpir: float) -> Half:
    """Enrol some of the people again and again, say of strangers who reach a name that they are not, and search."""
    half = Half(
        name, strangers={kind: Answers() for kind in faces.vectors}, own={kind: Answers() for kind in faces.vectors}
    )
    templates = faces.vectors[AS_THEY_ARE].astype(np.float64)
    cosines = {kind: vectors.astype(np.float64) @ templates.T for kind, vectors in faces.vectors.items()}
    photos = {person: np.flatnonzero(faces.people == person) for person in people.tolist()}
    for split in range(SPLITS):
        rng = np.random.default_rng((SEED, split))
        enrolled = np.sort(rng.choice(people, ENROLLED, replace=False))
        rows = []
        for person in enrolled.tolist():
            own = rng.permutation(photos[person])
            rows.append(own[: max(1, min(MOST_TEMPLATES, len(own) - 1))])
        add(half, faces, mated, cosines, enrolled, rows, people, fpir, rng)
    return half


def add(
    half: Half,
    faces: PhotoFaces,
    mated: NDArray[np.bool_],
    cosines: dict[str, Scores],
    enrolled: Rows,
    rows: list[Rows],
    people: Rows,
    fpir: float,
    rng: np.random.Generator,
) -> None:
    """Add what came of one gallery."""
    gallery = np.concatenate(rows)
    counts = np.array([len(each) for each in rows])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    lengths = np.sqrt([cosines[AS_THEY_ARE][np.ix_(each, each)].mean() for each in rows])

    def person_scores(kind: str, probes: Rows) -> tuple[Scores, Scores]:
        found = cosines[kind][np.ix_(probes, gallery)]
        best = np.maximum.reduceat(found, starts, axis=1)
        mean = np.add.reduceat(found, starts, axis=1) / counts / lengths
        return np.where(counts > 1, np.maximum(best, mean), best), best

    strangers = np.flatnonzero(np.isin(faces.people, people) & ~np.isin(faces.people, enrolled))
    scores, _ = person_scores(AS_THEY_ARE, strangers)
    nearest, best = scores.argmax(axis=1), scores.max(axis=1)
    threshold = threshold_at(fpir, best)
    negatives: dict[int, list[int]] = {}
    for at in rng.permutation(np.flatnonzero(best >= threshold)).tolist():
        said = negatives.setdefault(int(nearest[at]), [])
        if faces.people[strangers[at]] not in faces.people[said]:  # one photo of each
            said.append(int(strangers[at]))
    half.marks += sum(map(len, negatives.values()))
    for place, said in negatives.items():
        half.marked |= set(faces.people[said].tolist())
        others = np.setdiff1d(np.flatnonzero(mated[said].any(axis=0)), said)
        held_out = np.setdiff1d(np.flatnonzero(mated[rows[place]].any(axis=0)), rows[place])
        for answers, probes in ((half.strangers, others), (half.own, held_out)):
            for kind in faces.vectors if len(probes) else ():
                found, nearest_template = person_scores(kind, probes)
                of_person = {"person": found[:, place], "templates": nearest_template[:, place]}
                negative = cosines[kind][np.ix_(probes, said)].max(axis=1)
                elsewhere = np.delete(found, place, axis=1).max(axis=1)
                named = (found[:, place] >= threshold) & (found[:, place] > elsewhere)
                answers[kind].cluster += faces.people[probes].tolist()
                answers[kind].before += named.tolist()
                barred = [negative >= of_person[what] + margin for what, margin in RULES.values()]
                answers[kind].barred += np.stack(barred, axis=1).tolist()


def share(hits: NDArray[np.bool_], cluster: Rows) -> str:
    """Write how many of some searches, with a 95 % interval over the people searched for."""
    people, at = np.unique(cluster, return_inverse=True)
    if not len(people):
        return "-"
    rate = float(hits.mean())
    weights = np.stack(list(resampled_people(len(people))))
    totals = weights @ np.bincount(at)
    resampled = percentile_interval((weights @ np.bincount(at, hits)) / np.maximum(totals, 1))
    seen = float(len(np.unique(at[hits]))) if rate < 0.5 else float(len(np.unique(at[~hits])))
    interval = joined_interval(resampled, rate, len(people), seen)
    return f"{int(hits.sum()):,}: {100 * rate:.2f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def lines(half: Half, rules: list[str]) -> Iterator[str]:
    """Rows of a table."""
    for kind, found in half.strangers.items():
        own = half.own[kind]
        named, hit = (np.array(each.before) for each in (found, own))
        strangers, mine = (np.array(each.cluster) for each in (found, own))
        for rule in rules:
            column = list(RULES).index(rule)
            stopped, lost = (np.array(each.barred)[:, column] for each in (found, own))
            yield (
                f"| {kind} | {rule} | {share(named, strangers)} | {share(named & ~stopped, strangers)} "
                f"| {share(~hit, mine)} | {share(~hit | lost, mine)} |"
            )


def report(faces: PhotoFaces, data: Path) -> None:
    """Print a table for each rate and half: all rules where most searches choose, elsewhere the one chosen."""
    mated = mated_photos(faces, data)
    everybody = np.random.default_rng(SEED).permutation(np.unique(faces.people))
    middle = len(everybody) // 2
    for fpir in FPIRS:
        for name, people, rules in (
            ("the half that chooses", everybody[:middle], list(RULES) if fpir == max(FPIRS) else [CHOSEN]),
            ("the other half", everybody[middle:], [CHOSEN]),
        ):
            half = measure(name, faces, mated, np.sort(people), fpir)
            others, own = half.strangers[AS_THEY_ARE].cluster, half.own[AS_THEY_ARE].cluster
            print(
                f"\nFPIR {100 * fpir:g} %, {name}: {half.marks:,} faces of {len(half.marked):,} strangers denied; "
                f"{len(others):,} searches\nfor other photos of {len(set(others)):,} of them, {len(own):,} for other "
                f"photos of {len(set(own)):,} of the people\n"
            )
            print(
                "| probes | barred: | strangers named | still | FNIR of the people | then |\n|---|---|---|---|---|---|"
            )
            print("\n".join(lines(half, rules)), flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keep vectors here (.npz), and take those kept")
    options = parser.parse_args()
    if not (options.data / "lfw_view1").is_dir():
        # `make bench` goes on: where the data is not, there is nothing to measure.
        print(f"no development data at {options.data}: name its folder with --data or FACECLI_DATA")
        return
    faces = read(options.cache) or embed_photos(App(Settings()), options.data)
    if options.cache:
        np.savez(options.cache, names=faces.names, people=faces.people, quality=faces.quality, **faces.vectors)
    print(f"{len(faces.names):,} photos of {int(faces.people.max()) + 1:,} people")
    report(faces, options.data)


def read(cache: Path | None) -> PhotoFaces | None:
    """Return what was kept."""
    if cache is None or not cache.is_file():
        return None
    with np.load(cache) as kept:
        about = {key: kept[key] for key in ("names", "people", "quality")}
        vectors = {key: kept[key] for key in kept.files if key not in about}
        return PhotoFaces(about["names"].tolist(), about["people"], about["quality"], vectors)


if __name__ == "__main__":
    main()
