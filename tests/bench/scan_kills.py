"""Kill scans at random moments, go on with them, and compare what they write with what an uninterrupted scan writes.

    python tests/bench/scan_kills.py [--rounds N] [--seed N]

A round is one scan of a folder of small pictures, killed up to four times (SIGKILL) and gone on with until it ends.
Half of the kills come at a random time, half at a random call of what a scan does in its phases. Detector and embedder
are plain arithmetic, all else is the program itself, in a process of its own. Prints how many kills hit which phase;
ends with 1 if a result differs by a byte, or a photo is decoded again that was committed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads before a fork
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes import BLUE, GREEN, RED, FakeDetector, FakeEmbedder, picture

from facecli.app import App
from facecli.cli import main, scanning, stopping  # noqa: F401  # loaded once, not in every process
from facecli.report.json_lines import JsonLinesWriter
from facecli.scans import rows
from facecli.scans.store import ScanStore
from facecli.services import analysis

PHOTOS = 40
DETECTION_S = 0.002
MOST_KILLS = 4
LIMIT_S = 60.0
TORN = {"photos/torn.jpg", "photos/torn again.jpg"}

# Where a process may end itself, before or after a call.
POINTS: dict[str, tuple[Any, str, int]] = {  # object, its function, calls in a scan
    "plan": (ScanStore, "begin", 1),
    "inside plan": (rows, "insert_entries", 1),
    "commit": (ScanStore, "keep", PHOTOS),
    "inside commit": (rows, "update_entry", PHOTOS),
    "line": (JsonLinesWriter, "write", PHOTOS),
    "rename": (Path, "replace", 1),
    "finish": (ScanStore, "finish", 1),
}


def make_photos(folder: Path) -> None:
    """Pictures of one to three faces, and what else lies in folders: blank, equal, torn, empty and missing files."""
    colours = [RED, GREEN, BLUE]
    for number in range(PHOTOS):
        squares = [(colours[(number + k) % 3], 8 + 32 * k, 8 + number % 16, 24) for k in range(number % 4)]
        path = folder / ("deep" if number % 3 else "") / f"img{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(*squares, side=112 + number))
        os.utime(path, (1e9, 1e9))
    shutil.copy2(folder / "img3.png", folder / "same.png")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (folder / "torn again.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to("nowhere.jpg")


class SlowDetector(FakeDetector):
    """Takes its time, so that several photos are in hand."""

    def detect(self, photos: Any) -> Any:
        time.sleep(DETECTION_S)
        return super().detect(photos)


def use_fakes(log: Path) -> None:
    """Replace the networks, and note every photo that is decoded."""
    noted = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    decode = analysis.decode_photo

    def decode_noted(data: bytes, source: str, **options: Any) -> Any:
        os.write(noted, f"{source}\n".encode())
        return decode(data, source, **options)

    analysis.decode_photo = decode_noted
    fakes = {
        "detector": SlowDetector(),
        "embedder": FakeEmbedder(),
        "embedder_manifest": SimpleNamespace(model_id="fake"),
        "scores": None,
        "engine_name": "fake:cpu",
        "engine": SimpleNamespace(precision="f32"),
        "analysis_facts": {"detector": "fake"},
    }
    for name, value in fakes.items():
        setattr(App, name, property(lambda _, value=value: value))


def die_at(point: str, call: int, *, after: bool) -> None:
    """Let this process end itself at a call of one of `POINTS`."""
    owner, name, _ = POINTS[point]
    function, calls = getattr(owner, name), Counter[str]()

    def deadly(*values: Any, **options: Any) -> Any:
        calls[point] += 1
        if calls[point] == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*values, **options)
        if calls[point] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def in_child(folder: Path, words: list[str], before: Callable[[], None]) -> int:
    """Begin ``facecli`` in a process of its own, and return its number."""
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(folder)
        output = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        use_fakes(folder / "decoded")
        before()
        sys.argv = ["facecli", *words]
        main.main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        os._exit(70)


def wait(child: int, limit_s: float) -> int | None:
    """Return the exit code of a process (negative: the signal), or None if it is still there after so long."""
    until = time.monotonic() + limit_s
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.0005)


def committed(state: Path) -> tuple[set[str], str]:
    """Return the photos that are done, and how far the scan is."""
    file = state / "scans.db"
    if not file.exists():
        return set(), "before the plan"
    with closing(sqlite3.connect(file)) as connection:
        try:
            found = connection.execute("SELECT path, state FROM entries").fetchall()
            finished = connection.execute("SELECT count(finished_at) FROM scans").fetchone()[0]
        except sqlite3.OperationalError:  # no tables yet
            return set(), "before the plan"
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise SystemExit("the file of scans is damaged")
    done = {os.fsdecode(path) for path, entry in found if entry == rows.EntryState.DONE}
    if not found:
        return done, "before the plan"
    if finished:
        return done, "finished"
    return done, "analysing" if any(entry == 0 for _, entry in found) else "all done, not finished"


@contextmanager
def environment(state: Path) -> Iterator[None]:
    """A folder of its own for each round."""
    os.environ["FACECLI_STATE"] = str(state)
    yield
    shutil.rmtree(state, ignore_errors=True)


class Rounds:
    """Rounds over one folder of photos.

    Parameters
    ----------
    folder : Path
        Empty.
    seed : int
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._count = 0
        self.kills = Counter[str]()
        self.runs = 0
        make_photos(folder / "photos")
        for name in list(os.environ):
            if name.startswith("FACECLI_"):
                del os.environ[name]
        os.environ |= {"FACECLI_GALLERY": str(folder / "people.db"), "HOME": str(folder)}
        (folder / "people").mkdir()
        for name, colour in {"Red": RED, "Green": GREEN}.items():
            (folder / "people" / f"{name}.png").write_bytes(picture((colour, 16, 16, 64)))
        self._expect_code(in_child(folder, ["enroll", "people"], lambda: None), 0)
        started = time.monotonic()
        with environment(folder / "state"):
            self._expect_code(in_child(folder, self._words([], "whole.jsonl"), lambda: None), 3)
        self._duration_s = time.monotonic() - started
        self._whole = (folder / "whole.jsonl").read_bytes()

    def _words(self, options: list[str], output: str) -> list[str]:
        return ["scan", "photos", "--threshold", "0.9", "-o", output, *options]

    def _expect_code(self, child: int, code: int) -> None:
        ended = wait(child, LIMIT_S)
        if ended != code:
            raise SystemExit(f"exit code {ended}, expected {code}:\n{(self._folder / 'said').read_text()[-2000:]}")

    def play(self) -> None:
        """Play one round."""
        self._count += 1
        options = self._random.choice([[], [], ["--update"], ["--fresh"]])
        options = [*options, "--jobs", str(self._random.randint(1, 4))]
        state, output, log = self._folder / f"state{self._count}", self._folder / "out.jsonl", self._folder / "decoded"
        with environment(state):
            kills, done, phase = self._random.randint(1, MOST_KILLS), set[str](), ""
            while True:
                log.unlink(missing_ok=True)
                code = self._run(self._words(options, output.name), kills)
                kills -= 1
                decoded = set(log.read_text().split("\n")) if log.exists() else set()
                if phase == "finished":
                    # It begins anew: --fresh means what it says, and an error is that of one of several equal files.
                    done = set() if "--fresh" in options else done - TORN
                if decoded & done:
                    raise SystemExit(f"round {self._count}: decoded again: {sorted(decoded & done)}")
                done, phase = committed(state)
                if code == 3:
                    break
                if code != -signal.SIGKILL:
                    raise SystemExit(f"round {self._count}: exit code {code}:\n{(self._folder / 'said').read_text()}")
                self.kills[phase] += 1
                if "--resume" not in options:
                    options = [*options, "--resume"]
            if output.read_bytes() != self._whole:
                raise SystemExit(f"round {self._count}: the results differ")
            output.unlink()
        for path in self._folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            path.unlink()
        (self._folder / "said").unlink(missing_ok=True)

    def _run(self, words: list[str], kills: int) -> int | None:
        """Run the program once, killed or, if that was done often enough, to its end."""
        self.runs += 1
        if kills > 0 and self._random.random() < 0.5:
            point = self._random.choice(list(POINTS))
            call, after = self._random.randint(1, POINTS[point][2]), self._random.random() < 0.5
            return wait(in_child(self._folder, words, lambda: die_at(point, call, after=after)), LIMIT_S)
        child = in_child(self._folder, words, lambda: None)
        code = wait(child, LIMIT_S if kills <= 0 else self._random.uniform(0, 1.1 * self._duration_s))
        if code is None:
            os.kill(child, signal.SIGKILL)
            code = wait(child, LIMIT_S)
        return code


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    # What a killed process wrote is there whether it reached the disk or not, so memory serves, and is quicker.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="scan_kills.", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        rounds, started = Rounds(folder, seed), time.monotonic()
        for _ in range(given.rounds):
            rounds.play()
    except BaseException:
        print(f"seed {seed}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(folder)
    kills = ", ".join(f"{count} {phase}" for phase, count in sorted(rounds.kills.items()))
    print(
        f"{given.rounds} rounds, {rounds.runs} runs, {rounds.kills.total()} kills ({kills}) in "
        f"{time.monotonic() - started:.0f} s: every result equal, no photo decoded again (seed {seed})"
    )


if __name__ == "__main__":
    run()
