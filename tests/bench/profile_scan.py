"""Where the time of a scan goes: ``python tests/bench/profile_scan.py --cache FOLDER [--data DATA] [--sets '12 MP']``.

Runs ``facecli scan --no-store`` in this process, on the sets of corpus.py, with timers put around functions from
outside. A stage's time is its own: what a stage inside it takes is taken off. Threads that OpenVINO computes with are
not seen by these timers; what the process took beyond all stages and threads is theirs, and goes to the two networks by
how long each was waited for.
"""

from __future__ import annotations

import argparse
import collections
import functools
import io
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus import SAMPLES, PhotoSet, make_corpus

import facecli.app
import facecli.cli.main
import facecli.detect.centerface
import facecli.detect.single_shot
import facecli.embed.cnn
import facecli.gallery.search
import facecli.report.json_lines
import facecli.runtime.openvino_engine
import facecli.services.analysis

CROP_SIDES = (112, 150, 160)  # of embedders: every other picture is the detector's
SHARPEN = "choose a scale to embed at"
DETECTION, EMBEDDING = "find faces: network", "embed: network"


@dataclass
class Times:
    """What a stage took in all."""

    calls: int = 0
    wall: float = 0.0
    cpu: float = 0.0


@dataclass
class Profile:
    """Stages by name, filled by all threads."""

    stages: dict[str, Times] = field(default_factory=lambda: collections.defaultdict(Times))
    lock: threading.Lock = field(default_factory=threading.Lock)
    local: threading.local = field(default_factory=threading.local)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside, less the stages inside that."""
        stack: list[list[Any]] = self.local.__dict__.setdefault("stack", [])
        stack.append([0.0, 0.0, name])
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            inside = stack.pop()
            if stack:
                stack[-1][0] += wall
                stack[-1][1] += cpu
            with self.lock:
                times = self.stages[name]
                times.calls += 1
                times.wall += wall - inside[0]
                times.cpu += cpu - inside[1]

    def inside(self, name: str) -> bool:
        """Say whether this thread is in a stage."""
        return any(each[2] == name for each in self.local.__dict__.get("stack", []))

    def wrapped(self, work: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Return a function that times `work`; `name` tells the stage from the arguments."""

        @functools.wraps(work)
        def run(*arguments: Any, **options: Any) -> Any:
            with self.stage(name(*arguments)):
                return work(*arguments, **options)

        return run


class Hashes:
    """Stands for hashlib in the module that hashes photos."""

    def __init__(self, profile: Profile) -> None:
        import hashlib

        self.sha256 = profile.wrapped(hashlib.sha256, lambda *_: "hash")


def _network(_: object, pictures: Any) -> str:
    height, width = pictures.shape[1:3]
    return EMBEDDING if height == width and height in CROP_SIDES else DETECTION


def targets(profile: Profile) -> Iterator[tuple[Any, str, Any]]:
    """Yield what is to be replaced by what: owner, attribute, value."""
    analysis, single_shot = facecli.services.analysis, facecli.detect.single_shot
    named: list[tuple[Any, str, str]] = [
        (analysis, "read_file", "read"),
        (analysis.Analyser, "_sharp_enough", SHARPEN),
        (single_shot, "letterbox", "find faces: resize, pad"),
        (single_shot, "edge_map", "find faces: edge map"),
        (single_shot.SingleShotDetector, "detect", "find faces: around it"),
        (facecli.detect.centerface, "decode", "find faces: heads"),
        (single_shot.SingleShotDetector, "_detections", "find faces: suppression"),
        (facecli.embed.cnn.CnnEmbedder, "align", "embed: align"),
        (facecli.app, "assess", "judge quality"),
        (facecli.embed.cnn.CnnEmbedder, "embed", "embed: around it"),
        (analysis.Analyser, "_analysed", "the rest of a photo"),
        (facecli.gallery.search.GallerySearch, "candidates", "search"),
        (facecli.report.json_lines.JsonLinesWriter, "write", "write"),
    ]
    for owner, attribute, name in named:
        yield owner, attribute, profile.wrapped(getattr(owner, attribute), lambda *_, name=name: name)
    yield analysis, "hashlib", Hashes(profile)
    yield (
        analysis,
        "decode_photo",
        profile.wrapped(
            analysis.decode_photo, lambda *_: "decode again, for small faces" if profile.inside(SHARPEN) else "decode"
        ),
    )
    network = facecli.runtime.openvino_engine.OpenVinoNetwork
    yield network, "__call__", profile.wrapped(network.__call__, _network)


@contextmanager
def timers(profile: Profile) -> Iterator[None]:
    """Put timers around everything, and take them off again."""
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in targets(profile)]
    for owner, name, value in targets(profile):
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def call(*words: str) -> None:
    """Run a command of facecli in this process, silently."""
    with redirect_stderr(io.StringIO()) as said:
        try:
            facecli.cli.main.app(list(words), standalone_mode=False)
        except SystemExit as ended:
            if ended.code:
                raise SystemExit(f"facecli {' '.join(words)} ended with {ended.code}: {said.getvalue()}") from ended


def profile_set(photos: PhotoSet, repeats: int, words: list[str], scratch: Path) -> list[str]:
    """Scan a set and return the lines of its table."""
    names = scratch / "photos.txt"
    names.write_text("\n".join([str(path) for path in photos.photos] * repeats))
    scan = ["scan", "--files-from", str(names), "--no-store", "-q", "-o", str(scratch / "out.jsonl"), *words]
    profile = Profile()
    cores = len(os.sched_getaffinity(0))
    with timers(profile):
        wall, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
        call(*scan)
        wall, cpu, own = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - own
    return list(lines(photos.name, profile, len(photos.photos) * repeats, wall, cpu, own, cores))


def lines(
    set_name: str, profile: Profile, count: int, wall: float, cpu: float, own: float, cores: int
) -> Iterator[str]:
    """Yield the lines of a table; `own` is the processor time of the main thread, where search and writing are."""
    stages = profile.stages
    in_main = sum(stages[name].cpu for name in ("search", "write"))
    seen = sum(each.cpu for each in stages.values()) + max(own - in_main, 0.0)
    hidden = max(cpu - seen, 0.0)  # OpenVINO's threads, and a little of starting
    waited = sum(stages[name].wall for name in (DETECTION, EMBEDDING)) or 1.0
    yield f"{set_name}: {count} photos, {count / wall:.1f} a second, {wall / count * 1000:.2f} ms each"
    yield f"{'stage':32}{'calls':>8}{'wall ms a photo':>17}{'CPU ms a photo':>16}{'of the CPU time':>17}"
    rows = []
    for name, each in stages.items():
        own_cpu = each.cpu + (hidden * each.wall / waited if name in (DETECTION, EMBEDDING) else 0.0)
        rows.append((name, each.calls / count, each.wall, own_cpu))
    rows.append(("start, order, summary", 0.0, 0.0, max(own - in_main, 0.0)))
    for name, calls, stage_wall, stage_cpu in sorted(rows, key=lambda each: -each[3]):
        yield (
            f"{name:32}{calls:8.2f}{stage_wall / count * 1000:17.3f}{stage_cpu / count * 1000:16.3f}"
            f"{stage_cpu / cpu:17.1%}"
        )
    busy = cpu / wall / cores
    yield f"{'all; share of all cores':32}{'':8}{wall / count * 1000:17.3f}{cpu / count * 1000:16.3f}{busy:17.1%}"
    yield f"{'cores idle, or with others':32}{'':8}{'':17}{'':16}{1 - busy:17.1%}\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "facecli-bench")
    parser.add_argument("--data", type=Path, default=os.environ.get("FACECLI_DATA"))
    parser.add_argument("--sets", nargs="*", help="only these: small, '2 MP', '12 MP', '24 MP'")
    parser.add_argument("--least", type=int, default=48, help="photos to scan at least, the set repeated")
    parser.add_argument("words", nargs="*", help="options of scan, after --")
    options = parser.parse_args()
    sets = [each for each in make_corpus(options.cache, options.data) if not options.sets or each.name in options.sets]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        os.environ |= {"FACECLI_GALLERY": str(scratch / "gallery.db"), "FACECLI_CACHE": str(scratch / "cache")}
        call("enroll", str(SAMPLES / "known"), "-q", "-o", str(scratch / "enrolled.json"))
        for photos in sets:
            repeats = -(-options.least // len(photos.photos))
            sys.stdout.write("\n".join(profile_set(photos, repeats, options.words, scratch)) + "\n")


if __name__ == "__main__":
    main()
