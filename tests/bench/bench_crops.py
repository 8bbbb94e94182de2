"""What a face loses by being kept as a crop: ``python tests/bench/bench_crops.py DATA [--photos N]``.

The largest face of each photo is embedded from the photo and from its crop, by every embedder that ships, for several
sizes and qualities of the JPEG; DATA holds lfw_view1, legislators and wider_train.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np

from facecli.app import App
from facecli.embed import face_crop
from facecli.media.images import decode_photo, load_photo
from facecli.settings import Settings
from facecli.types import Detection, Photo

EMBEDDERS = ("sface", "mobilefacenet", "dlib-resnet")
SETS = ("lfw_view1", "legislators", "wider_train")
SCALES = (1.25, 1.61, 2.0)
QUALITIES = (90, 95)
LEAST_FACE_PX = 20


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=100, help="of each set")
    parser.add_argument("--precision", default="f32")
    options = parser.parse_args()
    apps = {name: App(Settings(embedder=name, precision=options.precision)) for name in EMBEDDERS}
    detector = apps["sface"].detector
    faces: dict[str, list[tuple[Photo, Detection]]] = {}
    for name in SETS:
        paths = sorted((options.data / name).rglob("*.jpg"))
        chosen = [paths[at] for at in np.linspace(0, len(paths) - 1, options.photos).astype(int)]
        photos = [load_photo(path) for path in dict.fromkeys(chosen)]
        found = [(photo, detector.detect([photo])[0]) for photo in photos]
        faces[name] = [(photo, all_[0]) for photo, all_ in found if all_ and all_[0].size_px >= LEAST_FACE_PX]
        sizes = [face.size_px for _, face in faces[name]]
        print(f"{name}: {len(sizes)} faces, sides {np.percentile(sizes, [5, 50, 95]).round()} px")
    both = [each for some in faces.values() for each in some]
    before = {name: vectors(app, both) for name, app in apps.items()}
    noise = {name: cosines(before[name], vectors(app, shifted(both))) for name, app in apps.items()}
    print("landmarks moved by 0.25 px at random:", {name: words(each) for name, each in noise.items()})
    ends = np.cumsum([len(some) for some in faces.values()])[:-1]
    for scale in SCALES:
        for quality in QUALITIES:
            face_crop.MAX_SCALE, face_crop.JPEG_QUALITY = scale, quality
            started = perf_counter()
            crops = [face_crop.cut_crop(photo, face) for photo, face in both]
            elapsed = (perf_counter() - started) / len(both)
            opened = [decode_photo(crop.image, "a crop") for crop in crops]
            again = [
                (photo, Detection(face.box_xyxy, crop.landmarks_xy, 1.0))
                for photo, crop, (_, face) in zip(opened, crops, both, strict=True)
            ]
            sizes = [len(crop.image) for crop in crops]
            parts = " ".join(f"{part.mean():.0f}" for part in np.split(np.array(sizes), ends))
            print(f"scale {scale} quality {quality}: {np.mean(sizes):.0f} bytes ({parts}), {1e3 * elapsed:.2f} ms")
            for name, app in apps.items():
                scores = cosines(before[name], vectors(app, again))
                each = " ".join(f"{np.nanmean(part):.4f}" for part in np.split(scores, ends))
                print(f"  {name}: {words(scores)} ({each})")


def vectors(app: App, faces: list[tuple[Photo, Detection]]) -> np.ndarray:
    """Embed faces; a row of NaN where that fails."""
    aligned = [app.embedder.align(photo, face) for photo, face in faces]
    made = app.embedder.embed(aligned)
    size = next(len(each.vector) for each in made if each)
    return np.stack([each.vector if each else np.full(size, np.nan) for each in made])


def shifted(faces: list[tuple[Photo, Detection]]) -> list[tuple[Photo, Detection]]:
    """Move landmarks by as little as another machine's arithmetic may."""
    rng = np.random.default_rng(0)
    return [
        (
            photo,
            Detection(face.box_xyxy, (face.landmarks_xy + rng.normal(0, 0.25, (5, 2))).astype(np.float32), 1.0),
        )
        for photo, face in faces
    ]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of one with the same row of the other; NaN where one is missing."""
    return np.asarray((a * b).sum(1))


def words(scores: np.ndarray) -> str:
    """Mean, first percentile and least."""
    return f"mean {np.nanmean(scores):.4f}, 1 % {np.nanpercentile(scores, 1):.4f}, least {np.nanmin(scores):.4f}"


if __name__ == "__main__":
    main()
