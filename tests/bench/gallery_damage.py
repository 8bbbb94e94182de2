"""Damage gallery files and what lies beside them at random, and hold every answer against what was enrolled.

    python tests/bench/gallery_damage.py [--rounds N] [--seed N]

Each round spoils the file in one of six ways and asks all questions of `tests/gallery/damage.py`; then come flips in
vectors, names and owners alone, in the write-ahead log, and in the search files. Ends with 1 if an answer was neither
refused nor what was enrolled (of a damaged log: what was enrolled up to some commit), or a check named nothing where it
had to.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gallery"))

import damage
import numpy as np

from facecli.errors import GalleryCorruptError
from facecli.gallery import loading
from facecli.gallery.approximate_index import is_installed
from facecli.gallery.store import Gallery

LIMIT_S = 60
COMMITS = 12


def hang(*_: object) -> None:
    raise TimeoutError("an answer took too long")


def anywhere(sound: Path, rounds: int, seed: int, folder: Path) -> Counter[str]:
    data, expected = sound.read_bytes(), damage.answers(sound)
    counts: Counter[str] = Counter()
    for number in range(rounds):
        signal.alarm(LIMIT_S)
        counts.update(damage.round_of_damage(data, expected, folder, random.Random(f"{seed} {number}")))
    signal.alarm(0)
    return counts


def in_vital_parts(sound: Path, rounds: int, seed: int, folder: Path) -> Counter[str]:
    data, path = sound.read_bytes(), folder / "g.db"
    with Gallery.open(sound) as gallery:
        parts = {
            "a vector": [each.embedding.vector.tobytes() for each in gallery.templates()],
            "a name": [person.name.encode() for person in gallery.people()],
        }
    counts: Counter[str] = Counter()
    for number in range(rounds):
        chance = random.Random(f"{seed} {number}")
        what = chance.choice([*parts, "an owner"])
        path.write_bytes(damage.flip_in(data, parts[what], chance) if what in parts else data)
        if what not in parts:
            damage.change_owner(path, chance)
        counts[f"a bit of {what}: rounds"] += 1
        counts["wrong: not named by the check"] += not damage.is_found(path)
    return counts


def in_the_log(rounds: int, seed: int, folder: Path) -> Counter[str]:
    """Spoil a log of commits that were not taken over into the file, as a process that was killed leaves it."""
    path, spoilt = folder / "g.db", folder / "spoilt.db"
    with Gallery.open(path, create=True) as gallery:
        for commit in range(COMMITS):
            gallery.add_templates(f"person {commit}", [damage.numbered(commit)])
            if not commit:
                gallery.empty_log()
        file, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    counts: Counter[str] = Counter()
    for number in range(rounds):
        chance = random.Random(f"{seed} {number}")
        changed = bytearray(log)
        chance.choice(damage.DAMAGES)(changed, chance)
        spoilt.write_bytes(file)
        Path(f"{spoilt}-wal").write_bytes(changed)
        Path(f"{spoilt}-shm").unlink(missing_ok=True)
        try:
            with Gallery.open(spoilt) as gallery:
                names = [person.name for person in gallery.people()]
                problems = gallery.info(check=True).problems
        except GalleryCorruptError:
            counts["refused"] += 1
            continue
        if problems or sorted(names) != sorted(f"person {each}" for each in range(len(names))):
            counts["wrong: neither all nor up to a commit"] += 1
        counts["commits at the end lost" if len(names) < COMMITS else "all commits there"] += 1
        Path(f"{spoilt}-wal").unlink(missing_ok=True)
    return counts


def in_search_files(rounds: int, seed: int, folder: Path) -> Counter[str]:
    loading.LEAST_TEMPLATES = 1000
    path = folder / "large.db"
    damage.make_large(path, 600)
    counts: Counter[str] = Counter()
    with Gallery.open(path) as gallery:
        files, probes = damage.search_files(gallery), np.random.default_rng(7).standard_normal((3, damage.DIMENSION))
        expected = damage.searched(gallery, probes)
        for number in range(rounds):
            template_file, approximate = files
            spoilt = template_file if number % 10 else approximate
            damage.damage_search_file(files, spoilt, random.Random(f"{seed} {number}"))
            signal.alarm(LIMIT_S)
            counts["the template file: rounds" if number % 10 else "the approximate index: rounds"] += 1
            counts["wrong: another answer"] += damage.searched(gallery, probes) != expected
    signal.alarm(0)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGALRM, hang)
    is_wrong = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = folder / "sound.db"
        damage.make_sound(sound)
        parts = {
            "anywhere in the file": lambda: anywhere(sound, given.rounds, given.seed, folder),
            "in vectors, names and owners": lambda: in_vital_parts(sound, given.rounds // 2, given.seed, folder),
            "in the write-ahead log": lambda: in_the_log(given.rounds // 5, given.seed, folder / "log"),
            "in search files": lambda: in_search_files(given.rounds // 50, given.seed, folder),
        }
        (folder / "log").mkdir()
        if not is_installed():
            del parts["in search files"]
        for title, part in parts.items():
            begun = time.monotonic()
            counts = part()
            print(f"{title} ({time.monotonic() - begun:.0f} s)")
            for what, count in sorted(counts.items()):
                print(f"  {what}: {count}")
                is_wrong = is_wrong or (what.startswith("wrong") and count > 0)
    print("failures" if is_wrong else "no failures")
    return is_wrong


if __name__ == "__main__":
    sys.exit(main())
