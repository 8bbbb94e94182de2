"""The smaller tables of bench_scan.py: one photo in a fresh process, and embedding alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from contenders import FACECLI, OURS, Contender, Tally, Worker, heading, line, note, run_once
from corpus import SAMPLES, PhotoSet

EMBEDDERS = ("sface", "mobilefacenet", "dlib-resnet")


def make_known(scratch: Path) -> str:
    """Put a photo of each person into one folder, named as the peers want it, and return that folder."""
    folder = scratch / "known"
    folder.mkdir()
    for person in sorted((SAMPLES / "known").iterdir()):
        shutil.copy(next(person.iterdir()), folder / f"{person.name}.jpg")
    return str(folder)


def one_photo_rows(photo: Path, entered: list[Contender], environment: Mapping[str, str], rounds: int) -> Iterator[str]:
    """Measure the commands on one photo, a fresh process each: starting is part of it."""
    known = Path(environment["BENCH_KNOWN"])
    commands: dict[str, list[str]] = {OURS: [str(FACECLI), "identify", str(photo)]}
    for name in ("verifyface", "face_recognition"):
        python = next((each.python for each in entered if each.name == name), None)
        if python is None:
            continue
        program = str(Path(python).with_name(name))
        if name == "verifyface":
            for person in sorted(known.iterdir()):
                run_once([program, "enroll", person.stem, str(person)], environment)
        commands[name] = (
            [program, "identify", str(photo)] if name == "verifyface" else [program, str(known), str(photo)]
        )
    tallies = {name: Tally() for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            # verifyface says 1 where it knows nobody.
            wall, cpu, peak = run_once(command, environment, (0, 1) if name == "verifyface" else (0,))
            if turn:  # the first fills caches
                note(tallies[name], {"count": 1, "wall_s": wall, "cpu_s": cpu, "peak_mib": peak, "found": {}})
    yield heading("who is in one large photo, a fresh process", "s", "CPU s", "peak MiB", "time / facecli's")
    for name, tally in tallies.items():
        cells = (tally.each_s, tally.each_cpu_s)
        ratio = tally.time_to(tallies[OURS])
        yield line(name, *(f"{each:.2f}" for each in cells), f"{tally.peak_mib:.0f}", f"{ratio:.2f}")


def embedding_rows(
    photos: PhotoSet, entered: list[Contender], environment: Mapping[str, str], rounds: int, seconds: float
) -> Iterator[str]:
    """Measure embedding alone: crops that lie in memory, four at a time where a contender takes several."""
    names = {each.name: each.python for each in entered}
    runs = [Contender(f"embed {name}{mirror}", sys.executable) for name in EMBEDDERS for mirror in ("", " --no-mirror")]
    peers = ("OpenCV", "verifyface", "face_recognition", "facenet-pytorch")
    runs += [Contender(f"embed {peer}", names[peer]) for peer in peers if peer in names]
    tallies, workers = {each.name: Tally() for each in runs}, {}
    for each in runs:
        workers[each.name] = Worker(each, environment)
        workers[each.name].ask({"warm_up": [str(path) for path in photos.photos[:40]]})
    for _ in range(rounds):
        for name, worker in workers.items():
            note(tallies[name], worker.ask({"photos": [], "seconds": seconds}))
    for worker in workers.values():
        worker.close()
    ours = tallies[runs[0].name]
    yield heading("embedding alone", "faces/s", "ms a face", "CPU ms a face", "time / facecli's sface")
    for name, tally in tallies.items():
        yield line(
            name.removeprefix("embed "),
            f"{1 / tally.each_s:.0f}",
            f"{tally.each_s * 1000:.2f}",
            f"{tally.each_cpu_s * 1000:.2f}",
            f"{tally.time_to(ours):.2f}",
        )
