"""What a process of its own does: what it imports and opens, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = {"numpy", "cv2", "PIL", "openvino", "torch", "torchvision", "facenet_pytorch", "onnx", "sqlite3"}

REPORT_MODULES = """
import sys
from facecli.cli.main import main
try:
    main()
finally:
    print("imported:", *sorted({name.partition(".")[0] for name in sys.modules} | set(sys.modules)), file=sys.stderr)
"""

# An audit hook sees every socket and program that Python code opens, and cannot be taken off again.
TRAP = """
import os, sys
FORBIDDEN = {"socket.__new__", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
             "subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system"}

def hook(event, args):
    if event in FORBIDDEN:
        print(f"forbidden: {event} {args}", file=sys.stderr, flush=True)
        os._exit(99)

sys.addaudithook(hook)
from facecli.cli.main import main
main()
"""

RUN = "from facecli.cli.main import main; main()"


def start(code: str, *words: str | os.PathLike[str], **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error", "-c", code, *map(os.fspath, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), err.decode()


def modules(err: str) -> set[str]:
    return set(err.rpartition("imported:")[2].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["identify", "--help"], ["people"], ["nope"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    _, _, err = finish(start(REPORT_MODULES, *words))

    assert "facecli.cli.main" in modules(err)
    assert modules(err) & HEAVY == set()


def test_identify_on_a_cpu_imports_neither_torch_nor_onnx(gallery: Path, macron: Path) -> None:
    code, out, err = finish(start(REPORT_MODULES, "identify", macron, "--device", "cpu", "-f", "jsonl"))

    assert (code, "Emmanuel Macron" in out) == (0, True)
    needless = {"torch", "torchvision", "facenet_pytorch", "onnx", "rich.progress", "rich.table", "scipy", "pandas"}
    assert modules(err) & needless == set()
    assert {"cv2", "openvino", "numpy"} <= modules(err)


def test_commands_about_the_gallery_load_no_networks(gallery: Path) -> None:
    code, _, err = finish(start(REPORT_MODULES, "people", "list", "-f", "jsonl"))

    assert code == 0
    assert modules(err) & {"torch", "openvino", "onnx", "facenet_pytorch"} == set()


def test_identify_and_enroll_open_no_socket_and_start_no_program(
    gallery: Path, sample_images: Path, macron: Path, tmp_path: Path
) -> None:
    named = finish(
        start(TRAP, "identify", sample_images, "-f", "jsonl", "--device", "cpu", "--annotate", tmp_path / "a")
    )
    learnt = finish(start(TRAP, "enroll", "Ana", macron, "-q", "--device", "cpu"))
    known = finish(start(TRAP, "doctor", "--device", "cpu"))

    assert (named[0], len(named[1].splitlines())) == (0, 5)
    assert (learnt[0], learnt[2]) == (0, "")
    assert (known[0], known[2]) == (0, "")


def test_the_trap_does_catch(home: Path) -> None:
    code, _, err = finish(start(TRAP, "models", "pull", "yunet-fp32"))

    assert code == 99
    assert "forbidden: socket." in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["identify", "absent.jpg"], 3),
        (["identify", "absent.jpg", "--embedder", "nope"], 2),
        (["identify", "absent.jpg", "-o", "absent/r.json"], 1),
        (["verify", "absent.jpg", "absent.jpg"], 1),
    ],
)
def test_a_call_that_fails_while_networks_load_ends_with_its_own_code(
    gallery: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], code: int
) -> None:
    monkeypatch.setenv("FACECLI_CACHE", str(tmp_path / "cold"))  # nothing compiled yet: loading takes its time

    done = finish(start(RUN, *words, "--device", "cpu"))

    assert done[0] == code
    assert "terminate" not in done[2]


def test_an_interrupt_is_exit_code_130(gallery: Path, macron: Path, tmp_path: Path) -> None:
    (tmp_path / "many").write_text(f"{macron}\n" * 5000)
    process = start(RUN, "identify", "--files-from", tmp_path / "many", "-f", "jsonl", "--device", "cpu")
    assert process.stdout is not None
    first = process.stdout.readline()

    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)

    assert first.startswith(b'{"schema":1,')
    assert (code, err) == (130, "interrupted\n")
    assert len(out.splitlines()) < 4999
    assert out == "" or out.endswith("}\n")


def test_a_reader_who_has_enough_ends_it_quietly(gallery: Path, macron: Path, tmp_path: Path) -> None:
    (tmp_path / "many").write_text(f"{macron}\n" * 5000)
    process = start(RUN, "identify", "--files-from", tmp_path / "many", "-f", "jsonl", "--device", "cpu")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    started = time.monotonic()
    code = process.wait(timeout=60)
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()

    assert (code, err) == (141, b"")
    assert time.monotonic() - started < 60


def test_results_do_not_depend_on_the_locale(gallery: Path, macron: Path, home: Path) -> None:
    (home / "é.jpg").write_bytes(macron.read_bytes())
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    as_json = start(RUN, "detect", ".", "-f", "jsonl", "--device", "cpu", env=environment).communicate(timeout=60)[0]

    assert "é.jpg".encode() in as_json or b"\\udcc3\\udca9.jpg" in as_json


def test_completion_of_a_command(home: Path) -> None:
    environment = {**os.environ, "_FACECLI_COMPLETE": "complete_bash", "COMP_WORDS": "facecli id", "COMP_CWORD": "1"}
    code = "from facecli.cli.main import app; app(prog_name='facecli')"

    done = finish(start(code, env=environment))

    assert done == (0, "identify\n", "")
