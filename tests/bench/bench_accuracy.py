"""Measure how well the embedders that ship tell people apart. Prints a Markdown table.

    python tests/bench/bench_accuracy.py [--data DIR] [--embedder NAME ...]

Needs the development data (``$FACECLI_DATA``, or ../shared/data beside the checkout): lfw_view1 with its 500 + 500
pairs, and legislators. Of each photo the most central face counts; a photo without a face scores -1 with every other
one, so a failure to detect is an error where the pair is mated. The model cards quote what this prints.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecli.app import App
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.stages import Detector
from facecli.settings import Settings
from facecli.types import Detection, Photo

DATA = Path(os.environ.get("FACECLI_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
EMBEDDERS = ("sface", "mobilefacenet", "dlib-resnet")
FMR = 1e-3
FPIR = 0.01
GALLERY_SIZES = (100, 1000)
SPLITS = 200
SEED = 0
FAILED = -1.0  # the least cosine there is: no threshold accepts it


class RememberingDetector:
    """Finds the faces of a photo once, whatever number of embedders ask."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[str, list[Detection]] = {}
        self.size = detector.size

    def detect(self, photos: Sequence[Photo]) -> list[list[Detection]]:
        new = [photo for photo in photos if photo.source not in self._found]
        if new:
            self._found |= dict(zip((photo.source for photo in new), self._detector.detect(new), strict=True))
        return [self._found[photo.source] for photo in photos]


@dataclass
class Faces:
    """One vector a photo; zeros where there is none."""

    rows: dict[str, int]
    vectors: NDArray[np.float32]
    failed: NDArray[np.bool_]

    def score(self, a: str, b: str) -> float:
        row_a, row_b = self.rows[a], self.rows[b]
        if self.failed[row_a] or self.failed[row_b]:
            return FAILED
        return float(self.vectors[row_a] @ self.vectors[row_b])

    def scores(self) -> NDArray[np.float32]:
        """Every photo with every other one."""
        scores = self.vectors @ self.vectors.T
        scores[self.failed] = FAILED
        scores[:, self.failed] = FAILED
        return scores


def central_vector(analysis: Analysis) -> NDArray[np.float32] | None:
    """The vector of the face whose middle is nearest to the photo's."""
    if analysis.photo is None or not analysis.faces:
        return None
    middle = np.array([analysis.photo.full_width, analysis.photo.full_height], np.float32) / 2

    def distance(box_xyxy: NDArray[np.float32]) -> float:
        return float(np.linalg.norm((box_xyxy[:2] + box_xyxy[2:]) / 2 - middle))

    face = min(analysis.faces, key=lambda each: distance(each.detection.box_xyxy))
    return None if face.embedding is None else face.embedding.vector


def embedded(app: App, folder: Path, names: Sequence[str]) -> Faces:
    """Embed every photo named, once."""
    found = [central_vector(each) for each in app.analyser().analyse(PhotoSource(str(folder / name)) for name in names)]
    dimension = next(vector.size for vector in found if vector is not None)
    return Faces(
        {name: row for row, name in enumerate(names)},
        np.stack([np.zeros(dimension, np.float32) if vector is None else vector for vector in found]),
        np.array([vector is None for vector in found]),
    )


def read_pairs(path: Path) -> list[tuple[bool, str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["mated"] == "1", row["file_a"], row["file_b"]) for row in csv.DictReader(file)]


def best_accuracy(mated: NDArray[np.float64], non_mated: NDArray[np.float64]) -> tuple[float, float]:
    """Share of right answers at the threshold that gives the most, and that threshold."""
    thresholds = np.unique(np.concatenate([mated, non_mated, [np.inf]]))
    accepted = len(mated) - np.searchsorted(np.sort(mated), thresholds)
    rejected = np.searchsorted(np.sort(non_mated), thresholds)
    right = (accepted + rejected) / (len(mated) + len(non_mated))
    best = int(np.argmax(right))
    return float(right[best]), float(thresholds[best])


def threshold_at(rate: float, non_mated: NDArray[np.floating]) -> float:
    """The least threshold that at most this share of non-mated scores reaches."""
    allowed = int(rate * len(non_mated))
    reached_by_too_many = np.partition(non_mated, len(non_mated) - allowed - 1)[len(non_mated) - allowed - 1]
    return float(np.nextafter(reached_by_too_many, np.inf, dtype=np.float32))


@dataclass
class OpenSet:
    """Error rates of a search among strangers: the scores of all splits together.

    `mated` are of searches for somebody enrolled, `FAILED` where another person was nearer.
    """

    mated: NDArray[np.float32]
    non_mated: NDArray[np.float32]

    def fnir(self, threshold: float) -> float:
        return float(np.mean(self.mated < threshold))

    def fpir(self, threshold: float) -> float:
        return float(np.mean(self.non_mated >= threshold))


def open_set(scores: NDArray[np.float32], people: NDArray[np.int64], size: int) -> OpenSet:
    """Enrol one photo each of `size` people drawn at random, and search all other photos, `SPLITS` times.

    The splits draw from the same photos, so they are no 200 independent trials.
    """
    rng = np.random.default_rng(SEED)
    everybody = np.unique(people)
    strangers, hits = [], []
    for _ in range(SPLITS):
        chosen = rng.choice(everybody, size, replace=False)
        gallery = np.array([rng.choice(np.flatnonzero(people == person)) for person in chosen])
        probes = np.setdiff1d(np.arange(len(people)), gallery)
        found = scores[np.ix_(probes, gallery)]
        nearest, best = chosen[found.argmax(1)], found.max(1)
        known = np.isin(people[probes], chosen)
        strangers.append(best[~known])
        hits.append(np.where(nearest == people[probes], best, FAILED)[known])
    return OpenSet(np.concatenate(hits), np.concatenate(strangers))


def photos_of(pairs: Iterable[tuple[bool, str, str]]) -> list[str]:
    return sorted({name for _, a, b in pairs for name in (a, b)})


def measure(app: App, data: Path) -> dict[str, str]:
    """Return one embedder's figures: what was measured, and the answer."""
    figures = {}
    pairs = read_pairs(data / "lfw_view1_pairs.csv")
    faces = embedded(app, data / "lfw_view1", photos_of(pairs))
    mated, non_mated = (np.array([faces.score(a, b) for same, a, b in pairs if same is kind]) for kind in (True, False))
    accuracy, threshold = best_accuracy(mated, non_mated)
    figures[f"LFW view 1, {len(mated)} + {len(non_mated)} pairs, best accuracy"] = f"{accuracy:.2%} at {threshold:.3f}"
    figures[f"LFW view 1, photos without a face, of {len(faces.rows)}"] = f"{faces.failed.sum()}"

    folder = data / "legislators" / "images"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    faces = embedded(app, folder, names)
    people = np.unique([Path(name).parts[0] for name in names], return_inverse=True)[1]
    scores = faces.scores()
    above = np.triu(people[:, None] != people[None, :], 1)
    threshold = threshold_at(FMR, scores[above])
    figures[f"legislators, {above.sum():,} non-mated pairs, threshold at FMR {FMR:.1%}"] = f"{threshold:.3f}"
    pairs = read_pairs(data / "legislators" / "pairs.csv")
    mated = np.array([faces.score(a, b) for same, a, b in pairs if same])
    accepted = int((mated >= threshold).sum())
    figures[f"legislators, {len(mated)} mated pairs, TAR there"] = f"{accepted / len(mated):.2%} ({accepted})"
    shipped = app.threshold
    for size in GALLERY_SIZES:
        answer = open_set(scores, people, size)
        mated_count, non_mated_count = len(answer.mated) / SPLITS, len(answer.non_mated) / SPLITS
        case = f"legislators, {size:,} enrolled, {mated_count:.0f} mated + {non_mated_count:,.0f} non-mated a split"
        threshold = threshold_at(FPIR, answer.non_mated)
        figures[f"{case}: threshold at FPIR {FPIR:.0%}"] = f"{threshold:.3f}"
        figures[f"{case}: FNIR there"] = f"{answer.fnir(threshold):.1%}"
        figures[f"{case}: FPIR, FNIR at the threshold that ships"] = (
            f"{answer.fpir(shipped):.1%}, {answer.fnir(shipped):.1%} at {shipped}"
        )
    figures[f"legislators, photos without a face, of {len(names):,}"] = f"{faces.failed.sum()}"
    return figures


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--embedder", nargs="+", default=EMBEDDERS, metavar="NAME", help="by default all that ship")
    parser.add_argument("--detector", default="centerface", help="whose landmarks align the faces")
    options = parser.parse_args()
    if not (options.data / "lfw_view1_pairs.csv").is_file():
        # `make bench` goes on: where the data is not, there is nothing to measure.
        print(f"no development data at {options.data}: name its folder with --data or FACECLI_DATA")
        return
    detector = None
    columns: dict[str, dict[str, str]] = {}
    for name in options.embedder:
        started = time.perf_counter()
        app = App(Settings(embedder=name, detector=options.detector))
        detector = detector or RememberingDetector(app.detector)
        app.detector = detector
        columns[name] = measure(app, options.data)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    print(f"{options.detector}'s landmarks, mirror averaging on, {SPLITS} splits with seed {SEED}\n")
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in next(iter(columns.values())):
        print(f"| {row} | {' | '.join(figures[row] for figures in columns.values())} |")


if __name__ == "__main__":
    main()
