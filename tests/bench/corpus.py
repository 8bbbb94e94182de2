"""Photos of the sizes that people have, made once from smaller ones: ``python tests/bench/corpus.py CACHE``.

Four sets: small (250 x 250, as Labeled Faces in the Wild), and 2, 12 and 24 megapixels with none to 30 faces, as a
camera writes them: noise of a sensor, JPEG of quality 91 with halved colours, and so files of realistic size. They are
made of photos enlarged, of several side by side, and of portraits pasted onto something else. Where the source has
boxes (wider_train), the faces of the result are known. The same sources give the same files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecli.evaluation.detection import TrueFaces
from facecli.services.evaluate.face_boxes import read_face_boxes

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
VERSION = 1  # of what is made; a cache of another one is made anew
SEED = 20
QUALITY = 91
MOST_FACES = 30
SMALL_SIDE = 250

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float, bool]  # left, top, right, bottom in pixels; whether it is ignored


@dataclass(frozen=True)
class SizeClass:
    """One of the sets: sizes (width, height) in pixels, and the sensor's noise (sigma) in grey levels."""

    sizes: tuple[tuple[int, int], ...]
    noise: float
    count: int


SIZES = {
    "2 MP": SizeClass(((1920, 1080), (1632, 1224), (1224, 1632)), 4.5, 60),
    "12 MP": SizeClass(((4000, 3000), (4032, 3024), (3000, 4000)), 6.0, 24),
    "24 MP": SizeClass(((6000, 4000), (6000, 4000), (4000, 6000)), 6.0, 16),
}
SMALL_COUNT = 400


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one size.

    Attributes
    ----------
    boxes : dict
        For the photos whose faces are all known: name of the file to its faces.
    """

    name: str
    folder: Path
    photos: list[Path]
    boxes: dict[str, TrueFaces]


@dataclass
class Scene:
    """A photo to make others of."""

    path: Path
    boxes: list[Box] | None = None  # None: not known

    def open(self) -> Image.Image:
        """Return it as RGB."""
        return Image.open(self.path).convert("RGB")


@dataclass
class Sources:
    """What the sets are made of."""

    small: list[Path] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    portraits: list[Path] = field(default_factory=list)


def find_sources(data: Path | None) -> Sources:
    """Take the development data where it is, and else what ships."""
    samples = sorted(SAMPLES.rglob("*.jpg"))
    if data is None or not (data / "wider_train").is_dir():
        return Sources([], [Scene(path) for path in samples], samples)
    labels = read_face_boxes(data / "wider_train" / "boxes.json")
    scenes = []
    for name, faces in sorted(labels.photos.items()):
        if len(faces.ignored) <= MOST_FACES:
            boxes = [(*map(float, box), bool(out)) for box, out in zip(faces.boxes_xyxy, faces.ignored, strict=True)]
            scenes.append(Scene(data / "wider_train" / name, boxes))
    small = sorted((data / "lfw_view1").rglob("*.jpg"))
    portraits = sorted((data / "legislators" / "images").rglob("*.jpg"))
    scenes += [Scene(path) for path in (*sorted((data / "counts").glob("*.jpg")), *samples)]
    return Sources(small, scenes, portraits)


def covered(scene: Scene, width: int, height: int, rng: np.random.Generator) -> tuple[Image.Image, list[Box] | None]:
    """Enlarge a photo until it covers a rectangle, cut that out of it, and move its boxes along."""
    image = scene.open()
    scale = max(width / image.width, height / image.height)
    enlarged = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    left, top = (int(rng.integers(0, most + 1)) for most in (enlarged[0] - width, enlarged[1] - height))
    source = (left / scale, top / scale, (left + width) / scale, (top + height) / scale)
    source = (*source[:2], min(source[2], image.width), min(source[3], image.height))
    made = image.resize((width, height), Image.Resampling.LANCZOS, box=source)
    if scene.boxes is None:
        return made, None
    boxes = []
    for x1, y1, x2, y2, ignored in scene.boxes:
        whole = np.array([x1 * scale - left, y1 * scale - top, x2 * scale - left, y2 * scale - top])
        cut = np.clip(whole, 0, [width, height, width, height])
        area, seen = np.prod(whole[2:] - whole[:2]), np.prod(np.maximum(cut[2:] - cut[:2], 0))
        if seen > 0:
            boxes.append((*map(float, cut), ignored or bool(seen < 0.7 * area)))  # a face cut off is no fair target
    return made, boxes


def emptiest(scene: Scene, width: int, height: int) -> Image.Image:
    """Enlarge a part of a photo that shows none of its faces: the background of something else."""
    image = scene.open()
    side = min(image.size) / 4
    best, free = (0.0, 0.0), -1.0
    centres = np.array([[(b[0] + b[2]) / 2, (b[1] + b[3]) / 2] for b in scene.boxes or []])
    for x in np.linspace(0, image.width - side, 6):
        for y in np.linspace(0, image.height - side, 6):
            distance = np.abs(centres - [x + side / 2, y + side / 2]).max(1).min() if len(centres) else 0.0
            if distance > free:
                best, free = (float(x), float(y)), float(distance)
    box = (*best, best[0] + side, best[1] + side)
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box)


def one_scene(
    sources: Sources, width: int, height: int, rng: np.random.Generator
) -> tuple[Image.Image, list[Box] | None]:
    """One photo, enlarged."""
    return covered(sources.scenes[rng.integers(len(sources.scenes))], width, height, rng)


def several_scenes(
    sources: Sources, width: int, height: int, rng: np.random.Generator
) -> tuple[Image.Image, list[Box] | None]:
    """Four photos, two by two."""
    known = [each for each in sources.scenes if each.boxes is not None] or sources.scenes
    canvas, boxes, all_known = Image.new("RGB", (width, height)), [], True
    for left in (0, width // 2):
        for top in (0, height // 2):
            fits = [each for each in known if len(boxes) + len(each.boxes or []) <= MOST_FACES]
            part, found = covered(fits[rng.integers(len(fits))], width // 2, height // 2, rng)
            canvas.paste(part, (left, top))
            all_known &= found is not None
            boxes += [(x1 + left, y1 + top, x2 + left, y2 + top, out) for x1, y1, x2, y2, out in found or []]
    return canvas, boxes if all_known else None


def pasted_portraits(
    sources: Sources, width: int, height: int, rng: np.random.Generator
) -> tuple[Image.Image, list[Box] | None]:
    """Portraits of many sizes, none over another, on the background of a photo; where their faces lie is not known."""
    canvas = emptiest(sources.scenes[rng.integers(len(sources.scenes))], width, height)
    columns = int(rng.integers(1, 7))
    rows = max(1, round(columns * height / width))
    cell_width, cell_height = width // columns, height // rows
    for column in range(columns):
        for row in range(rows):
            if rng.random() < 0.25:
                continue
            portrait = Image.open(sources.portraits[rng.integers(len(sources.portraits))]).convert("RGB")
            scale = min(cell_width / portrait.width, cell_height / portrait.height) * rng.uniform(0.4, 1)
            size = (max(16, int(portrait.width * scale)), max(16, int(portrait.height * scale)))
            x = column * cell_width + int(rng.integers(0, max(1, cell_width - size[0])))
            y = row * cell_height + int(rng.integers(0, max(1, cell_height - size[1])))
            canvas.paste(portrait.resize(size, Image.Resampling.LANCZOS), (x, y))
    return canvas, None


def nobody(sources: Sources, width: int, height: int, rng: np.random.Generator) -> tuple[Image.Image, list[Box] | None]:
    """A background, and no face that anybody labelled."""
    known = [each for each in sources.scenes if each.boxes]
    if not known:
        ramp = np.linspace(40, 200, width)[None, :] + np.linspace(-30, 30, height)[:, None]
        return Image.fromarray(np.repeat(ramp[:, :, None], 3, 2).clip(0, 255).astype(np.uint8)), []
    return emptiest(known[rng.integers(len(known))], width, height), []


KINDS = (one_scene, several_scenes, one_scene, pasted_portraits, one_scene, several_scenes, pasted_portraits, nobody)


def noisy(image: Image.Image, sigma: float, rng: np.random.Generator) -> Image.Image:
    """Add the noise of a sensor, stronger where it is bright; by strips, since 24 megapixels are many numbers."""
    pixels = np.asarray(image).copy()
    for top in range(0, len(pixels), 500):
        strip = pixels[top : top + 500].astype(np.float32)
        strength = sigma * np.sqrt(0.4 + strip / 160)
        strip += rng.standard_normal(strip.shape, np.float32) * strength + 0.5
        pixels[top : top + 500] = np.clip(strip, 0, 255)
    return Image.fromarray(pixels)


def make_large(sources: Sources, size_class: SizeClass, folder: Path, seed: int) -> dict[str, list[Box]]:
    """Make the photos of a set; return the boxes of those whose faces are known."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {}
    for number in range(size_class.count):
        rng = np.random.default_rng([seed, number])
        width, height = size_class.sizes[number % len(size_class.sizes)]
        image, boxes = KINDS[number % len(KINDS)](sources, width, height, rng)
        name = f"{number:04}.jpg"
        noisy(image, size_class.noise, rng).save(folder / name, quality=QUALITY, subsampling="4:2:0")
        if boxes is not None:
            known[name] = boxes
    return known


def make_small(sources: Sources, folder: Path, seed: int) -> None:
    """Take photos of 250 x 250 pixels as they are, evenly spread, or make some of the portraits."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SMALL_COUNT):
        target = folder / f"{number:04}.jpg"
        if sources.small:
            target.write_bytes(sources.small[number * len(sources.small) // SMALL_COUNT].read_bytes())
            continue
        rng = np.random.default_rng([seed, number])
        image = Image.open(sources.portraits[number % len(sources.portraits)]).convert("RGB")
        side = min(image.size) * rng.uniform(0.8, 1)
        left, top = rng.uniform(0, image.width - side), rng.uniform(0, min(image.height - side, side / 4))
        part = image.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
        part.save(target, quality=QUALITY)


def make_corpus(cache: Path, data: Path | None) -> list[PhotoSet]:
    """Return the sets, and make them first where they are not in the cache."""
    folder = cache / f"photos-{VERSION}-{'data' if data is not None and (data / 'wider_train').is_dir() else 'samples'}"
    index = folder / "index.json"
    if not index.is_file():
        sources = find_sources(data)
        make_small(sources, folder / "small", SEED)
        boxes = {
            name: make_large(sources, size_class, folder / name, SEED + number)
            for number, (name, size_class) in enumerate(SIZES.items(), 1)
        }
        index.write_text(json.dumps({"small": {}, **boxes}))
    return list(_read(folder, json.loads(index.read_text())))


def _read(folder: Path, index: dict[str, dict[str, list[Box]]]) -> Iterator[PhotoSet]:
    for name, boxes in index.items():
        faces = {
            file: TrueFaces(
                np.array([box[:4] for box in each], np.float32).reshape(-1, 4), np.array([b[4] for b in each], bool)
            )
            for file, each in boxes.items()
        }
        yield PhotoSet(name, folder / name, sorted((folder / name).glob("*.jpg")), faces)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    for each in make_corpus(options.cache, options.data):
        sizes = [path.stat().st_size for path in each.photos]
        faces = sum(int((~known.ignored).sum()) for known in each.boxes.values())
        print(
            f"{each.name:6} {len(each.photos):4} photos, {sum(sizes) / len(sizes) / 1e6:5.2f} MB each"
            f" ({min(sizes) / 1e6:.2f} to {max(sizes) / 1e6:.2f}), {len(each.boxes)} with {faces} labelled faces"
        )


if __name__ == "__main__":
    main()
