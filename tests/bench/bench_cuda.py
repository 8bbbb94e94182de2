"""CUDA beside the CPU of the same machine: ``python tests/bench/bench_cuda.py [FOLDER] [--photos N] [--seconds S]``.

Prints two tables: what a scan reaches, end to end and step by step, for each device, engine, precision and size of
batch; and pictures a second of the networks alone by size of batch. Without a CUDA device it says so and measures the
CPU only. Steps are measured as a scan takes them: many threads, each with one photo in hand.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import platform
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from facecli.app import App
from facecli.media.images import load_photo
from facecli.runtime.batch_limit import MOST_BATCH
from facecli.runtime.device import Device, cuda_device_count
from facecli.runtime.manifest import shipped_models
from facecli.runtime.torch_engine import TorchEngine
from facecli.services.analysis import PhotoSource
from facecli.settings import Settings
from facecli.types import AlignedFace, Photo

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

CANVAS_HWC = (640, 960, 3)  # what most photos become for the detector
FACES_TOGETHER = 4  # as if each photo showed so many


@dataclass(frozen=True)
class Variant:
    """One way to run the networks."""

    device: str
    engine: str
    precision: Any
    batch: int | None = None  # as many as is found to be fastest

    def app(self) -> App:
        return App(Settings(device=self.device, engine=self.engine, precision=self.precision, batch_size=self.batch))


@dataclass(frozen=True)
class Speed:
    """What one variant reached, per second."""

    scan: float
    detect: float
    embed: float
    busy_percent: float | None
    memory_mib: float | None


def rate(work: Callable[[], int], seconds: float) -> float:
    """Things done a second, after one run that warms up."""
    work()
    count, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        count += work()
    return count / spent


class Utilisation:
    """Asks nvidia-smi every half second how busy the device is; None where it cannot be asked."""

    def __init__(self, device: str) -> None:
        self._command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        self._wanted = device.startswith("cuda") and shutil.which("nvidia-smi") is not None
        self._samples: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        while not self._ended.wait(0.5):
            answer = subprocess.run(self._command, capture_output=True, text=True, check=False)
            if answer.stdout.strip().isdigit():
                self._samples.append(float(answer.stdout))

    def __enter__(self) -> Utilisation:
        if self._wanted:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._wanted:
            self._thread.join()

    @property
    def mean_percent(self) -> float | None:
        return fmean(self._samples) if self._samples else None


def in_threads(count: int, work: Callable[[Any], int], things: Sequence[Any]) -> Callable[[], int]:
    """Make what does all things once, in so many threads."""

    def run() -> int:
        with ThreadPoolExecutor(count) as pool:
            return sum(pool.map(work, things))

    return run


def measure(variant: Variant, paths: Sequence[Path], seconds: float) -> Speed:
    """Measure one variant."""
    app = variant.app()
    analyser = app.analyser(photo_count=len(paths))
    detector, embedder = app.detector, app.embedder
    photos = [load_photo(path, min_long_side=detector.size.decode_side_px) for path in paths]
    faces: list[AlignedFace] = []
    for photo in dict(zip(paths, photos, strict=True)).values():  # each file once
        faces += [embedder.align(photo, each) for each in detector.detect([photo])[0]]
    groups = [list(itertools.islice(itertools.cycle(faces), i, i + FACES_TOGETHER)) for i in range(len(photos))]
    workers = CORES if variant.device == "cpu" else 2 * (variant.batch or MOST_BATCH)

    def detect(photo: Photo) -> int:
        detector.detect([photo])
        return 1

    def embed(group: Sequence[AlignedFace]) -> int:
        return len(embedder.embed(group))

    def scan() -> int:
        return sum(1 for _ in analyser.analyse(PhotoSource(str(path)) for path in paths))

    if variant.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with Utilisation(variant.device) as utilisation:
        scanned = rate(scan, seconds)
    return Speed(
        scan=scanned,
        detect=rate(in_threads(workers, detect, photos), seconds),
        embed=rate(in_threads(workers, embed, groups), seconds),
        busy_percent=utilisation.mean_percent,
        memory_mib=torch.cuda.max_memory_allocated() / 2**20 if variant.device == "cuda" else None,
    )


def network_rates(device: Device, precision: Any, sizes: Iterable[int], seconds: float) -> dict[tuple[str, int], float]:
    """Pictures a second of each network by size of batch, from memory to memory, one batch at a time."""
    engine = TorchEngine(device, precision=precision)
    rates = {}
    for name in ("centerface", "yunet", "sface", "mobilefacenet", "dlib-resnet"):
        manifest = shipped_models()[name]
        network = engine.load(manifest.path, manifest.preprocessing)
        shape = (*manifest.size_hw, 3) if manifest.size_hw else CANVAS_HWC
        for size in sizes:
            batch = np.random.default_rng(1).integers(0, 256, (size, *shape), np.uint8)

            def once(network: Any = network, batch: Any = batch) -> int:
                network(batch)
                return len(batch)

            rates[name, size] = rate(once, seconds)
    return rates


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown, numbers to three figures."""

    def text(cell: object) -> str:
        if isinstance(cell, float):
            return f"{cell:,.0f}" if cell >= 100 else f"{cell:.3g}"
        return "-" if cell is None else str(cell)

    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(text(cell) for cell in row) + " |", flush=True)
    print()


def variants(batches: Sequence[int], has_cuda: bool) -> list[Variant]:
    """List the ways to run the networks on this machine, those of the CPU first."""
    found = [Variant("cpu", "torch", "f32")]
    if importlib.util.find_spec("openvino") is not None:
        found = [Variant("cpu", "openvino", "f32"), Variant("cpu", "openvino", "auto"), *found]
    if has_cuda:
        sizes = (*batches, None)
        found += [Variant("cuda", "torch", precision, size) for precision in ("f32", "f16") for size in sizes]
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SAMPLES, help="photos (JPEG)")
    parser.add_argument("--photos", type=int, help="photos in one scan, repeated if there are fewer")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32, 128], help="sizes of batch in scans on CUDA")
    options = parser.parse_args()
    has_cuda = cuda_device_count() > 0
    files = sorted(options.folder.rglob("*.jpg"))
    count = options.photos or (max(len(files), 512) if has_cuda else max(len(files), 16))
    paths = list(itertools.islice(itertools.cycle(files), count))
    print(f"{torch.cuda.get_device_name() if has_cuda else 'no CUDA device'}; {CORES} cores of {platform.machine()}; ")
    print(f"torch {torch.__version__}; {count} photos of {len(files)} files\n")

    decode = rate(in_threads(CORES, lambda path: len([load_photo(path, min_long_side=960)]), paths), options.seconds)
    print(f"Reading and decoding alone: {decode:.1f} photos/s with {CORES} threads: no scan is faster.\n")

    results = {each: measure(each, paths, options.seconds) for each in variants(options.batch, has_cuda)}
    best = max(speed.scan for variant, speed in results.items() if variant.device == "cpu")
    print_table(
        [
            *("device", "engine", "precision", "batch", "scan, photos/s", "times the CPU"),
            *("detect, photos/s", "embed, faces/s", "device busy, %", "device memory, MiB"),
        ],
        [
            [
                *(each.device, each.engine, each.precision, each.batch, speed.scan, speed.scan / best),
                *(speed.detect, speed.embed, speed.busy_percent, speed.memory_mib),
            ]
            for each, speed in results.items()
        ],
    )

    runs: list[tuple[Device, str, tuple[int, ...]]] = [(Device("cpu"), "f32", (1, 4))]
    if has_cuda:
        runs = [(Device("cuda"), precision, (1, 2, 4, 8, 16, 32, 64, 128)) for precision in ("f32", "f16", "bf16")]
    for device, precision, sizes in runs:
        rates = network_rates(device, precision, sizes, options.seconds / 5)
        print(f"Pictures a second of the networks alone, torch on {device}, {precision}, by size of batch:\n")
        names = dict.fromkeys(name for name, _ in rates)
        print_table(["network", *map(str, sizes)], [[name, *(rates[name, size] for size in sizes)] for name in names])


if __name__ == "__main__":
    main()
