"""Compare detectors and their settings: faces found, false alarms, time. Prints a table.

    python tests/bench/bench_detect.py [--data DIR] [--repeats N] [--only WORD]

Recall is over the valid faces of wider_train whose shorter side is 20 pixels or more, matched as `facecli evaluate
detect` does: at IoU >= 0.5, each face found once; a false positive overlaps no labelled face that much, or only one
that a surer detection found. Sizes show where recall begins. Times are wall time a photo, decoding left out: every
setting goes through the whole set in turn, and the median of the passes is shown, so that ratios hold on a machine that
does other work too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from facecli.detect import centerface, yunet
from facecli.detect.defaults import DETECTOR_DEFAULTS
from facecli.detect.letterbox import DetectionSize
from facecli.detect.mtcnn import MtcnnDetector
from facecli.detect.single_shot import SingleShotDetector
from facecli.evaluation.detection import PhotoMatches, TrueFaces, false_positive_count, match, recall
from facecli.media.images import load_photo
from facecli.runtime.device import Device
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Preprocessing
from facecli.runtime.openvino_engine import OpenVinoEngine, Precision
from facecli.services.evaluate.face_boxes import read_face_boxes
from facecli.types import Detection, Photo

DATA = Path(os.environ.get("FACECLI_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
MIN_FACE_PX = 20
PRECISIONS: tuple[Precision, ...] = ("f32", "bf16")
SIZES_PX = (20, 30, 40, 80, 10_000)


@dataclass
class Setting:
    """One way to detect, run once at its lowest threshold and judged at all of them."""

    name: str
    detector: SingleShotDetector | MtcnnDetector
    thresholds: tuple[float, ...]
    passes_s: list[float] = field(default_factory=list)
    found: list[list[Detection]] = field(default_factory=list)
    counted_faces: list[list[Detection]] = field(default_factory=list)


def settings() -> Iterable[Setting]:
    engine, shipped = OpenVinoEngine(), shipped_models()
    decoders = {"centerface": (centerface.decode, (0.3, 0.4, 0.5)), "yunet": (yunet.decode, (0.5, 0.6, 0.7))}
    for name, (decode, thresholds) in decoders.items():
        network = engine.load(shipped[name].path, Preprocessing(inside=True))
        for long_side in (640, 960, 1280):
            for face_px in (16, 20, 25):
                detector = SingleShotDetector(
                    network, decode, size=DetectionSize(None, face_px, long_side), threshold=thresholds[0]
                )
                yield Setting(f"{name} {long_side} {face_px}", detector, thresholds)
    default = DETECTOR_DEFAULTS["centerface"]
    for precision in PRECISIONS:
        network = OpenVinoEngine(precision=precision).load(shipped["centerface"].path, Preprocessing(inside=True))
        for look in (None, default.first_look):
            detector = SingleShotDetector(
                network,
                centerface.decode,
                size=DetectionSize(None, default.network_face_px),
                threshold=default.threshold,
                first_look=look,
            )
            name = f"centerface {precision}" + (", a look first" if look else "")
            yield Setting(name, detector, (default.threshold,))
    for face_px in (16, 20, 25):
        mtcnn = MtcnnDetector(Device("cpu"), size=DetectionSize(None, face_px, 1280), threshold=0.6)
        yield Setting(f"mtcnn 1280 {face_px}", mtcnn, (0.6, 0.7, 0.8))


def judge(faces: list[Detection], truth: TrueFaces) -> PhotoMatches:
    boxes = np.array([face.box_xyxy for face in faces], np.float32).reshape(-1, 4)
    return match(boxes, np.array([face.confidence for face in faces], np.float32), truth)


def detect_all(detector: SingleShotDetector | MtcnnDetector, photos: list[Photo]) -> list[list[Detection]]:
    return [detector.detect([photo])[0] for photo in photos]


def report(setting: Setting, truths: list[TrueFaces], counts: list[int], photo_count: int) -> None:
    ms = statistics.median(setting.passes_s) / photo_count * 1e3
    for threshold in setting.thresholds:
        sure = [[face for face in faces if face.confidence >= threshold] for faces in setting.found]
        judged = [judge(faces, truth) for faces, truth in zip(sure, truths, strict=True)]
        by_size = "".join(
            f"{recall(judged, low_px=low, high_px=high).rate or 0:7.1%}" for low, high in pairwise(SIZES_PX)
        )
        exact = sum(
            sum(face.confidence >= threshold for face in faces) == count
            for faces, count in zip(setting.counted_faces, counts, strict=True)
        )
        print(
            f"{setting.name:24} {threshold:.1f} {recall(judged, low_px=MIN_FACE_PX).rate or 0:7.1%}"
            f" {false_positive_count(judged):5}"
            f"{by_size} {exact:4}/{len(counts)} {ms:8.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="only settings whose name holds this")
    options = parser.parse_args()
    truth = read_face_boxes(options.data / "wider_train" / "boxes.json").photos
    photos = [load_photo(options.data / "wider_train" / name) for name in truth]
    # A digit after the underscore is the number of faces; a letter is who is shown, of how many nothing is said.
    count_paths = sorted((options.data / "counts").glob("*_[0-9].jpg"))
    counts = [int(path.stem.split("_")[1]) for path in count_paths]
    count_photos = [load_photo(path) for path in count_paths]
    chosen = [setting for setting in settings() if options.only in setting.name]
    for _ in range(options.repeats):
        for setting in chosen:
            if not setting.passes_s:
                detect_all(setting.detector, photos[:3])
            start = time.perf_counter()
            setting.found = detect_all(setting.detector, photos)
            setting.passes_s.append(time.perf_counter() - start)
    heads = "".join(f"{f'{low}-{high}' if high < 10_000 else f'{low}-':>7}" for low, high in pairwise(SIZES_PX))
    nothing = [judge([], each) for each in truth.values()]
    total = recall(nothing, low_px=MIN_FACE_PX).trials
    print(f"{len(photos)} photos, {total} faces counted; counts/: {len(counts)} photos with the exact number")
    print(f"{'detector, side, face px':24} thr  recall    fp{heads}    exact       ms")
    for setting in chosen:
        setting.counted_faces = detect_all(setting.detector, count_photos)
        report(setting, list(truth.values()), counts, len(photos))


if __name__ == "__main__":
    main()
