"""Feed damaged bytes to everything that reads bytes of strangers: ``python tests/fuzz [--seconds 30] [TARGET...]``.

A reader may refuse with an error of facecli's, or give an answer; anything else is a finding: another exception, a
process that dies, or one that takes too long or too much memory. Each target runs in a process of its own. What led to
a finding is written to fuzz_findings/, and the exit code is 1. The same --seed tries the same bytes, as far as the time
reaches.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FINDINGS = Path("fuzz_findings")

# For one input. Seeds are small: the slowest takes some hundredths of a second.
MOST_SECONDS = 20.0
MOST_BYTES = 6 << 30

# Between reports of a child to its parent.
REPORT_S = 1.0


def main() -> int:
    """Run the command line; 0 if nothing was found."""
    sys.path.insert(0, str(FOLDER))
    from targets import TARGETS

    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; by default all")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return _child(options.child, options.seed, options.seconds)
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"there is no target {min(unknown)}")
    findings = 0
    print(f"{'target':<14} {'executions':>10} {'refused':>8} {'answered':>9} {'ways to refuse':>15} {'findings':>9}")
    for name in options.targets or TARGETS:
        findings += _run(name, options.seed, options.seconds)
    return int(bool(findings))


def _run(name: str, seed: int, seconds: float) -> int:
    """Run one target until its time is up, starting it again after each finding; return how many there were."""
    end = time.monotonic() + seconds
    total: Counter[str] = Counter()
    ways: set[str] = set()
    findings = 0
    while (left := end - time.monotonic()) > 0 and findings < 5:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(FOLDER), "--child", name, "--seed", str(seed), "--seconds", str(left)]
            child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            says = _watched(child, Path(folder) / "progress", left)
            for line in says.splitlines():
                kind, _, value = line.partition(" ")
                if kind in ("executions", "refused", "answered"):
                    total[kind] += int(value)
                elif kind == "way":
                    ways.add(value)
            if child.returncode == 0:
                break
            findings += 1
            seed += 1_000_003
            FINDINGS.mkdir(exist_ok=True)
            culprit = Path(folder) / "input"
            kept = FINDINGS / f"{name}-{seed}"
            kept.write_bytes(culprit.read_bytes() if culprit.exists() else b"")
            print(f"{name}: a finding, its input in {kept} (exit {child.returncode})\n{says[-3000:]}", file=sys.stderr)
    print(
        f"{name:<14} {total['executions']:>10,} {total['refused']:>8,} {total['answered']:>9,} {len(ways):>15}"
        f" {findings:>9}",
        flush=True,
    )
    return findings


def _watched(child: subprocess.Popen[str], progress: Path, seconds: float) -> str:
    """Wait for a child, and kill it if one input takes too long."""
    while True:
        try:
            return child.communicate(timeout=1.0)[0]
        except subprocess.TimeoutExpired:
            started = progress.stat().st_mtime if progress.exists() else time.time()
            if time.time() - started > MOST_SECONDS + seconds:  # the last report is that old
                child.kill()


def _child(name: str, seed: int, seconds: float) -> int:
    from mutation import mutated
    from targets import TARGETS

    from facecli.errors import FacecliError

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    os.environ["FACECLI_CACHE"] = os.environ["FACECLI_STATE"] = str(Path.cwd())
    seeds, read = TARGETS[name]()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    rng = random.Random(f"{name} {seed}")
    scratch, progress = Path("input"), Path("progress")
    counts: Counter[str] = Counter()
    ways: set[str] = set()
    end = reported = time.monotonic()
    end += seconds
    # First the seeds as they are: a target that refuses all of them tries nothing.
    queue = list(seeds)
    code = 0
    while queue or time.monotonic() < end:
        data = queue.pop() if queue else mutated(seeds, rng)
        scratch.write_bytes(data)
        started = time.monotonic()
        try:
            read(data)
            counts["answered"] += 1
        except FacecliError as error:
            counts["refused"] += 1
            way = f"{error.code}:{_where(error)}"
            if way not in ways:
                ways.add(way)
                if len(seeds) < 400:  # what is refused in a new way is worth changing further
                    seeds.append(data)
        except Exception:  # noqa: BLE001  # whatever it is, it is a finding
            traceback.print_exc()
            code = 3
        counts["executions"] += 1
        if time.monotonic() - started > MOST_SECONDS:
            print(f"one input took {time.monotonic() - started:.0f} s")
            code = 3
        if code:
            break
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            progress.touch()
    for kind, count in counts.items():
        print(kind, count)
    for way in sorted(ways):
        print("way", way)
    return code


def _where(error: BaseException) -> str:
    """Return the line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"


if __name__ == "__main__":
    sys.exit(main())
