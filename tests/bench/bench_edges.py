"""Show what the edge map costs and spares, and that it loses no face. Prints tables.

    python tests/bench/bench_edges.py [--data DIR] [--every N] [--detectors centerface,yunet]

Every photo goes through each detector with and without the edge map: as it is, made faint and blurred, and pasted on a
page. A face is lost if it has no counterpart of IoU >= 0.7 with the edge map, gained if it has none without it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facecli.detect import centerface, yunet
from facecli.detect.edges import edge_map
from facecli.detect.letterbox import DetectionSize
from facecli.detect.single_shot import Decoder, SingleShotDetector
from facecli.geometry import iou
from facecli.media.images import load_photo
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Preprocessing
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.types import Detection, Photo

DATA = Path(os.environ.get("FACECLI_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SETS = {
    "legislators": "legislators/images/**/*.jpg",
    "lfw_view1": "lfw_view1/**/*.jpg",
    "wider_train": "wider_train/*.jpg",
    "counts": "counts/*.jpg",
}
# Decoder and threshold.
DETECTORS: dict[str, tuple[Decoder, float]] = {"centerface": (centerface.decode, 0.4), "yunet": (yunet.decode, 0.6)}
SIZE = DetectionSize(None, 20)
SAME_IOU = 0.7

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def blurred(pixels: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), share * max(pixels.shape[:2])), np.float32)


# Contrast and ground in grey levels; blur as a share of the long side.
FAINT: dict[str, Change] = {
    "contrast 0.2, dark": lambda x: x * 0.2,
    "contrast 0.1, dark": lambda x: x * 0.1 + 10,
    "contrast 0.1, bright": lambda x: x * 0.1 + 200,
    "contrast 0.05, mid": lambda x: x * 0.05 + 120,
    "blur 2 %": lambda x: blurred(x, 0.02),
    "contrast 0.2, blur 1 %": lambda x: blurred(x * 0.2 + 90, 0.01),
    "contrast 0.1, blur 2 %": lambda x: blurred(x * 0.1 + 90, 0.02),
}


@dataclass
class Tally:
    """What a detector found in a set with and without the edge map."""

    photos: int = 0
    faces: int = 0
    lost: int = 0
    gained: int = 0
    blank: int = 0
    with_s: float = 0.0
    without_s: float = 0.0

    def add(self, photos: Sequence[Photo], with_edges: SingleShotDetector, without: SingleShotDetector) -> None:
        for photo in photos:
            # In turn, each first every other time, so that what else the machine does hits both alike.
            order = [(with_edges, "with_s"), (without, "without_s")]
            found = {}
            for detector, attribute in order if self.photos % 2 else order[::-1]:
                start = time.perf_counter()
                found[attribute] = detector.detect([photo])[0]
                setattr(self, attribute, getattr(self, attribute) + time.perf_counter() - start)
            self.photos += 1
            self.blank += edge_map(photo.pixels).is_blank
            self.faces += len(found["without_s"])
            self.lost += alone(found["without_s"], found["with_s"])
            self.gained += alone(found["with_s"], found["without_s"])

    def row(self, name: str) -> str:
        ratio = self.with_s / self.without_s
        return (
            f"{name:32} {self.photos:6} {self.blank:6} {self.faces:6} {self.lost:5} {self.gained:6} {ratio:9.2f}"
            f" {self.without_s / self.photos * 1e3:9.1f}"
        )


HEADER = f"{'':32} photos  blank  faces  lost gained time ratio  ms without"


def alone(faces: Sequence[Detection], others: Sequence[Detection]) -> int:
    """Count faces without a counterpart among others."""
    if not faces or not others:
        return len(faces)
    overlap = iou(np.array([face.box_xyxy for face in faces]), np.array([other.box_xyxy for other in others]))
    return int((overlap.max(1) < SAME_IOU).sum())


def changed(photo: Photo, change: Change) -> Photo:
    pixels = change(photo.pixels.astype(np.float32))
    return Photo(np.clip(np.round(pixels), 0, 255).astype(np.uint8), photo.source)


def pages(photo: Photo, rng: np.random.Generator) -> Iterable[tuple[str, Photo]]:
    """Paste a photo at its size on pages of A4 at 300 dpi and of 1280 x 905, and between letterbox bars."""
    for name, (height, width), ground, noise in (
        ("A4, white", (3508, 2480), 255, 0),
        ("A4, black", (3508, 2480), 0, 0),
        ("A4, scanner noise", (3508, 2480), 244, 2),
        ("1280x905, white", (905, 1280), 255, 0),
    ):
        page = np.full((height, width, 3), ground, np.float32)
        if noise:
            page += rng.normal(0, noise, page.shape).astype(np.float32)
        part = photo.pixels[:height, :width]
        top, left = (int(rng.integers(0, room + 1)) for room in (height - part.shape[0], width - part.shape[1]))
        page[top : top + part.shape[0], left : left + part.shape[1]] = part
        yield name, Photo(np.clip(np.round(page), 0, 255).astype(np.uint8), photo.source)


def blanks(rng: np.random.Generator) -> Iterable[tuple[str, Photo]]:
    height, width = 905, 1280
    ramp = np.linspace(0, 1, width, dtype=np.float32)[None, :, None] * np.ones((height, 1, 3), np.float32)
    grounds = {"white": 255 + 0 * ramp, "black": 0 * ramp, "gradient of 40 levels": 240 - 40 * ramp}
    grounds |= {
        f"noise of {sigma} levels": 230 + rng.normal(0, sigma, ramp.shape).astype(np.float32) for sigma in (1, 2, 4, 8)
    }
    grounds["gradient of 100 levels"] = 240 - 100 * ramp
    for name, ground in grounds.items():
        pixels = np.clip(np.round(ground), 0, 255).astype(np.uint8)
        yield name, Photo(pixels)
        for quality in (90, 60):
            encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            yield f"{name}, JPEG {quality}", Photo(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))


def bench_blanks() -> None:
    print(f"\n{'1280x905':32} blank   ms (median of 50)")
    for name, photo in blanks(np.random.default_rng(1)):
        times = []
        for _ in range(50):
            start = time.perf_counter()
            blank = edge_map(photo.pixels).is_blank
            times.append(time.perf_counter() - start)
        print(f"{name:32} {'yes' if blank else 'no':5} {np.median(times) * 1e3:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--every", type=int, default=1, help="take every n-th photo")
    parser.add_argument("--faint-every", type=int, default=20, help="of these, make every n-th faint and paste it")
    parser.add_argument("--detectors", default=",".join(DETECTORS))
    options = parser.parse_args()
    bench_blanks()
    engine, shipped = OpenVinoEngine(), shipped_models()
    for name in options.detectors.split(","):
        decode, threshold = DETECTORS[name]
        network = engine.load(shipped[name].path, Preprocessing(inside=True))
        pair = [
            SingleShotDetector(network, decode, size=SIZE, threshold=threshold, use_edges=use) for use in (True, False)
        ]
        print(f"\n{name + ' at ' + str(threshold):32}{HEADER[32:]}")
        tallies: dict[str, Tally] = {}
        rng = np.random.default_rng(2)
        for set_name, pattern in SETS.items():
            for index, path in enumerate(sorted(options.data.glob(pattern))[:: options.every]):
                photo = load_photo(path)
                tallies.setdefault(set_name, Tally()).add([photo], *pair)
                if index % options.faint_every:
                    continue
                for label, change in FAINT.items():
                    tallies.setdefault(f"all, {label}", Tally()).add([changed(photo, change)], *pair)
                for label, page in pages(photo, rng):
                    tallies.setdefault(f"all on {label}", Tally()).add([page], *pair)
            if set_name in tallies:
                print(tallies.pop(set_name).row(set_name), flush=True)
        for label, tally in tallies.items():
            print(tally.row(label), flush=True)


if __name__ == "__main__":
    main()
