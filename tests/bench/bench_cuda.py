"""CUDA beside the CPU of the same machine, both in torch: ``python tests/bench/bench_cuda.py [--photos N]``.

Prints photos a second end to end (read, decode, detect, align, embed), detection alone and embedding alone. Without a
CUDA device it says so and measures the CPU only.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facecli.app import App
from facecli.media.images import load_photo
from facecli.runtime.device import cuda_device_count
from facecli.services.analysis import PhotoSource
from facecli.settings import Settings
from facecli.types import AlignedFace

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"


def timed(work: Callable[[], int]) -> float:
    """Things done a second: the median of three runs after one that warms up."""
    work()
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - started))
    return float(np.median(rates))


def measure(device: str, count: int, batch_size: int) -> dict[str, float]:
    """Measure one device."""
    app = App(Settings(device=device, engine="torch", batch_size=batch_size))
    paths = list(itertools.islice(itertools.cycle(sorted(SAMPLES.rglob("*.jpg"))), count))
    photos = [load_photo(path, min_long_side=app.detector.size.decode_side_px) for path in paths]
    faces: list[AlignedFace] = []
    for photo, found in zip(photos, app.detector.detect(photos), strict=True):
        faces += [app.embedder.align(photo, each) for each in found]

    def detect() -> int:
        for start in range(0, count, batch_size):
            app.detector.detect(photos[start : start + batch_size])
        return count

    def embed() -> int:
        app.embedder.embed(faces)
        return len(faces)

    analyser = app.analyser()
    return {
        "end to end, photos/s": timed(lambda: sum(1 for _ in analyser.analyse(PhotoSource(str(p)) for p in paths))),
        "detection, photos/s": timed(detect),
        "embedding, faces/s": timed(embed),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    import torch

    devices = ["cuda"] if cuda_device_count() else []
    name = torch.cuda.get_device_name() if devices else "no CUDA device"
    print(f"{name}; {platform.processor() or platform.machine()}; torch {torch.__version__}")
    results = {device: measure(device, options.photos, options.batch_size) for device in [*devices, "cpu"]}
    for key, cpu in results["cpu"].items():
        cuda = results.get("cuda", {}).get(key)
        ratio = f"{cuda:10.1f} on cuda, {cuda / cpu:5.1f} times" if cuda else "(no CUDA device)"
        print(f"{key:24} {cpu:10.1f} on cpu, {ratio}")


if __name__ == "__main__":
    main()
