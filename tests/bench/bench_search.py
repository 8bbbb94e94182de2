"""Time exact search, and loading a gallery, at sizes that operators have. Prints a table.

    python tests/bench/bench_search.py [--quick]

Each time is the least of three, beside that of the bare matrix product in the same run: their ratio is what to
compare across machines.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.types import Embedding

DIMENSION = 128
TEMPLATES_PER_PERSON = 4
NEIGHBOURS = 5
REPEATS = 3


def unit_vectors(count: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def least_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def product(probes: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
    step = max(1, 2**24 // len(vectors))
    for start in range(0, len(probes), step):
        probes[start : start + step] @ vectors.T


def bench_search(probe_count: int, template_count: int) -> None:
    vectors = unit_vectors(template_count, 1)
    people = np.arange(template_count) // TEMPLATES_PER_PERSON
    index = ExactIndex(vectors, people, np.arange(template_count))
    # Half of the probes are of somebody enrolled: their people fill the first ranks with templates of one person.
    probes = unit_vectors(probe_count, 2)
    probes[::2] = vectors[np.arange(len(probes[::2])) % template_count]
    bare = least_ms(lambda: product(probes, vectors))
    by_template = least_ms(lambda: index.search(probes, NEIGHBOURS))
    by_person = least_ms(lambda: index.top_people(probes, NEIGHBOURS))
    print(
        f"{probe_count:>7,} x {template_count:>9,}  product {bare:8.1f} ms"
        f"  search {by_template:8.1f} ms ({by_template / bare:.2f} x)"
        f"  top_people {by_person:8.1f} ms ({by_person / bare:.2f} x)"
    )


def bench_gallery(template_count: int) -> None:
    vectors = unit_vectors(template_count, 3)
    box = np.array([10, 20, 110, 140], np.float32)
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "bench.sqlite", create=True) as gallery:
        start = time.perf_counter()
        per_call = 1000
        for first in range(0, template_count, per_call):
            gallery.add_templates(
                f"person {first}",
                [
                    NewTemplate(Embedding(vectors[row], "bench"), 0.9, f"photos/{row}.jpg", f"{row:064x}", box)
                    for row in range(first, min(first + per_call, template_count))
                ],
            )
        enrolled = time.perf_counter() - start
        loaded = least_ms(lambda: gallery.matrix("bench"))
        start = time.perf_counter()
        problems = gallery.info(check=True).problems
        checked = time.perf_counter() - start
        size_mb = gallery.info().size_bytes / 1e6
    print(
        f"gallery of {template_count:,}: enrolled in {enrolled:.1f} s ({template_count / enrolled:,.0f} a second),"
        f" matrix {loaded / 1000:.2f} s, check {checked:.1f} s ({len(problems or ())} problems), {size_mb:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of each size")
    scale = 10 if parser.parse_args().quick else 1
    print(f"{DIMENSION}-D, {TEMPLATES_PER_PERSON} templates a person, k = {NEIGHBOURS}, {os.cpu_count()} CPUs")
    for probe_count, template_count in ((1, 1_000_000), (16, 1_000_000), (1000, 100_000), (1000, 1000)):
        bench_search(probe_count, template_count // scale)
    bench_gallery(1_000_000 // scale)


if __name__ == "__main__":
    main()
