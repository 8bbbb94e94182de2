"""Measure what `facecli gallery check` finds of faults put into a gallery on purpose, and what it finds where none are.

    python tests/bench/bench_check.py [--data DIR] [--cache DIR]

Needs the development data (``$FACECLI_DATA``, or ../shared/data beside the checkout). The limits of
facecli/services/gallery_check/limits.py were chosen on lfw_view1; legislators is what they are held against.
Prints Markdown tables; RESULTS.md has what they gave.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from photo_faces import DATA
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "measure"))
from photosets import PhotoSet, read_sets
from vectors import Run, central_vector, embed_sets

from facecli.app import App
from facecli.decide.calibration import Calibration, StrangerSearches
from facecli.gallery.person_means import with_means
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.stranger_searches import NOBODY, sample_searches
from facecli.runtime.manifest import shipped_models
from facecli.scores import ScoreDistribution
from facecli.services.analysis import PhotoSource
from facecli.services.gallery_check import limits as limits_module
from facecli.services.gallery_check.crowd import Crowd
from facecli.services.gallery_check.limits import Limits
from facecli.services.gallery_check.verdicts import Verdict, verdicts
from facecli.services.gallery_check.wording import SURE_PAIRS
from facecli.settings import Settings

SEED = 0
TRIALS = 20
FPIR = 0.01
MISLABELLED = 0.03
"""Share of the templates that get another person's name."""
SPLIT = 0.1
"""Share of the people with several photos who are enrolled under two names."""
ALARMS = (0.03, 0.1, 0.3, 1.0, 3.0)
COPY_SHARES = (0.05, 0.02, 0.01, 0.005)
SMALL, SMALL_TRIALS = 30, 200
"""People of a small gallery."""
COPIED = 400
"""Photos that are saved again."""
SAVED_AGAIN = ("JPEG, quality 75", "JPEG, quality 30", "half the size", "10 % cut off", "grey")

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


def checked(vectors: Vectors, owners: Rows, scores: ScoreDistribution) -> tuple[list[Verdict], Limits]:
    """Check a gallery of these templates, sorted by person."""
    ids = np.arange(1, len(owners) + 1)
    matrix = TemplateMatrix("bench", vectors, ids, owners, dict.fromkeys(owners.tolist(), ""), 1)
    sample = sample_searches(with_means(matrix))
    sizes = np.unique(owners, return_counts=True)[1]
    found = sample.scores > NOBODY
    searches = StrangerSearches(sample.scores[found], (len(owners) - sizes)[found])
    calibration = Calibration(scores, len(owners), len(sizes), searches)
    threshold = calibration.choose(FPIR).threshold
    crowd = Crowd(matrix, threshold - 0.1, sample.person_ids, lambda *_: threshold)
    limits = Limits(calibration, sizes)
    return verdicts(crowd, limits, threshold, scores), limits


def by_person(vectors: Vectors, owners: Rows) -> tuple[Vectors, Rows, Rows]:
    """Sort templates by person; also where each came from."""
    order = np.argsort(owners, kind="stable")
    return vectors[order], owners[order], order


def put_in(true: Rows, rng: np.random.Generator) -> tuple[Rows, set[int], dict[int, int]]:
    """Give some templates a wrong name, and some people a second one.

    Returns
    -------
    said : ndarray
        The name that each template gets.
    wrong : set of int
        Rows of the templates under a wrong name.
    second : dict of int to int
        Whom each second name is of.
    """
    said = true.copy()
    people, sizes = np.unique(true, return_counts=True)
    several = people[sizes > 1]
    split = rng.choice(several, max(1, round(SPLIT * len(several))), replace=False)
    second = {}
    for number, person in enumerate(split.tolist(), int(people.max()) + 1):
        rows = rng.permutation(np.flatnonzero(true == person))
        second[number] = person
        said[rows[: len(rows) // 2]] = number
    whole, others = np.flatnonzero(~np.isin(true, split)), np.setdiff1d(people, split)
    wrong = rng.choice(whole, max(1, round(MISLABELLED * len(true))), replace=False)
    for row in wrong.tolist():
        said[row] = rng.choice(others[others != true[row]])
    return said, set(wrong.tolist()), second


FALSE = ("two_names, for sure", "two_names, cannot tell", "mislabelled", "unlike", "two_people", "doubtful")
KNOWN = "template of somebody enrolled, under the name of somebody with other photos"
UNKNOWN = "template of nobody enrolled, under the name of somebody with two other photos or more"
PAIR = "template of nobody enrolled, under the name of somebody with one other photo"
TWO_NAMES = "person under two names"


def count_faults(vectors: Vectors, true: Rows, scores: ScoreDistribution, rng: np.random.Generator) -> Counter[str]:
    """Put faults into a gallery, check it, and count what is found."""
    counts: Counter[str] = Counter()
    said, wrong, second = put_in(true, rng)
    templates, owners, origin = by_person(vectors, said)
    found, limits = checked(templates, owners, scores)
    right = [row for row in range(len(true)) if row not in wrong]
    enrolled, beside = {int(true[row]) for row in right}, Counter(said[right].tolist())

    def rows(numbers: tuple[int, ...]) -> set[int]:
        return {int(origin[at]) for at in numbers}

    verdict_of = {row: each for each in found if each.kind not in ("look_alikes", "copies") for row in rows(each.rows)}
    for row in wrong:
        company = beside[int(said[row])]
        known = int(true[row]) in enrolled
        if not company:
            continue
        kind = KNOWN if known else PAIR if company == 1 else UNKNOWN
        counts[kind] += 1
        each = verdict_of.get(row)
        if each is None:
            continue
        other = second.get(each.other_id or 0, each.other_id)
        what = each.kind if each.kind != "mislabelled" or other == true[row] else "mislabelled, but another name"
        counts[f"{kind}: {what}"] += 1
    pairs = {frozenset(pair) for pair in second.items()}
    counts[TWO_NAMES] = len(pairs)
    for each in found:
        pair = frozenset((each.person_id, each.other_id or 0))
        concerned = rows(each.rows) | rows(each.other_rows)
        if each.kind == "two_names":
            sure = limits.expected_pairs(np.array(each.score)) <= SURE_PAIRS
            kind = "two_names, for sure" if sure else "two_names, cannot tell"
            if pair in pairs:
                counts[f"{TWO_NAMES}: {kind}"] += 1
            elif not concerned & wrong:
                counts[f"false {kind}"] += 1
        elif each.kind == "mislabelled" and pair in pairs:
            counts[f"{TWO_NAMES}: mislabelled"] += 1
        elif each.kind in ("mislabelled", "unlike", "two_people", "doubtful"):
            here = set(np.flatnonzero(said == each.person_id).tolist()) | rows(each.other_rows)
            counts[f"false {each.kind}"] += not here & wrong
    return counts


def report_faults(sets: dict[str, tuple[Vectors, Rows]], scores: ScoreDistribution) -> None:
    """Print what is found of faults, and what is found without any."""
    counted = {}
    for name, (vectors, true) in sets.items():
        rng, counts = np.random.default_rng(SEED), Counter[str]()
        for _ in range(TRIALS):
            counts += count_faults(vectors, true, scores, rng)
        counted[name] = counts
    heads = " | ".join(sets)
    print(
        f"\n{TRIALS} galleries of each set, {MISLABELLED:.0%} of the templates under a wrong name, {SPLIT:.0%} of the"
    )
    print(f"people with several photos under two names\n\n| | {heads} |\n|---|{'---|' * len(sets)}")
    keys = sorted({f"false {kind}" for kind in FALSE}.union(*counted.values()))
    for key in keys:
        if ": " in key:
            total = key.partition(": ")[0]
            cells = [f"{counts[key] / max(counts[total], 1):.1%} of {counts[total]:,}" for counts in counted.values()]
        elif key.startswith("false "):
            cells = [f"{counts[key] / TRIALS:.2f} a gallery" for counts in counted.values()]
        else:
            continue
        print(f"| {key} | {' | '.join(cells)} |")


def report_sound(sets: dict[str, tuple[Vectors, Rows]], scores: ScoreDistribution) -> None:
    """Print what is found where nothing is wrong: in a whole set, and in small galleries of its people."""
    print(f"\nnothing put in: findings in the whole set, and in {SMALL_TRIALS} galleries of {SMALL} people of it\n")
    print(f"| finding | {' | '.join(f'{name} | {SMALL} people' for name in sets)} |\n|---|{'---|---|' * len(sets)}")
    columns = []
    for vectors, true in sets.values():
        rng, small = np.random.default_rng(SEED), Counter[str]()
        columns.append(Counter(each.kind for each in checked(vectors, true, scores)[0]))
        for _ in range(SMALL_TRIALS):
            rows = np.isin(true, rng.choice(np.unique(true), SMALL, replace=False))
            small += Counter(each.kind for each in checked(vectors[rows], true[rows], scores)[0])
        columns.append(small)
    for kind in sorted(set().union(*columns)):
        print(f"| {kind} | {' | '.join(str(counts[kind]) for counts in columns)} |")


def report_alarms(sets: dict[str, tuple[Vectors, Rows]], scores: ScoreDistribution) -> None:
    """Print for each number of false alarms allowed the people under two names found, and strangers taken for one."""
    print(
        "\n| pairs of strangers allowed in a gallery | set | people under two names found | strangers taken for one |"
    )
    print("|---|---|---|---|")
    allowed = limits_module.FALSE_ALARMS
    try:
        for alarms in ALARMS:
            limits_module.FALSE_ALARMS = alarms
            for name, (vectors, true) in sets.items():
                rng, counts = np.random.default_rng(SEED), Counter[str]()
                for _ in range(TRIALS):
                    counts += count_faults(vectors, true, scores, rng)
                both = [
                    sum(n for key, n in counts.items() if key.startswith(f"{part}two_names,"))
                    for part in (f"{TWO_NAMES}: ", "false ")
                ]
                share = f"{both[0] / counts[TWO_NAMES]:.1%} of {counts[TWO_NAMES]:,}"
                print(f"| {alarms:g} | {name} | {share} | {both[1] / TRIALS:.2f} a gallery |")
    finally:
        limits_module.FALSE_ALARMS = allowed


def saved_again(photo: Path, way: str) -> bytes:
    """Return a photo as somebody might save it again."""
    with Image.open(photo) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    quality = 90
    if way == "half the size":
        image = image.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    elif way == "10 % cut off":
        image = image.crop((width // 20, height // 20, width - width // 20, height - height // 20))
    elif way == "grey":
        image = image.convert("L").convert("RGB")
    else:
        quality = int(way.rpartition(" ")[2])
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def copies(app: App, photos: PhotoSet, folder: Path) -> dict[str, NDArray[np.float64]]:
    """Score photos with what they are when saved again, by way; a face that is not found any more scores -1."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(np.flatnonzero(photos.counted), COPIED, replace=False).tolist()
    paths = [photos.folder / photos.photos[row] for row in chosen]
    vectors: dict[str, list[NDArray[np.float32] | None]] = {}
    for way in ("as it is", *SAVED_AGAIN):
        sources = []
        for number, path in enumerate(paths):
            file = path
            if way != "as it is":
                file = folder / f"{number}.jpg"
                file.write_bytes(saved_again(path, way))
            sources.append(PhotoSource(str(file)))
        vectors[way] = [central_vector(each) for each in app.analyser().analyse(sources)]
    first = vectors.pop("as it is")
    return {
        way: np.array([-1.0 if a is None or b is None else float(a @ b) for a, b in zip(first, found, strict=True)])
        for way, found in vectors.items()
    }


def report_copies(app: App, sets: tuple[PhotoSet, ...], found: dict[str, tuple[Vectors, Rows]]) -> None:
    """Print how many photos saved again are taken for copies, and how many pairs of different photographs."""
    scores = app.scores
    if scores is None:
        raise SystemExit("the scores of this model were not measured")
    shares, mated = scores.mated.T
    levels = {share: float(np.interp(1 - share, shares, mated)) for share in COPY_SHARES}
    print(
        "\n| score of a copy (share of mated pairs above) | "
        + " | ".join(f"{s:.3f} ({k:g})" for k, s in levels.items())
    )
    print(f"|---|{'---|' * len(levels)}")
    for photos in sets:
        with tempfile.TemporaryDirectory() as folder:
            for way, given in copies(app, photos, Path(folder)).items():
                cells = [f"{(given >= level).mean():.1%}" for level in levels.values()]
                print(f"| {photos.name}, {way}, of {len(given)} | {' | '.join(cells)} |", flush=True)
        vectors = found[photos.name][0]
        place = np.cumsum(photos.counted) - 1
        one, other = (place[rows] for rows in photos.mated)
        pairs = np.einsum("nd,nd->n", vectors[one], vectors[other])
        cells = [f"{(pairs >= level).mean():.1%}" for level in levels.values()]
        print(f"| {photos.name}, two photographs of one person, {len(pairs)} pairs | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors, to spare embedding the next time")
    options = parser.parse_args()
    if not (options.data / "lfw_view1").is_dir():
        print(f"no development data at {options.data}: name its folder with --data or FACECLI_DATA")
        return
    app = App(Settings())
    if app.scores is None:
        raise SystemExit("the scores of this model were not measured")
    photo_sets = read_sets(options.data)
    run = Run(app.settings.embedder)
    centre = np.array(shipped_models()[run.embedder].centre)
    sets = {}
    for (_, name), faces in embed_sets(photo_sets, [run], options.cache).items():
        photos = next(each for each in photo_sets if each.name == name)
        vectors = faces.vectors[photos.counted] - centre
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        sets[name] = vectors, photos.people[photos.counted].astype(np.int64) + 1
    report_alarms(sets, app.scores)
    report_faults(sets, app.scores)
    report_sound(sets, app.scores)
    report_copies(app, photo_sets, sets)


if __name__ == "__main__":
    main()
