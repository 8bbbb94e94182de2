"""Short runs of the scripts in tests/bench, which say in detail what is held against what."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run(script: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@posix
def test_a_kill_at_any_moment_leaves_a_sound_gallery_with_all_that_was_reported():
    told = run("gallery_kills.py", "--rounds", "10")
    assert "failures: 0\n" in told
    assert told.count(": rounds: 1\n") == 10


@posix
def test_a_crowd_loses_nothing_and_waits_for_no_one_for_ever():
    told = run("gallery_crowd.py", "--seconds", "2")
    assert "lost: 0;" in told
    assert "enrol: done: " in told
