"""Scans as processes of their own: signals, kills, and folders that are followed."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

BENCH = Path(__file__).resolve().parents[1] / "bench"
KILLS = BENCH / "scan_kills.py"
STARTED: list[subprocess.Popen[bytes]] = []
RUN = "from facecli.cli.main import main; main()"

# The program with networks of plain arithmetic, which take their time.
FAKED = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(BENCH)!r})
import scan_kills
scan_kills.DETECTION_S = float(sys.argv.pop(1))
scan_kills.use_fakes(Path("decoded"))
scan_kills.main.main()
"""


# What runs in the background of a script was told to ignore Ctrl-C, and so were these tests then.
USUAL_SIGNALS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
"""


def start(code: str, *words: str | os.PathLike[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error", "-c", USUAL_SIGNALS + code, *map(os.fspath, words)]
    STARTED.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    return STARTED[-1]


def faked(*words: str | os.PathLike[str], seconds: float = 0.0) -> subprocess.Popen[bytes]:
    """Start the program with fakes that take so long for a photo."""
    return start(FAKED, str(seconds), *words)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err.decode()


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has made a file that is not empty."""
    until = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size):
        assert process.poll() is None, finish(process)
        assert time.monotonic() < until
        time.sleep(0.01)


def wait_for_line(process: subprocess.Popen[bytes], wanted: bytes) -> None:
    """Read standard error up to a line."""
    assert process.stderr is not None
    for line in process.stderr:
        if line == wanted:
            return
    pytest.fail(f"it never said {wanted!r}")


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    for process in STARTED:
        process.kill()
        process.communicate()
    STARTED.clear()


@pytest.fixture
def colours(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures for the fakes, beside a gallery of the fakes' people."""
    monkeypatch.syspath_prepend(str(BENCH))
    import scan_kills
    from fakes import GREEN, RED, write_picture

    scan_kills.make_photos(home / "photos")
    for name, colour in {"Red": RED, "Green": GREEN}.items():
        write_picture(home / "people" / f"{name}.png", (colour, 16, 16, 64))
    assert finish(faked("enroll", "people"))[0] == 0
    (home / "decoded").unlink()
    return home / "photos"


SCAN = ("scan", "photos", "--threshold", "0.9", "--jobs", "2")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_after_what_is_in_hand(colours: Path, home: Path, number: signal.Signals, code: int) -> None:
    whole = finish(faked(*SCAN))
    (home / "decoded").unlink()
    process = faked(*SCAN, "--fresh", "-o", "found here.jsonl", seconds=0.2)
    wait_for(home / "decoded", process)
    process.send_signal(number)
    stopped = finish(process)
    first = (home / "decoded").read_text().splitlines()
    (home / "decoded").unlink()
    again = shlex.split(stopped[2].rpartition("go on with: ")[2])

    resumed = finish(faked(*again[1:]))

    assert whole[0] == 3
    assert stopped[:2] == (code, b"")
    assert again == ["facecli", *SCAN, "--fresh", "-o", "found here.jsonl", "--resume"]
    done = re.findall(r"(?:stopped after|going on with scan 2:) (\d+) of 45 photos", stopped[2] + resumed[2])
    assert len(first) <= int(done[0]) == int(done[1]) < 45
    assert (home / "found here.jsonl").read_bytes() == whole[1]
    assert not {*first} & {*(home / "decoded").read_text().splitlines()}
    assert list(home.glob(".*.tmp")) == []


def test_a_second_signal_ends_it_at_once(colours: Path, home: Path) -> None:
    process = faked(*SCAN, "-o", "found.jsonl", seconds=100)
    wait_for(home / "decoded", process)
    process.send_signal(signal.SIGINT)
    wait_for_line(process, b"finishing what is in hand; once more ends at once\n")
    started = time.monotonic()

    process.send_signal(signal.SIGINT)
    code = finish(process)[0]

    assert code == 130
    assert time.monotonic() - started < 30
    assert sorted(each.name for each in home.iterdir() if each.is_file()) == ["decoded"]


def test_a_signal_that_was_ignored_stays_so(colours: Path, home: Path) -> None:
    quiet = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + FAKED
    process = start(quiet, "0.02", *SCAN, "-o", "found.jsonl")
    wait_for(home / "decoded", process)

    process.send_signal(signal.SIGHUP)

    assert finish(process)[0] == 3
    assert len((home / "found.jsonl").read_bytes().splitlines()) == 45


def test_a_scan_that_runs_is_not_taken_over(colours: Path, home: Path) -> None:
    process = faked(*SCAN, seconds=100)
    wait_for(home / "decoded", process)

    code, out, err = finish(faked(*SCAN, "--resume"))
    other = faked(*SCAN, seconds=0.1)
    wait_for_line(other, f"process {process.pid} is scanning the same, as scan 1\n".encode())

    assert (code, out) == (1, b"")
    assert err.startswith(f"error: scan 1 is being done by process {process.pid}\n")


def test_folders_are_followed_until_ctrl_c(colours: Path, home: Path) -> None:
    from fakes import BLUE, write_picture

    process = faked(*SCAN, "--watch", "--interval", "0.05")
    assert process.stdout is not None
    scanned = [json.loads(process.stdout.readline()) for _ in range(45)]
    wait_for_line(process, b"watching; Ctrl-C ends it\n")

    write_picture(colours / "late.png", (BLUE, 8, 8, 40))
    late = json.loads(process.stdout.readline())
    write_picture(home / "Blue.png", (BLUE, 16, 16, 64))
    assert finish(faked("enroll", "Blue", "Blue.png"))[0] == 0
    shutil.copy(colours / "late.png", colours / "later.png")
    later = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)

    assert len({each["path"] for each in scanned}) == 45
    assert (late["path"], late["faces"][0]["name"]) == ("photos/late.png", None)
    assert (later["path"], later["faces"][0]["name"]) == ("photos/later.png", "Blue")
    assert (code, out) == (3, b"")  # as the scan alone
    assert "Traceback" not in err


def test_what_is_followed_is_appended_to_the_file(colours: Path, home: Path) -> None:
    from fakes import RED, write_picture

    process = faked(*SCAN, "--watch", "--interval", "0.05", "-o", "found.jsonl")
    wait_for(home / "found.jsonl", process)
    size = (home / "found.jsonl").stat().st_size
    write_picture(colours / "late.png", (RED, 8, 8, 40))
    until = time.monotonic() + 60
    while (home / "found.jsonl").stat().st_size == size and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)

    assert finish(process)[0] == 3
    lines = (home / "found.jsonl").read_text().splitlines()
    assert len(lines) == 46
    assert json.loads(lines[-1])["path"] == "photos/late.png"


def killed(rounds: int) -> str:
    done = subprocess.run([sys.executable, KILLS, "--rounds", str(rounds)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_scans_go_on(home: Path) -> None:
    assert killed(4).startswith("4 rounds, ")


@pytest.mark.slow
def test_scans_killed_300_times_go_on(home: Path) -> None:
    said = killed(300)

    assert said.startswith("300 rounds, ")
    assert all(f"{phase}" in said for phase in ("before the plan", "analysing", "all done, not finished", "finished"))


def test_a_killed_scan_with_real_networks_goes_on(home: Path, gallery: Path, sample_images: Path) -> None:
    folder = home / "photos"
    folder.mkdir()
    for number in range(12):
        source = sorted(sample_images.rglob("*.jpg"))[number % 5]
        with Image.open(source) as photo:
            photo.thumbnail((400 + number, 400 + number))
            photo.save(folder / f"{number}.jpg")
    words = ("scan", "photos", "--device", "cpu", "-o")
    began = time.monotonic()
    assert finish(start(RUN, *words, "whole.jsonl", "--no-store"))[0] == 0
    took_s = time.monotonic() - began

    for _ in range(2):
        process = start(RUN, *words, "found.jsonl", "--resume")
        time.sleep(random.uniform(0.5, 1) * took_s)
        process.kill()
        process.communicate()
    ended = finish(start(RUN, *words, "found.jsonl", "--resume"))

    assert ended[0] == 0
    assert (home / "found.jsonl").read_bytes() == (home / "whole.jsonl").read_bytes()
