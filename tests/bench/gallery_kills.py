"""Kill processes that change a gallery (SIGKILL) at random moments, and look what is left.

    python tests/bench/gallery_kills.py [--rounds N] [--seed N] [--only ACTION]

A round is a process that enrols, merges, undoes, purges, migrates, backs up, restores, imports, reembeds or encrypts
until it is killed; it reports each change once the call has returned. Half of the kills come at a random time, half at
a random call of what does these things. Afterwards the gallery must open and be sound, hold all that was reported and
at most one change more, and none by half; a person whose purge was reported must be in no byte of it, nor anybody in
one of an encrypted gallery; each backup must be sound. Ends with 1 if not.
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
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads before a fork
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gallery"))

from damage import numbered
from gallery_conversions import CONVERSIONS, Encrypt, Import, Reembed

from facecli.errors import FacecliError, GalleryError
from facecli.gallery import (
    backups,
    copying,
    crops,
    history,
    migration_4,
    person_rows,
    reembedded,
    replacing,
    restoring,
    rows,
    sealing,
)
from facecli.gallery.edit import Edit
from facecli.gallery.store import Gallery

SCHEMAS = Path(__file__).resolve().parents[1] / "gallery" / "schemas"
BATCH = 5
OLD_TEMPLATES = 2500
FRESH_AFTER = 40
"""Rounds after which a new gallery is begun."""

Report = Callable[[str], None]


def unique(number: int) -> str:
    return f"Somebody called {number:08d}"


def enrol(path: Path, chance: random.Random, report: Report) -> None:
    with Gallery.open(path) as gallery:
        while True:
            first = chance.randrange(10**8)
            new = [numbered(first + each) for each in range(BATCH)]
            gallery.add_templates(unique(chance.randrange(first + 1)), new)
            report(f"enroll {first}")


def merge(path: Path, chance: random.Random, report: Report) -> None:
    with Gallery.open(path) as gallery:
        while len(people := gallery.people()) > 1:
            one, other = chance.sample(people, 2)
            with gallery.edit("people merge") as edit:
                edit.merge(one.person_id, other.person_id)
            report("people merge")


def undo(path: Path, chance: random.Random, report: Report) -> None:
    with Gallery.open(path) as gallery:
        while True:
            event_id = chance.choice(gallery.events()[-20:]).event_id
            with suppress(GalleryError):
                with gallery.edit("people undo") as edit:
                    edit.undo(event_id)
                report("people undo")


def purge(path: Path, chance: random.Random, report: Report) -> None:
    with Gallery.open(path) as gallery:
        while people := gallery.people():
            person = chance.choice(people)
            sources = [each.source for each in gallery.templates(person.person_id)]
            gallery.purge_person(person.name)
            report(f"people purge {person.name[-8:]} {','.join(each.removesuffix('.jpg') for each in sources)}")


def back_up(path: Path, chance: random.Random, report: Report) -> None:
    with Gallery.open(path) as gallery:
        while True:
            made = backups.make(gallery._connection, gallery.path, backups.ASKED)
            report(f"backup {made.path.name}")
            backups.rotate(gallery.path, 3)


def restore(path: Path, chance: random.Random, report: Report) -> None:
    while True:
        found = [each for each in backups.backups(str(path)) if each.reason != backups.DAMAGED]
        restoring.restore(str(path), chance.choice(found[:3]).path)
        report("gallery restore")
        backups.rotate(str(path), 4)


def migrate(path: Path, chance: random.Random, report: Report) -> None:
    Gallery.open(path, keep_backups=chance.choice((0, 2))).close()
    report("migrated")


ACTIONS: dict[str, tuple[Callable[[Path, random.Random, Report], None], float]] = {  # and within how many seconds
    "enrol": (enrol, 0.06),
    "merge": (merge, 0.06),
    "undo": (undo, 0.06),
    "purge": (purge, 0.08),
    "migrate": (migrate, 0.35),
    "backup": (back_up, 0.12),
    "restore": (restore, 0.25),
    **{action: (conversion.work, conversion.most_s) for action, conversion in CONVERSIONS.items()},
}


CHANGING = [
    (rows, "insert_template"),
    (rows, "set_owner"),
    (rows, "increase_revision"),
    (person_rows, "put_person"),
    (person_rows, "delete_person"),
    (history, "append"),
]
COPYING = [
    (backups, "copy"),
    (backups, "problems"),
    (backups, "put_in_place"),
    (copying, "sync_file"),
    (Path, "replace"),
]
# Where a process may end itself, before or after a call.
POINTS: dict[str, list[tuple[Any, str]]] = {
    "enrol": CHANGING,
    "merge": CHANGING,
    "undo": CHANGING,
    "purge": [*CHANGING, (rows, "delete_template"), (history, "forget_person"), (Gallery, "empty_log")],
    "migrate": [(migration_4, "_log"), (migration_4, "text_checksum"), *COPYING],
    "backup": [*COPYING, (Path, "unlink")],
    "restore": [
        *COPYING,
        *((restoring, name) for name in ("copy", "_prepare", "set_aside", "write_into", "contents")),
        *((history, "append"), (replacing, "pragma"), (Path, "unlink")),
    ],
    "import": [
        *((Edit, name) for name in ("add_person", "add_template", "set_consent")),
        *((rows, "insert_template"), (rows, "increase_revision"), (history, "append"), (crops, "keep"), *COPYING),
    ],
    "reembed": [
        *((reembedded, name) for name in ("keep", "switch", "drop_replaced")),
        *(
            (Edit, "add_copy"),
            (rows, "set_owner"),
            (rows, "increase_revision"),
            (history, "append"),
            (Gallery, "crops"),
        ),
    ],
    "encrypt": [
        *((sealing, name) for name in ("problems", "_convert", "_put_lock", "_rewritten", "write_lock", "make_lock")),
        *((rows, "reseal"), (history, "reseal"), (person_rows, "put_person"), (Gallery, "empty_log")),
    ],
}
MOST_CALLS = 6
LIMIT_S = 3.0
"""For a process that is to end itself, and does not come to that."""


def die_at(owner: Any, name: str, call: int, *, after: bool) -> None:
    """Let this process end itself at a call of a function."""
    function, calls = getattr(owner, name), Counter[str]()

    def deadly(*values: Any, **options: Any) -> Any:
        calls[name] += 1
        if calls[name] == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*values, **options)
        if calls[name] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def wait_for(child: int) -> None:
    """Wait until a process has ended, or for as long as it may take."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.002)


def killed(action: str, path: Path, chance: random.Random) -> list[str]:
    """Let a process do something until it is killed, and return what it reported."""
    work, most_s = ACTIONS[action]
    reader, writer = os.pipe()
    seed = chance.random()
    point = chance.choice(POINTS[action]) if chance.random() < 0.5 else None
    call, after = chance.randint(1, MOST_CALLS), chance.random() < 0.5
    if action in CONVERSIONS:
        call **= chance.randint(1, 3)  # they come to far more calls
    child = os.fork()
    if not child:
        os.close(reader)
        if point:
            die_at(*point, call, after=after)
        try:
            work(path, random.Random(seed), lambda text: os.write(writer, f"{text}\n".encode()) and None)
        except FacecliError as error:
            os.write(writer, f"failed: {error.message}\n".encode())
        finally:
            os._exit(0)
    os.close(writer)
    if point:
        wait_for(child)
    else:
        time.sleep(chance.uniform(0, most_s))
    os.kill(child, signal.SIGKILL)
    with open(reader, "rb") as pipe:
        reported = pipe.read().decode().splitlines()
    os.waitpid(child, 0)
    return reported


def bytes_of(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*") if each.is_file())


def faults(path: Path, before: list[object], reported: list[str]) -> list[str]:
    """Return what is wrong with a gallery of which some changes were reported."""
    found = [each for each in reported if each.startswith("failed")]
    for line in (each for each in reported if each.startswith("people purge")):
        name, numbers = line.split()[2], line.split()[3:]
        left = bytes_of(path)
        vectors = [numbered(int(each)).embedding.vector.tobytes() for each in ",".join(numbers).split(",") if each]
        if unique(int(name)).encode() in left or any(vector in left for vector in vectors):
            found.append(f"{name} is left after a purge")
    with Gallery.open(path) as gallery:
        found += gallery.info(check=True).problems
        events = gallery.events()
        commands = [event.command for event in events[len(before) :]]
        wanted = [" ".join(line.split()[:2]) if line.startswith("people") else line.split()[0] for line in reported]
        if commands[: len(wanted)] != wanted or len(commands) > len(wanted) + 1:
            found.append(f"reported were {wanted[-3:]}, and the log has {commands[-3:]}")
        for event in events[len(before) :]:
            templates = [change for change in event.changes if change.subject == "owner"]
            if event.command == "enroll" and len(templates) != BATCH:
                found.append(f"event {event.event_id} is of {len(templates)} templates")
    return found


def backup_faults(path: Path) -> list[str]:
    return [
        f"{each.path.name}: {fault}" for each in backups.backups(str(path)) for fault in copying.problems(each.path)
    ]


def kill_changing(action: str, path: Path, chance: random.Random) -> tuple[list[str], list[str]]:
    with Gallery.open(path) as gallery:
        people = len(gallery.people())
        for _ in range(8 - people):
            first = chance.randrange(10**8)
            gallery.add_templates(unique(first), [numbered(first + each) for each in range(BATCH)])
        before: list[object] = list(gallery.events())
    reported = killed(action, path, chance)
    return reported, faults(path, before, reported)


def kill_backup(path: Path, chance: random.Random) -> tuple[list[str], list[str]]:
    reported = killed("backup", path, chance)
    found = [each for each in reported if each.startswith("failed")] + backup_faults(path)
    with Gallery.open(path) as gallery:
        found += gallery.info(check=True).problems
    names = {each.path.name for each in backups.backups(str(path))}
    if reported and not found and reported[-1].split()[-1] not in names:
        found.append("a backup that was reported is not there")
    return reported, found


def kill_restore(path: Path, chance: random.Random) -> tuple[list[str], list[str]]:
    """Restore any of some backups of different people; what is left must be one of them, or what was there before."""
    with Gallery.open(path) as gallery:
        for _ in range(3):
            gallery.add_person(unique(chance.randrange(10**8)))
            backups.make(gallery._connection, gallery.path, backups.ASKED)
    backups.rotate(str(path), 6)
    reported = killed("restore", path, chance)
    found = [each for each in reported if each.startswith("failed")] + backup_faults(path)
    with Gallery.open(path) as gallery:
        found += gallery.info(check=True).problems
        people = [person.name for person in gallery.people()]
        is_restored = gallery.events()[-1].command == "gallery restore"
    held = []
    for each in backups.backups(str(path)):
        with Gallery.open(each.path, read_only=True) as gallery:
            held.append([person.name for person in gallery.people()])
    if people not in held or (reported and not is_restored):
        found.append("the gallery is no backup's, nor what it was")
    return reported, found


def begin_with(source: Path, path: Path) -> None:
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        each.unlink(missing_ok=True)
    shutil.rmtree(backups.folder_of(str(path)), ignore_errors=True)
    shutil.copyfile(source, path)


def kill_conversion(
    action: str, made: Import | Reembed | Encrypt, path: Path, chance: random.Random
) -> tuple[list[str], list[str]]:
    begin_with(made.start, path)
    reported = killed(action, path, chance)
    if found := [each for each in reported if each.startswith("failed")]:
        return reported, found
    found = backup_faults(path)
    if action != "encrypt":
        with Gallery.open(path) as gallery:
            found += gallery.info(check=True).problems
    if not found:
        try:
            found = made.faults(path, reported)
        except FacecliError as error:
            found = [error.message]
    return reported, found


def kill_migration(source: Path, path: Path, chance: random.Random) -> tuple[list[str], list[str]]:
    begin_with(source, path)
    reported = killed("migrate", path, chance)
    found = [each for each in reported if each.startswith("failed")] + backup_faults(path)
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if reported and version < 4:
        found.append(f"schema {version} is left after a migration")
    with Gallery.open(path) as gallery:
        found += gallery.info(check=True).problems
        if len(gallery.templates()) != OLD_TEMPLATES + 4 or len(gallery.people()) != 3:
            found.append("templates are lost")
    return reported, found


def grow(version: int, path: Path) -> None:
    """Make a gallery of an older schema that has many templates."""
    shutil.copyfile(SCHEMAS / f"{version}.sqlite", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO templates (person_id, model_id, vector, dimension, checksum, quality, source, content_hash,"
            " box_left, box_top, box_right, box_bottom, created_at)"
            " SELECT person_id, model_id, vector, dimension, checksum, quality, source, 'copy ' || i,"
            " box_left, box_top, box_right, box_bottom, created_at FROM templates, n WHERE template_id = 1",
            (OLD_TEMPLATES,),
        )


def run(rounds: int, seed: int, only: str | None) -> int:
    counts: Counter[str] = Counter()
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for version in (1, 2, 3):
            grow(version, folder / f"old {version}.db")
        made = {action: make(folder) for action, make in CONVERSIONS.items() if only in (None, action)}
        path = folder / "0.db"
        for number in range(rounds):
            chance = random.Random(f"{seed} {number}")
            if number % FRESH_AFTER == 0:
                path = folder / f"{number}.db"
                Gallery.open(path, create=True).close()
            action = only or list(ACTIONS)[number % len(ACTIONS)]
            if action == "backup":
                reported, found = kill_backup(path, chance)
            elif action == "restore":
                reported, found = kill_restore(path, chance)
            elif action == "migrate":
                source = folder / f"old {chance.choice((1, 2, 3))}.db"
                reported, found = kill_migration(source, folder / "old.db", chance)
            elif action in made:
                reported, found = kill_conversion(action, made[action], folder / "converted.db", chance)
            else:
                reported, found = kill_changing(action, path, chance)
            counts[f"{action}: rounds"] += 1
            counts[f"{action}: changes reported"] += len(reported)
            failures += [f"round {number}, {action}: {fault}" for fault in found]
    for what, count in counts.items():
        print(f"{what}: {count}")
    print(f"failures: {len(failures)}")
    print("\n".join(failures[:20]))
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=350)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(ACTIONS))
    given = parser.parse_args()
    return run(given.rounds, given.seed, given.only)


if __name__ == "__main__":
    sys.exit(main())
