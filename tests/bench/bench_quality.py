"""Show what each reason of facecli/embed/quality.py is worth: the errors that rejecting by it spares. Prints tables.

    python tests/bench/bench_quality.py [--data DIR] [--embedder NAME] [--half choose|report|all] [--card FILE]

Needs lfw_view1 and its 500 mated pairs. Natural: every mated pair among the photos of people who have several. Made
worse: the second photo of each of the 500 pairs, by worse_faces.py. The threshold is the one for FMR 1e-3 (and 1e-5)
over all non-mated pairs of photos as they are. A comparison has the lower quality of its two photos. Limits and scales
are chosen on the people of one half ("choose") and reported on the other ("report", the default). Each crop is
embedded once. --card also writes what each step costs into a model card, between its markers.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from worse_faces import GoodFace, worsenings

from facecli.app import App
from facecli.embed import quality as scales
from facecli.embed.quality import Scale, assess
from facecli.evaluation.bootstrap import bootstrap_interval
from facecli.evaluation.error_curve import Tally, first_at_most
from facecli.evaluation.error_versus_reject import MAX_SHARE, RejectCurve, reject_curve
from facecli.evaluation.proportions import Interval, Proportion
from facecli.media.images import load_photo
from facecli.services.stages import Embedder
from facecli.settings import Settings
from facecli.types import Detection, Photo, Quality

DATA = Path(os.environ.get("FACECLI_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
FMRS = (1e-3, 1e-5)
SHARES = (0.0, 0.01, 0.02, 0.05, 0.10, 0.20)
SCORES = (0.1, 0.25, 0.5, 0.75, 1.0)
REPLICATES = 400
DETECT_TOGETHER = 16
NATURAL = ("natural", "as they are")
NONE = "-"

# Reason -> the measure behind it, and its scale.
REASONS: dict[str, tuple[str, Scale]] = {
    "too_small": ("size_px", scales.SIZE_PX),
    "blurred": ("sharpness", scales.SHARPNESS),
    "too_dark": ("highlights", scales.HIGHLIGHTS),
    "too_bright": ("brightness", scales.BRIGHTNESS),
    "turned_away": ("turn", scales.TURN),
    "cut_off": ("inside", scales.INSIDE),
}
OVERALL = "score"


def good_faces(app: App, folder: Path, names: Sequence[str]) -> dict[str, GoodFace]:
    """The most central face of each photo; a photo without one is left out, and counted by whoever asks for it."""
    faces = {}
    for start in range(0, len(names), DETECT_TOGETHER):
        photos = [load_photo(folder / name) for name in names[start : start + DETECT_TOGETHER]]
        for name, photo, found in zip(
            names[start : start + DETECT_TOGETHER], photos, app.detector.detect(photos), strict=True
        ):
            if found:
                detection = min(found, key=lambda each: distance_from_middle(photo, each))
                aligned = app.embedder.align(photo, detection)
                faces[name] = GoodFace(photo, detection, aligned, assess(photo, detection, aligned))
    return faces


def distance_from_middle(photo: Photo, detection: Detection) -> float:
    middle = np.array([photo.full_width, photo.full_height]) / 2
    return float(np.linalg.norm(detection.box_xyxy.reshape(2, 2).mean(0) - middle))


def merits(quality: Quality) -> list[float]:
    """The measure behind each reason, turned so that more is better, and the score."""
    return [
        quality.measures[measure] * math.copysign(1, scale.good - scale.useless) for measure, scale in REASONS.values()
    ] + [quality.score]


def vectors(embedder: Embedder, crops: Sequence) -> NDArray[np.float32]:
    """One row a crop; zeros where there is no vector, which no threshold accepts."""
    embeddings = embedder.embed(crops)
    size = next(each.vector.size for each in embeddings if each is not None)
    return np.stack([np.zeros(size, np.float32) if each is None else each.vector for each in embeddings])


@dataclass
class Comparisons:
    """Mated pairs under one condition.

    Attributes
    ----------
    scores, people : shape (N,)
    quality : shape (N, 7)
        By `merits`, the lower of the two photos.
    fmr : float
        Share of comparisons with everybody else's photos that reach the first threshold.
    """

    reason: str
    level: str
    scores: NDArray[np.float32]
    people: NDArray[np.intp]
    quality: NDArray[np.float64]
    fmr: float = 0.0

    def of(self, chosen: NDArray[np.bool_]) -> Comparisons:
        """Only the people chosen."""
        rows = chosen[self.people]
        return Comparisons(self.reason, self.level, self.scores[rows], self.people[rows], self.quality[rows], self.fmr)


@dataclass
class Measured:
    """Everything there is to compare.

    Attributes
    ----------
    conditions : list of Comparisons
        The natural one first.
    thresholds : tuple of float
        For each of `FMRS`.
    people, non_mated, lost : int
        And photos without a face.
    """

    conditions: list[Comparisons]
    thresholds: tuple[float, ...]
    people: int
    non_mated: int
    lost: int


def mated_pairs(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["file_a"], row["file_b"]) for row in csv.DictReader(file) if row["mated"] == "1"]


def measure(app: App, data: Path) -> Measured:
    folder = data / "lfw_view1"
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*.jpg"))
    several = {parent for parent in (path.parent for path in paths) if len(list((folder / parent).glob("*.jpg"))) > 1}
    names = [path.as_posix() for path in paths if path.parent in several]
    faces = good_faces(app, folder, names)
    kept = [name for name in names if name in faces]
    row_of = {name: row for row, name in enumerate(kept)}
    people = np.unique([Path(name).parts[0] for name in kept], return_inverse=True)[1]
    base = vectors(app.embedder, [faces[name].aligned for name in kept])
    merit = np.array([merits(faces[name].quality) for name in kept])

    similar = base @ base.T
    above = np.triu(np.ones_like(similar, bool), 1)
    mated = above & (people[:, None] == people)
    strangers = similar[above & ~mated].astype(np.float64)
    curve = Tally(strangers, np.zeros(strangers.size, bool)).curve()
    thresholds = tuple(float(curve.thresholds[index]) for index in first_at_most(curve, np.array(FMRS)))

    first, second = np.nonzero(mated)
    natural = Comparisons(*NATURAL, similar[mated], people[first], np.minimum(merit[first], merit[second]), FMRS[0])
    conditions = [natural]
    listed = [(a, b) for a, b in mated_pairs(data / "lfw_view1_pairs.csv") if a in faces and b in faces]
    references = np.array([row_of[a] for a, _ in listed])
    probes = sorted({b for _, b in listed})
    probe_of = {name: row for row, name in enumerate(probes)}
    rows = np.array([probe_of[b] for _, b in listed])
    for worsening in worsenings():
        worse = [worsening.change(faces[name], app.embedder) for name in probes]
        probe = vectors(app.embedder, [aligned for _, _, aligned in worse])
        probe_merit = np.array([merits(assess(*each)) for each in worse])
        everybody = probe @ base.T
        others = people[[row_of[name] for name in probes]][:, None] != people
        conditions.append(
            Comparisons(
                worsening.reason,
                worsening.level,
                everybody[rows, references],
                people[references],
                np.minimum(probe_merit[rows], merit[references]),
                float((everybody[others] >= thresholds[0]).mean()),
            )
        )
    return Measured(conditions, thresholds, int(people.max()) + 1, strangers.size, len(names) - len(kept))


def pooled(parts: Sequence[Comparisons]) -> Comparisons:
    """Conditions together, each pair once in each."""
    return Comparisons(
        parts[-1].reason,
        "all",
        np.concatenate([each.scores for each in parts]),
        np.concatenate([each.people for each in parts]),
        np.concatenate([each.quality for each in parts]),
    )


def interval_of(interval: Interval | None, form: Callable[[float], str]) -> str:
    return NONE if interval is None else f"{form(interval.low)} to {form(interval.high)}"


def percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


def rate_of(missed: NDArray[np.bool_]) -> str:
    share = Proportion(int(missed.sum()), missed.size)
    if share.rate is None:
        return NONE
    return f"{percent(share.rate)} ({interval_of(share.interval, percent)}), {share.count} of {share.trials}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(markdown(header, rows) + "\n")


def show_levels(measured: Measured) -> str:
    """What each step of each worsening costs, as a table: nothing was chosen by it, so all pairs count."""
    print(
        f"### One photo of each pair made worse, FMR {FMRS[0]:g} (threshold {measured.thresholds[0]:.3f})\n\n"
        "Still pass: mated pairs that reach the threshold, in %, with the Wilson interval. Refused: by this reason.\n"
        "FMR: of the same faces with everybody else's photos, in %.\n"
    )
    rows = []
    for each in measured.conditions:
        passed = Proportion(int((each.scores >= measured.thresholds[0]).sum()), each.scores.size)
        refused = NONE
        if each.reason in REASONS:
            scale, column = REASONS[each.reason][1], list(REASONS).index(each.reason)
            limit = scale.limit * math.copysign(1, scale.good - scale.useless)
            refused = percent(float((each.quality[:, column] < limit).mean()))
        low_high = interval_of(passed.interval, percent)
        rows.append(
            (
                each.reason,
                each.level,
                str(passed.trials),
                f"{percent(passed.rate or 0)} ({low_high})",
                refused,
                f"{100 * each.fmr:.2f}",
            )
        )
    levels = markdown(["reason", "made worse to", "pairs", "still pass", "refused", "FMR"], rows)
    print(levels + "\n")
    return levels


def write_between(path: Path, marker: str, text: str) -> None:
    """Replace what stands between ``<!-- MARKER -->`` and ``<!-- /MARKER -->``."""
    start, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    before, found_start, rest = path.read_text("utf-8").partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise SystemExit(f"{path} has no markers {marker}")
    path.write_text(f"{before}{start}\n{text}\n\n{end}{after}", "utf-8")


def gain_of(pool: Comparisons, threshold: float, column: int, people: int) -> tuple[RejectCurve, str]:
    """The curve, and how far rejecting by this column comes from chance (0) to the ideal (1), in words."""
    missed, merit = pool.scores < threshold, pool.quality[:, column]
    curve = reject_curve(missed, merit)

    def gain(weights: NDArray[np.int64]) -> float:
        each = weights[pool.people]
        return reject_curve(missed, merit, each).gain() if each.any() else math.nan

    interval = bootstrap_interval(gain, people, replicates=REPLICATES)
    verdict = "cannot be told"
    if interval is not None and interval.low > 0:
        verdict = "yes"
    elif interval is not None and interval.high < 0:
        verdict = "worse than chance"
    value = curve.gain()
    if math.isnan(value):
        return curve, "no error"
    return curve, f"{value:.2f} ({interval_of(interval, lambda each: f'{each:.2f}')}): {verdict}"


def show_curves(conditions: Sequence[Comparisons], measured: Measured) -> None:
    """FNMR as the worst are rejected."""
    print(
        f"### FNMR in % as the comparisons of the lowest quality are rejected\n\n"
        f"Gain: of the area below the curve to {MAX_SHARE:.0%} rejected, from chance (0) to the ideal (1), with a 95 % "
        "interval (bootstrap over people).\n"
    )
    natural, worse = conditions[0], conditions[1:]
    pools = [(f"natural, FMR {fmr:g}", natural, at) for fmr, at in zip(FMRS, measured.thresholds, strict=True)]
    rows = []
    for column, name in enumerate([*REASONS, OVERALL]):
        own = [each for each in worse if each.reason == name] or (list(worse) if name == OVERALL else [])
        made = [("natural and made worse", pooled([natural, *own]), measured.thresholds[0])] if own else []
        for label, pool, threshold in [*pools, *made]:
            curve, gain = gain_of(pool, threshold, column, measured.people)
            errors = round(curve.fnmr * pool.scores.size)
            cells = [percent(curve.fnmr_at(share)) for share in SHARES]
            rows.append([name, label, f"{errors} of {pool.scores.size}", *cells, gain])
    table(["reject by", "pairs", "errors", *(f"{share:.0%}" for share in SHARES), "gain"], rows)


def show_limits(conditions: Sequence[Comparisons], measured: Measured) -> None:
    """FNMR on both sides of the limits."""
    print("### FNMR in % below and above the limits (Wilson interval)\n")
    natural, worse = conditions[0], conditions[1:]
    rows = []
    for column, name in enumerate([*REASONS, OVERALL]):
        own = [each for each in worse if name in (each.reason, OVERALL)]
        if name == OVERALL:
            limit, shown = scales.PASS, f"{scales.PASS:g}"
        else:
            scale = REASONS[name][1]
            limit, shown = scale.limit * math.copysign(1, scale.good - scale.useless), f"{scale.limit:g}"
        for label, pool in [("natural", natural), *([("made worse", pooled(own))] if own else [])]:
            missed, below = pool.scores < measured.thresholds[0], pool.quality[:, column] < limit
            rows.append([name, shown, label, rate_of(missed[below]), rate_of(missed[~below])])
    table(["reason", "limit", "pairs", "below", "above"], rows)


def show_least_qualities(conditions: Sequence[Comparisons], measured: Measured) -> None:
    """What --min-quality costs and spares."""
    print("### --min-quality: share rejected, and FNMR in % of what is left\n")
    natural, worse = conditions[0], pooled(conditions[1:])
    rows = []
    for least in SCORES:
        cells = [f"{least:g}"]
        for pool in (natural, worse):
            kept = pool.quality[:, -1] >= least
            cells += [percent(float(1 - kept.mean())), rate_of((pool.scores < measured.thresholds[0])[kept])]
        rows.append(cells)
    table(["least quality", "natural: rejected", "FNMR left", "made worse: rejected", "FNMR left"], rows)


def show_parts(conditions: Sequence[Comparisons], measured: Measured) -> None:
    """Does the score need each part: the area below its curve with and without it, over everything together."""
    print("### The score without one of its parts, all conditions together\n")
    pool = pooled(conditions)
    missed = pool.scores < measured.thresholds[0]
    parts = np.stack(
        [
            [scale.part(value * math.copysign(1, scale.good - scale.useless)) for value in pool.quality[:, column]]
            for column, (_, scale) in enumerate(REASONS.values())
        ],
        1,
    )
    whole = parts.min(1)
    rows = [[NONE, f"{reject_curve(missed, whole).gain():.3f}", ""]]
    for column, name in enumerate(REASONS):
        without = np.delete(parts, column, 1).min(1)

        def lost(weights: NDArray[np.int64], without: NDArray[np.float64] = without) -> float:
            each = weights[pool.people]
            return reject_curve(missed, whole, each).gain() - reject_curve(missed, without, each).gain()

        interval = bootstrap_interval(lost, measured.people, replicates=REPLICATES // 4)
        gain = reject_curve(missed, without).gain()
        rows.append([name, f"{gain:.3f}", interval_of(interval, lambda each: f"{each:.3f}")])
    table(["left out", "gain", "lost by leaving it out (95 %)"], rows)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--embedder", default="sface")
    parser.add_argument("--half", choices=("choose", "report", "all"), default="report")
    parser.add_argument("--card", type=Path, help="model card to write into")
    options = parser.parse_args()
    if not (options.data / "lfw_view1_pairs.csv").is_file():
        # `make bench` goes on: where the data is not, there is nothing to measure.
        print(f"no development data at {options.data}: name its folder with --data or FACECLI_DATA")
        return
    started = time.perf_counter()
    measured = measure(App(Settings(embedder=options.embedder)), options.data)
    natural = measured.conditions[0]
    print(
        f"{options.embedder}, CenterFace's landmarks: {measured.people} people, {natural.scores.size} natural mated "
        f"pairs, {measured.non_mated:,} non-mated, {measured.lost} photos without a face; thresholds "
        + ", ".join(f"{at:.3f} at FMR {fmr:g}" for fmr, at in zip(FMRS, measured.thresholds, strict=True))
        + "\n"
    )
    levels = show_levels(measured)
    if options.card:
        write_between(options.card, "quality tables", levels)
    even = np.arange(measured.people) % 2 == 0
    chosen = {"choose": even, "report": ~even, "all": np.ones_like(even)}[options.half]
    conditions = [each.of(chosen) for each in measured.conditions]
    print(f"From here on {chosen.sum()} people ({options.half}), {conditions[0].scores.size} natural mated pairs.\n")
    show_curves(conditions, measured)
    show_limits(conditions, measured)
    show_least_qualities(conditions, measured)
    show_parts(conditions, measured)
    used = os.times()
    print(f"{time.perf_counter() - started:.0f} s, {used.user + used.system:.0f} s of processor time")


if __name__ == "__main__":
    main()
