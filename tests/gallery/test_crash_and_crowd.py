"""Nothing that was reported as enrolled is ever lost: not to other processes, not to a kill."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

from facecli.gallery.store import Gallery

ROOT = Path(__file__).parents[2]
BATCH = 7

ENROL = textwrap.dedent("""
    import sys
    import numpy as np
    from facecli.gallery.records import NewTemplate
    from facecli.gallery.store import Gallery
    from facecli.types import Embedding
    path, who, batches, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    box = np.array([0, 0, 10, 10], np.float32)
    vector = np.array([0.6, 0.8], np.float32)
    with Gallery.open(path, create=True, busy_timeout_s=60) as gallery:
        for batch in range(batches):
            photos = [f"{who} {batch} {number}.jpg" for number in range(size)]
            gallery.add_templates(who, [NewTemplate(Embedding(vector, "m"), 1, name, name, box) for name in photos])
            print(batch, flush=True)  # from here on it must be there
""")


def enrol_elsewhere(path: Path, who: str, batches: int, size: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ENROL, str(path), who, str(batches), str(size)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_processes_that_enrol_at_once_lose_nothing(tmp_path):
    path = tmp_path / "g.sqlite"
    # Two of them enrol the same photos of the same person: each photo counts once.
    processes = [enrol_elsewhere(path, who, 25, 2) for who in ("Ana", "Bo", "Cy", "Cy")]
    assert [process.communicate(timeout=120)[1] for process in processes] == [""] * 4
    with Gallery.open(path) as gallery:
        assert {person.name: person.template_count for person in gallery.people()} == {"Ana": 50, "Bo": 50, "Cy": 50}
        assert len({stored.source for stored in gallery.templates()}) == 150
        assert gallery.info(check=True).problems == ()
        # 75 batches that held something new, at least; each counted once, as an event.
        assert gallery.revision == len(gallery.events()) >= 75


def test_threads_that_enrol_at_once_lose_nothing(tmp_path, template):
    path = tmp_path / "g.sqlite"
    done: list[int] = []

    def work(first: int) -> None:
        for number in range(first, first + 10):
            with Gallery.open(path, create=True) as gallery:  # opening and closing must drop nobody's locks
                gallery.add_templates(f"person {number}", [template(number)])
            done.append(number)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(40))
    with Gallery.open(path) as gallery:
        assert sorted(stored.source for stored in gallery.templates()) == sorted(
            f"{number}.jpg" for number in range(40)
        )
        assert gallery.info(check=True).problems == ()


def test_a_kill_in_the_middle_loses_no_batch_that_was_reported_and_keeps_no_half(tmp_path):
    path = tmp_path / "g.sqlite"
    for kill_after in range(6):
        who = f"person {kill_after}"
        with enrol_elsewhere(path, who, 100_000, BATCH) as process:
            for _ in range(1 + 5 * kill_after):
                assert process.stdout.readline()
            process.kill()
            # Not communicate(), which passes over lines that readline() has read ahead.
            reported = 1 + 5 * kill_after + len(process.stdout.read().splitlines())
        with Gallery.open(path) as gallery:
            person = gallery.find_person(who)
            assert person.template_count % BATCH == 0
            # One more may have been committed than could be reported.
            assert reported <= person.template_count // BATCH <= reported + 1
            assert gallery.info(check=True).problems == ()
