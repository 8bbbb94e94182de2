"""How the networks and the decoder do most on a CPU: ``python tests/bench/bench_cpu.py``.

Prints milliseconds a picture of all cores together, the median of interleaved rounds:

1. Both default networks, in float32 and bfloat16, with all cores on one picture (a single stream) and with one stream a
   core, and in batches.
2. A JPEG of 24 megapixels, decoded by Pillow and by OpenCV, in full and at a quarter.
"""

from __future__ import annotations

import io
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from facecli.media.images import _copy_pixels
from facecli.media.jpeg import JpegFile, fast_pixels, reduce
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Network
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.runtime.workload import default_jobs

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
ROUNDS = 5
SECONDS = 1.0  # of each measurement
SHAPES = {
    "centerface": ((1, 640, 960, 3), (4, 640, 960, 3), (1, 320, 480, 3), (1, 256, 256, 3)),
    "sface": ((2, 112, 112, 3), (16, 112, 112, 3)),
}


def ms_a_picture(network: Network, shape: tuple[int, ...], callers: int) -> float:
    """Let some threads call for a while, and return wall milliseconds a picture."""
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    counts = [0] * callers
    end = time.perf_counter() + SECONDS

    def call(caller: int) -> None:
        while time.perf_counter() < end:
            network(pictures)
            counts[caller] += len(pictures)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - started) / sum(counts) * 1e3


def bench_networks() -> None:
    cores = default_jobs()
    ways = {
        f"{precision}, {name}": (OpenVinoEngine(precision=precision, streams=streams), callers)
        for precision in ("f32", "bf16")
        for name, streams, callers in (("all cores on one", None, 1), ("a stream a core", cores, cores))
    }
    for model, shapes in SHAPES.items():
        manifest = shipped_models()[model]
        networks = {way: (engine.load(manifest.path, manifest.preprocessing), n) for way, (engine, n) in ways.items()}
        for shape in shapes:
            found: dict[str, list[float]] = {way: [] for way in ways}
            for turn in range(ROUNDS + 1):
                for way, (network, callers) in networks.items():
                    ms = ms_a_picture(network, shape, callers)
                    if turn:  # the first prepares the shape
                        found[way].append(ms)
            print(f"{model} {'x'.join(map(str, shape[:3]))}:", end="")
            print(",".join(f" {way} {statistics.median(times):.1f} ms" for way, times in found.items()), flush=True)


def large_jpeg() -> bytes:
    photo = Image.open(SAMPLES / "group.jpg").convert("RGB").resize((6000, 4000), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 4, (4000, 6000, 1))
    pixels = np.clip(np.asarray(photo, np.float32) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def medians_ms(*works: Callable[[], object]) -> list[float]:
    """Time each in turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(3 * ROUNDS):
        for work, found in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            found.append((time.perf_counter() - started) * 1e3)
    return [statistics.median(found) for found in times]


def bench_decoding() -> None:
    data = large_jpeg()
    cv2.setNumThreads(1)

    def opened(long_side: int) -> JpegFile:
        image = JpegFile(io.BytesIO(data))
        reduce(image, long_side)
        return image

    for name, long_side in (("in full", 6000), ("at a quarter", 1500)):
        by_pillow = np.asarray(opened(long_side).convert("RGB"))
        by_opencv = fast_pixels(opened(long_side), data)
        same = "the same pixels" if np.array_equal(by_pillow, by_opencv) else "OTHER PIXELS"
        pillow, opencv = medians_ms(
            lambda side=long_side: _copy_pixels(opened(side).convert("RGB")),
            lambda side=long_side: fast_pixels(opened(side), data),
        )
        print(
            f"24 megapixels, {len(data) / 1e6:.1f} MB, {name}: Pillow {pillow:.0f} ms, OpenCV {opencv:.0f} ms, {same}"
        )


if __name__ == "__main__":
    bench_networks()
    bench_decoding()
