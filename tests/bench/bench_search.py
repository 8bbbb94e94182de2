"""Time search at sizes that operators have, beside what the memory of the same machine gives. Prints tables.

    python tests/bench/bench_search.py [--sizes 10000 100000 1000000] [--large] [--gallery 100000]

Templates are made up, as like real ones as matters: people are clusters, two photos of one person have a cosine of
0.60 +- 0.12 and photos of two people of 0 +- 0.09, in 128 dimensions, four templates a person and their mean. Half of
the probes are of somebody enrolled. A time is the least of several, the bandwidth that of reading as many bytes with
as many threads in the same run: their ratio is what to compare across machines. --large adds 10,000,000 templates,
which takes 15 GB of disk; what lies in --folder is removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecli.gallery import approximate_file
from facecli.gallery.approximate_index import ApproximateFinder
from facecli.gallery.block_scan import block_finder
from facecli.gallery.exact_index import ExactIndex, PersonScore
from facecli.gallery.records import NewTemplate, TemplateMatrix
from facecli.gallery.store import Gallery
from facecli.gallery.template_file import read_templates, write_templates
from facecli.types import Embedding

DIMENSION = 128
TEMPLATES_PER_PERSON = 4
NEIGHBOURS = 10
BATCH = 1000
RECALL_PROBES = 200
LARGE = 10_000_000

# Far more than a processor's caches hold, as STREAM asks for (McCalpin, 1995).
STREAM_BYTES = 2**29

# Cosine of a photo with its person: two of them multiply to 0.60 +- 0.12.
PHOTO_COSINE, PHOTO_SPREAD = 0.775, 0.105

Floats = NDArray[np.float32]


def unit_vectors(count: int, rng: np.random.Generator) -> Floats:
    vectors = rng.standard_normal((count, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def photos_of(people: Floats, each: int, rng: np.random.Generator) -> Floats:
    people = np.repeat(people, each, axis=0)
    other = unit_vectors(len(people), rng)
    other -= np.einsum("nd,nd->n", other, people)[:, None] * people
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    cosines = np.clip(rng.normal(PHOTO_COSINE, PHOTO_SPREAD, (len(people), 1)), 0.2, 0.99).astype(np.float32)
    return cosines * people + np.sqrt(1 - cosines**2) * other


def crowd(template_count: int, folder: Path) -> tuple[TemplateMatrix, Floats]:
    """Return templates, on the disk, and probes."""
    rng = np.random.default_rng(1)
    path = folder / "vectors"
    vectors = np.memmap(path, np.float32, "w+", shape=(template_count, DIMENSION))
    step, mated = 100_000, []
    for start in range(0, template_count, step):
        rows = min(step, template_count - start)
        people = unit_vectors(rows // TEMPLATES_PER_PERSON, rng)
        vectors[start : start + rows] = photos_of(people, TEMPLATES_PER_PERSON, rng)
        mated.append(photos_of(people[: -(-BATCH // 2 // (template_count // step + 1))], 1, rng))
    probes = unit_vectors(BATCH, rng)
    found = np.concatenate(mated)[: BATCH // 2]
    probes[: 2 * len(found) : 2] = found
    ids = np.arange(template_count)
    people_ids = ids // TEMPLATES_PER_PERSON + 1
    names = {int(person): f"person {person}" for person in np.unique(people_ids)}
    return TemplateMatrix("bench", np.asarray(vectors), ids + 1, people_ids, names, 1), probes


def least_ms(work: Callable[[], object], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def least_in_turn_ms(*works: Callable[[], object], seconds: float = 4.0) -> list[float]:
    """Time works in turn for a while: what else the machine does meanwhile meets all of them.

    Not a matrix product and one of ours: OpenBLAS keeps its threads busy for a while after each product.
    """
    least, end = [float("inf")] * len(works), time.perf_counter() + seconds
    while time.perf_counter() < end:
        least = [min(known, least_ms(work, 1)) for known, work in zip(least, works, strict=True)]
    return least


def once_s(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def reading(array: NDArray[Any]) -> Callable[[], object]:
    """Return what reads an array with a thread a core, doing nothing but an "or" of its words."""
    words = array.reshape(-1).view(np.uint64)
    cores = len(os.sched_getaffinity(0))
    parts = list(pairwise(len(words) * each // cores for each in range(cores + 1)))
    pool = ThreadPoolExecutor(cores)
    return lambda: list(pool.map(lambda part: np.bitwise_or.reduce(words[slice(*part)]), parts))


def product(probes: Floats, vectors: Floats, step: int = 2**14) -> None:
    for row in range(0, len(vectors), step):
        probes @ vectors[row : row + step].T


def one_by_one(index: ExactIndex, probes: Floats) -> Callable[[], object]:
    numbers: Iterator[int] = iter(range(10**9))
    return lambda: index.top_people(probes[[next(numbers) % len(probes)]], NEIGHBOURS)


def shared(found: list[list[PersonScore]], exact: list[list[PersonScore]]) -> float:
    return float(
        np.mean([len(set(mine) & set(theirs)) / len(theirs) for mine, theirs in zip(found, exact, strict=True)])
    )


def memory_mb() -> str:
    """Return what the process holds for itself, and what it has mapped of files."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return " + ".join(f"{int(status[name].split()[0]) / 1000:,.0f}" for name in ("RssAnon", "RssFile"))


def bench(template_count: int, folder: Path) -> None:
    matrix, probes = crowd(template_count, folder)
    path, stamp = folder / "templates", {"model_id": "bench", "revision": 1}
    started = time.perf_counter()
    write_templates(path, matrix, stamp)
    write_s = time.perf_counter() - started
    del matrix
    (folder / "vectors").unlink()
    opened_s, stored = once_s(lambda: read_templates(path, stamp))
    ids, vectors = stored.matrix.person_ids, stored.file.rows("vectors")
    exact = ExactIndex(vectors, ids, stored.matrix.template_ids, finder=block_finder(vectors, ids, stored.codes))
    first_s, _ = once_s(one_by_one(exact, probes))
    print(
        f"\n{template_count:,} templates, {len(ids):,} rows: file {path.stat().st_size / 1e6:,.0f} MB written in"
        f" {write_s:.1f} s, opened in {opened_s * 1e3:.0f} ms, first search {first_s * 1e3:.0f} ms; {memory_mb()} MB"
    )
    codes = stored.codes.codes.slice(0, len(ids))
    floats = ExactIndex(vectors, ids, stored.matrix.template_ids, finder=block_finder(vectors, ids))
    data = vectors.slice(0, len(ids))
    memory = np.ones(STREAM_BYTES // 8, np.uint64)
    cores = os.sched_getaffinity(0)
    for some in ({min(cores)}, cores):
        os.sched_setaffinity(0, some)
        one_ms, read_ms = least_in_turn_ms(one_by_one(exact, probes), reading(memory))
        speed, limit = codes.nbytes / one_ms / 1e6, memory.nbytes / read_ms / 1e6
        print(
            f"  exact, one probe, codes, {len(some)} cores: {one_ms:.2f} ms, {speed:.1f} GB/s of {limit:.1f} GB/s"
            f" ({speed / limit:.0%})"
        )
    del memory
    float_ms, bare_ms = least_in_turn_ms(one_by_one(floats, probes), lambda: data @ probes[0])
    print(f"  exact, one probe, float32: {float_ms:.2f} ms, bare product {bare_ms:.2f} ms")
    batch_s, expected = once_s(lambda: exact.top_people(probes, NEIGHBOURS))
    bare_s, _ = once_s(lambda: product(probes, data))
    print(f"  exact, {BATCH:,} probes: {batch_s:.2f} s; bare product {bare_s:.2f} s; {memory_mb()} MB")
    file = folder / "approximate"
    build_s, index = once_s(lambda: approximate_file.built_index(stored))
    approximate_file.write_index(file, index, stamp)
    load_s, (index, _) = once_s(lambda: approximate_file.read_index(file))
    finder = ApproximateFinder(index, block_finder(vectors, ids, stored.codes))
    approximate = ExactIndex(vectors, ids, stored.matrix.template_ids, finder=finder)
    (one_ms,) = least_in_turn_ms(one_by_one(approximate, probes))
    many_s, found = once_s(lambda: approximate.top_people(probes, NEIGHBOURS))
    first = shared([each[:1] for each in found[::2]], [each[:1] for each in expected[::2]])
    print(
        f"  approximate: built and measured in {build_s:.1f} s, file {file.stat().st_size / 1e6:,.0f} MB, loaded in"
        f" {load_s * 1e3:.0f} ms; one probe {one_ms:.2f} ms, {BATCH:,} probes {many_s:.2f} s;"
        f" recall@{NEIGHBOURS} {shared(found, expected):.4f} (at build {index.recall.ten:.4f}, depth {index.depth}),"
        f" of the right person {first:.4f}"
    )


def bench_gallery(template_count: int, folder: Path) -> None:
    vectors = unit_vectors(template_count, np.random.default_rng(3))
    box = np.array([10, 20, 110, 140], np.float32)
    with Gallery.open(folder / "bench.sqlite", create=True) as gallery:
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
        loaded = least_ms(lambda: gallery.matrix("bench"), 3)
        start = time.perf_counter()
        problems = gallery.info(check=True).problems
        checked = time.perf_counter() - start
        size_mb = gallery.info().size_bytes / 1e6
        del vectors
        from facecli.gallery.loading import load

        made_s, _ = once_s(lambda: load(gallery, "bench"))
        again = least_ms(lambda: load(gallery, "bench"), 3)
    print(
        f"\ngallery of {template_count:,}: enrolled in {enrolled:.1f} s ({template_count / enrolled:,.0f} a second),"
        f" matrix {loaded / 1000:.2f} s, check {checked:.1f} s ({len(problems or ())} problems), {size_mb:,.0f} MB;"
        f" file made in {made_s:.2f} s, opened again in {again:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--large", action="store_true", help=f"also {LARGE:,} templates")
    parser.add_argument("--gallery", type=int, default=100_000, help="templates enrolled in a gallery; 0 for none")
    parser.add_argument("--folder", type=Path, help="where to write; the system's temporary folder by default")
    given = parser.parse_args()
    print(f"{DIMENSION}-D, {TEMPLATES_PER_PERSON} templates a person, k = {NEIGHBOURS}, {os.cpu_count()} CPUs")
    for size in given.sizes + [LARGE] * given.large:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            bench(size, Path(folder))
    if given.gallery:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            bench_gallery(given.gallery, Path(folder))


if __name__ == "__main__":
    main()
