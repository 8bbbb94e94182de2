"""Several processes enrol, merge, remove, undo, back up and search one gallery at once.

    python tests/bench/gallery_crowd.py [--seconds N] [--processes N] [--seed N]

Counts what was done, what was refused with a message, and what was lost: an enrolment that was reported and is not in
the gallery, or a change that is not in its log. Ends with 1 if anything was lost, an answer was wrong, somebody waited
longer than the limit, or a process did not end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads before a fork
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gallery"))

from damage import numbered

from facecli.errors import FacecliError
from facecli.gallery import backups, copying
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import BUSY_TIMEOUT_S, Gallery

NAMES = [f"person {number}" for number in range(40)]
BATCH = 3
REFUSALS = {"unknown_person", "unknown_event", "cannot_undo", "gallery_locked"}
"""What may stand against a change where others change what it is about, or write for longer than it waits."""
MARGIN_S = 20.0
"""On top of the limit, for the work itself on a machine that others use too."""


class Worker:
    """One process of the crowd.

    Parameters
    ----------
    path : Path
    number : int
        Of the process: its photos are its own.
    seed : int
    """

    def __init__(self, path: Path, number: int, seed: int) -> None:
        self.path = path
        self.chance = random.Random(f"{seed} {number}")
        self.counts: Counter[str] = Counter()
        self.enrolled: list[int] = []
        self.events = 0
        self.longest_s = 0.0
        self.next = number * 10**6

    def run(self, seconds: float) -> dict[str, object]:
        deeds: list[tuple[Callable[[], None], int]] = [
            (self.enrol, 6),
            (self.search, 6),
            (self.merge, 2),
            (self.undo, 2),
            (self.remove, 1),
            (self.back_up, 1),
        ]
        choices, weights = zip(*deeds, strict=True)
        end = time.monotonic() + seconds
        self.gallery = Gallery.open(self.path)
        searching = GallerySearch(self.gallery)
        self.searching = searching
        while time.monotonic() < end:
            (deed,) = self.chance.choices(choices, weights)
            name, begun = deed.__name__, time.monotonic()
            try:
                deed()
                self.counts[f"{name}: done"] += 1
            except FacecliError as error:
                self.counts[f"{name}: refused, {error.code}"] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - begun)
        self.gallery.close()
        return {
            "counts": self.counts,
            "enrolled": self.enrolled,
            "events": self.events,
            "longest_s": self.longest_s,
        }

    def enrol(self) -> None:
        numbers = range(self.next, self.next + BATCH)
        self.next += BATCH
        self.gallery.add_templates(self.chance.choice(NAMES), [numbered(number) for number in numbers])
        self.enrolled += numbers
        self.events += 1

    def search(self) -> None:
        probe = numbered(self.chance.choice(self.enrolled or [0])).embedding
        for candidate in self.searching.candidates([probe], 3)[0]:
            if candidate.name not in NAMES:
                self.counts["wrong answers"] += 1

    def merge(self) -> None:
        one, other = self.chance.sample(NAMES, 2)
        with self.gallery.edit("people merge") as edit:
            edit.merge(edit.person(one).person_id, edit.person(other).person_id)
        self.events += 1

    def undo(self) -> None:
        last = len(self.gallery.events())
        with self.gallery.edit("people undo") as edit:
            edit.undo(max(1, last - self.chance.randrange(10)))
        self.events += 1

    def remove(self) -> None:
        self.gallery.remove_person(self.chance.choice(NAMES))
        self.events += 1

    def back_up(self) -> None:
        made = backups.make(self.gallery._connection, self.gallery.path, backups.ASKED)
        backups.rotate(self.gallery.path, 3)
        del made


def start(path: Path, number: int, seed: int, seconds: float) -> tuple[int, int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    try:
        with open(writer, "w") as pipe:
            json.dump(Worker(path, number, seed).run(seconds), pipe)
    finally:
        os._exit(0)


def run(seconds: float, processes: int, seed: int) -> int:
    counts: Counter[str] = Counter()
    enrolled: list[int] = []
    events, longest_s, faults = 0, 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.db"
        Gallery.open(path, create=True).close()
        started = [start(path, number, seed, seconds) for number in range(processes)]
        signal.signal(signal.SIGALRM, lambda *_: [os.kill(child, signal.SIGKILL) for child, _ in started])
        signal.alarm(int(seconds + BUSY_TIMEOUT_S + MARGIN_S))  # whoever hangs is killed, and then says nothing
        for number, (child, reader) in enumerate(started):
            with open(reader) as pipe:
                text = pipe.read()
            os.waitpid(child, 0)
            if not text:
                faults.append(f"process {number} died or did not end")
                continue
            told = json.loads(text)
            counts.update(told["counts"])
            enrolled += told["enrolled"]
            events += told["events"]
            longest_s = max(longest_s, told["longest_s"])
        signal.alarm(0)
        with Gallery.open(path) as gallery:
            faults += gallery.info(check=True).problems
            logged = len(gallery.events())
            # Whoever was removed, and what an undone enrolment leaves, is nobody's, but there.
            kept = {row[0].decode() for row in gallery._connection.execute("SELECT source FROM templates")}
        for each in backups.backups(str(path)):
            faults += copying.problems(each.path)
    lost = sum(f"{number}.jpg" not in kept for number in enrolled)
    if lost:
        faults.append(f"{lost} of {len(enrolled)} templates are lost")
    if logged != events:
        faults.append(f"{events} changes were reported, and the log has {logged}")
    faults += [what for what in counts if "refused" in what and what.split()[-1] not in REFUSALS]
    if counts["wrong answers"]:
        faults.append(f"{counts['wrong answers']} answers were wrong")
    if longest_s > BUSY_TIMEOUT_S + MARGIN_S:
        faults.append(f"somebody waited for {longest_s:.1f} s")
    for what, count in sorted(counts.items()):
        print(f"{what}: {count}")
    print(f"templates enrolled: {len(enrolled)}, lost: {lost}; changes: {events}, in the log: {logged}")
    print(f"longest wait: {longest_s:.2f} s")
    print(f"failures: {len(faults)}")
    print("\n".join(faults[:20]))
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return run(given.seconds, given.processes, given.seed)


if __name__ == "__main__":
    sys.exit(main())
