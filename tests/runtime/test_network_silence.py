"""Nothing is sent anywhere: openvino brings a telemetry package along, and this holds it down."""

from __future__ import annotations

import subprocess
import sys

import pytest

# An audit hook sees every socket that Python code opens and every program it starts, and cannot be taken
# off again. The child ends at once, so that no handler of an error can hide the attempt.
TRAP = """
import os, sys
FORBIDDEN = {"socket.__new__", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
             "subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system"}

def hook(event, args):
    if event in FORBIDDEN:
        os.write(2, f"forbidden: {event} {args}".encode())
        os._exit(99)

sys.addaudithook(hook)
"""
RUN_EVERY_NETWORK = """
from pathlib import Path
import numpy as np
from facecli.runtime.manifest import shipped_models
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.runtime.weights import resolve

engine = OpenVinoEngine()
names = sorted(shipped_models())
for name in names:
    path, manifest = resolve(name, cache_dir=Path("absent"))
    height, width = manifest.size_hw or (manifest.stride, manifest.stride)
    engine.load(path, manifest.preprocessing)(np.zeros((1, height, width, 3), np.uint8))
assert "openvino" in sys.modules and len(names) >= 3
print(*sorted(module for module in sys.modules if "telemetry" in module))
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", TRAP + code], capture_output=True, text=True, timeout=120)


def test_running_every_network_opens_no_socket_and_starts_no_program() -> None:
    done = run(RUN_EVERY_NETWORK)

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket()",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9', timeout=1)",
        "import subprocess; subprocess.run(['true'])",
        "os.system('true')",
    ],
)
def test_the_trap_does_catch(code: str) -> None:
    done = run(code)

    assert done.returncode == 99
    assert done.stderr.startswith("forbidden: ")
