"""Purging people: receipts of random histories checked by a plain search, and the time that a large gallery takes.

python tests/bench/bench_purge.py --histories 100 --templates 200000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facecli.gallery.loading import load
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.services.purging.purge import Places, purge
from facecli.types import Embedding

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))
from purge_histories import checked_history  # it lies beside the tests

MODEL = "m"
PHOTOS = 10
ENCRYPTED = 5  # every fifth


def main() -> None:
    """Print what was checked, and the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--first", type=int, default=1000, help="seed of the first history")
    parser.add_argument("--templates", type=int, default=200_000)
    wishes = parser.parse_args()
    receipts = 0
    for seed in range(wishes.first, wishes.first + wishes.histories):
        with tempfile.TemporaryDirectory() as folder:
            receipts += checked_history(
                Path(folder), seed, dimension=(128, 512)[seed % 2], encrypted=seed % ENCRYPTED == 0
            )
        print(f"{seed - wishes.first + 1} histories, {receipts} receipts checked, none contradicted", flush=True)
    if wishes.templates:
        with tempfile.TemporaryDirectory() as folder:
            _time(Path(folder), wishes.templates)


def _time(folder: Path, count: int) -> None:
    """Time the purge of one person of ten photos, and of one of a thousand."""
    rng = np.random.default_rng(1)
    path = folder / "gallery.db"
    with Gallery.open(path, create=True) as gallery:
        for start in range(0, count, PHOTOS * 100):
            with gallery.edit("enroll") as edit:
                for person in range(start // PHOTOS, start // PHOTOS + 100):
                    person_id = edit.add_person(f"Person {person:07d}")
                    for number in range(PHOTOS):
                        edit.add_template(person_id, _photo(rng, person * PHOTOS + number), b"/photos/x.jpg")
        gallery.add_templates("Many Photos", [_photo(rng, 10**9 + number) for number in range(1000)])
        load(gallery, MODEL)
    size = sum(each.stat().st_size for each in folder.iterdir())
    print(f"{count:,} templates of 128 numbers: {size / 1e6:.0f} MB with the search file")
    places = Places(lambda: Gallery.open(path), folder / "state", folder / "cache")
    for name in ("Person 0000077", "Many Photos"):
        started = time.perf_counter()
        receipt = purge(name, places, lambda model_id, rate: 2.0)
        took = time.perf_counter() - started
        print(
            f"{name}: {took:.2f} s; {receipt.looked_for['vectors']:,} vectors and what belongs to them looked for in "
            f"{receipt.size_bytes / 1e6:.0f} MB; {receipt.found} found"
        )
        with Gallery.open(path) as gallery:
            load(gallery, MODEL)


def _photo(rng: np.random.Generator, number: int) -> NewTemplate:
    vector = rng.standard_normal(128).astype(np.float32)
    embedding = Embedding(vector / np.linalg.norm(vector), MODEL)
    return NewTemplate(
        embedding, 0.5, f"/photos/{number}.jpg", rng.bytes(32).hex(), np.array((1, 2, 30, 40), np.float32)
    )


if __name__ == "__main__":
    main()
