"""Whether a photo costs the same at the end of a long scan, and memory stays where it was.

    python tests/bench/long_scan.py [--photos 20000] [--plot tests/bench/memory.png] [-- options of scan]

Scans a folder of so many small photos, of which every 50th has 2 to 24 megapixels, with ``facecli scan`` as a user
does, and looks every second at the photos done and the memory held. No two files have the same content, so nothing is
recognised.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from corpus import SAMPLES, PhotoSet, make_corpus

FACECLI = Path(sys.executable).with_name("facecli")
EVERY_LARGE = 50
MARKS = (100, 1000, 5000, 10_000, 20_000, 50_000, 100_000)
SETTLED = 0.5  # share of the photos after which every shape of photo has come, and memory is expected to stay


@dataclass
class Watch:
    """What was seen of a scan, a number a look."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)


def make_folder(folder: Path, sets: list[PhotoSet], count: int) -> None:
    """Fill a folder with copies that differ in the bytes behind the picture."""
    small = [path.read_bytes() for path in sets[0].photos]
    large = [path for each in sets[1:] for path in each.photos]
    for number in range(count):
        target = folder / f"{number // 1000:03}" / f"{number:06}.jpg"
        target.parent.mkdir(exist_ok=True)
        is_large = number % EVERY_LARGE == EVERY_LARGE - 1
        content = large[number // EVERY_LARGE % len(large)].read_bytes() if is_large else small[number % len(small)]
        target.write_bytes(content + f"photo {number}".encode())


def memory_mib(process_id: int) -> float:
    """Return the memory that a process holds."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0  # it has just ended


def cpu_seconds(process_id: int) -> float:
    """Return the processor time that a process has taken."""
    after_name = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def watch(command: list[str], environment: dict[str, str]) -> Watch:
    """Run a scan, counting its lines and looking at its memory."""
    seen, count = Watch(), 0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)

    def read() -> None:
        nonlocal count
        for _ in process.stdout or ():
            count += 1

    reader = threading.Thread(target=read)
    started = time.perf_counter()
    reader.start()
    while process.poll() is None:
        memory = memory_mib(process.pid)
        if memory:
            seen.seconds.append(time.perf_counter() - started)
            seen.cpu_seconds.append(cpu_seconds(process.pid))
            seen.done.append(count)
            seen.memory_mib.append(memory)
        time.sleep(1)
    reader.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return seen


def report(seen: Watch, count: int) -> None:
    """Print the cost of a photo and the memory at stretches of the scan, and how both grow."""
    seconds, cpu, done, memory = map(np.array, (seen.seconds, seen.cpu_seconds, seen.done, seen.memory_mib))
    print(f"{count} photos in {seconds[-1]:.0f} s, {count / seconds[-1]:.1f} a second; peak {memory.max():.0f} MiB\n")
    print("| photos | ms a photo | CPU ms a photo | MiB at their end |\n|---|---|---|---|")
    for first, last in itertools.pairwise([0, *[mark for mark in MARKS if mark < count], count]):
        each = [float(np.diff(np.interp([first, last], done, times))[0]) / (last - first) for times in (seconds, cpu)]
        held = np.interp(last, done, memory)
        print(f"| {first} to {last} | {each[0] * 1000:.1f} | {each[1] * 1000:.1f} | {held:.0f} |")
    settled = done >= SETTLED * count
    slope = np.polyfit(done[settled] / 1000, memory[settled], 1)[0]
    middle = np.interp(count / 2, done, cpu)
    print(
        f"\nafter {SETTLED:.0%} of them memory grows by {slope:.2f} MiB a 1,000 photos;"
        f" the second half takes {(cpu[-1] - middle) / middle:.3f} times the processor time of the first"
    )


def plot(seen: Watch, path: Path) -> None:
    """Draw memory and the cost of a photo over the photos done."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    done = np.array(seen.done)
    step = max(1, len(done) // 100)
    figure, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    upper.plot(done, seen.memory_mib, linewidth=1)
    upper.set(ylim=(0, None), ylabel="memory held, MiB")
    costs = np.diff(seen.cpu_seconds[::step]) / np.maximum(np.diff(done[::step]), 1) * 1000
    lower.plot(done[::step][1:], costs, linewidth=1)
    lower.set(ylim=(0, None), ylabel="CPU ms a photo", xlabel="photos done")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--plot", type=Path, help="picture to write")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "facecli-bench")
    parser.add_argument("--data", type=Path, default=os.environ.get("FACECLI_DATA"))
    parser.add_argument("words", nargs="*", help="options of scan, after --")
    options = parser.parse_args()
    sets = make_corpus(options.cache, options.data)
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        make_folder(folder, sets, options.photos)
        places = {name: str(Path(scratch) / name.lower()) for name in ("CACHE", "STATE", "GALLERY")}
        environment = {**os.environ, **{f"FACECLI_{name}": place for name, place in places.items()}}
        subprocess.run([FACECLI, "enroll", SAMPLES / "known", "-q", "-f", "jsonl"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        seen = watch([str(FACECLI), "scan", str(folder), "-q", *options.words], environment)
    report(seen, options.photos)
    if options.plot is not None:
        plot(seen, options.plot)


if __name__ == "__main__":
    main()
