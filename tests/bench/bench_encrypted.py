"""Searches in an encrypted gallery beside the same one in the clear: ``python tests/bench/bench_encrypted.py``.

Opens both in turn, again and again: until the first answer (reading, decrypting), and then answer by answer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from facecli.gallery import sealing
from facecli.gallery.records import NewTemplate
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.types import Embedding

DIMENSION = 128
PER_PERSON = 5
PROBES = 200
KEY = bytes(range(32))


def make(path: Path, count: int) -> None:
    """Make a gallery of so many templates, five a person, as one event for each thousand."""
    rng = np.random.default_rng(0)
    box = np.array((10, 20, 110, 140), np.float32)
    number = 0
    with Gallery.open(path, create=True) as gallery:
        while number < count:
            with gallery.edit("enroll") as edit:
                for _ in range(200):
                    person_id = edit.add_person(f"Person {number}")
                    for _ in range(PER_PERSON):
                        vector = rng.standard_normal(DIMENSION).astype(np.float32)
                        embedding = Embedding(vector / np.linalg.norm(vector), "sface")
                        new = NewTemplate(embedding, 0.5, f"{number}.jpg", f"{number:064x}", box)
                        edit.add_template(person_id, new, b"%d.jpg" % number)
                        number += 1


def searched(path: Path, probes: list[Embedding]) -> tuple[float, float]:
    """Return the seconds until the first answer, and for each one after it (the median)."""
    started = time.perf_counter()
    with Gallery.open(path, ask_secret=lambda _: KEY) as gallery:
        search = GallerySearch(gallery)
        search.candidates(probes[:1], 3)
        first = time.perf_counter() - started
        times = []
        for probe in probes:
            started = time.perf_counter()
            search.candidates([probe], 3)
            times.append(time.perf_counter() - started)
    return first, statistics.median(times)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((PROBES, DIMENSION)).astype(np.float32)
    probes = [Embedding(vector / np.linalg.norm(vector), "sface") for vector in vectors]
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / name for name in ("in the clear, with a search file", "encrypted")}
        plain, sealed = paths.values()
        make(plain, options.templates)
        shutil.copy(plain, sealed)
        started = time.perf_counter()
        with Gallery.open(sealed) as gallery:
            sealing.encrypt(gallery, "key_file", KEY)
        took = time.perf_counter() - started
        print(f"{options.templates:,} templates, encrypted in {took:.1f} s; {os.cpu_count()} cores")
        searched(plain, probes)  # makes the search file
        found = {name: [searched(path, probes) for _ in range(options.rounds)] for name, path in paths.items()}
        paths["in the clear, without one"] = plain
        found["in the clear, without one"] = []
        for _ in range(options.rounds):
            for each in Path(folder).glob(f"{plain.name}.*"):
                each.unlink()
            found["in the clear, without one"].append(searched(plain, probes))
        base = statistics.median(first for first, _ in found["in the clear, without one"])
        after = statistics.median(then for _, then in found["in the clear, without one"])
        print("| gallery | first answer, s | ratio | an answer then, ms | ratio |\n|---|---|---|---|---|")
        for name, times in found.items():
            first, then = (statistics.median(column) for column in zip(*times, strict=True))
            print(f"| {name} | {first:.2f} | {first / base:.2f} | {1e3 * then:.2f} | {then / after:.2f} |")


if __name__ == "__main__":
    main()
