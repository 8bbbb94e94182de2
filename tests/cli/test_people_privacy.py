"""``facecli people consent`` and ``facecli people purge``."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_consent_is_noted_and_shown(run, gallery: Path) -> None:
    assert run("people", "consent", "Barack Obama", "-f", "jsonl").records == [
        {"name": "Barack Obama", "basis": None, "note": None, "expires": None, "state": "not known"}
    ]

    done = run("people", "consent", "Barack Obama", "--basis", "public figure", "--expires", "2999-12-31")

    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "consent of Barack Obama: public figure, expires 2999-12-31\n"
        "event 4; take it back with: facecli people undo 4\n"
    )
    shown = run("people", "show", "Barack Obama")
    assert shown.err == "consent: public figure, expires 2999-12-31\n"


def test_what_is_not_said_of_consent_stays(run, gallery: Path) -> None:
    run("people", "consent", "Barack Obama", "--basis", "public figure", "--expires", "2999-12-31")
    run("people", "consent", "Barack Obama", "--note", "folder 3")
    run("people", "consent", "Barack Obama", "--expires", "never")

    (shown,) = run("people", "consent", "Barack Obama", "-f", "jsonl").records

    assert (shown["basis"], shown["note"], shown["expires"], shown["state"]) == (
        "public figure",
        "folder 3",
        None,
        "valid",
    )


def test_consent_is_cleared(run, gallery: Path) -> None:
    run("people", "consent", "Barack Obama", "--basis", "public figure")

    done = run("people", "consent", "Barack Obama", "--clear")
    again = run("people", "consent", "Barack Obama", "--clear")

    assert done.err.startswith("nothing is known of the consent of Barack Obama any more\nevent 5; take it back with")
    assert (again.code, again.err) == (0, "nothing is known of the consent of Barack Obama\n")
    assert run("people", "consent", "Barack Obama", "-f", "jsonl").records[0]["state"] == "not known"


def test_whose_consent_has_expired_is_not_named_and_that_is_said(run, gallery: Path, obama: Path) -> None:
    named = run("identify", obama, "-f", "jsonl").records[0]["faces"][0]
    assert named["name"] == "Barack Obama"

    noted = run("people", "consent", "Barack Obama", "--expires", "2020-01-01")
    done = run("identify", obama, "-f", "jsonl")
    scan = run("scan", obama.parent)

    assert noted.err.startswith("warning: Barack Obama is not matched, as this consent has expired\n")
    warning = "warning: 1 person is not matched as the consent expired: facecli people list --expired\n"
    for each in (done, scan):
        assert warning in each.err
        (face,) = each.records[0]["faces"]
        assert face["name"] is None
        assert "Barack Obama" not in [candidate["name"] for candidate in face["candidates"]]
    assert warning not in run("identify", obama, "-q").err


def test_the_list_tells_who_has_expired(run, gallery: Path) -> None:
    run("people", "consent", "Barack Obama", "--expires", "2020-01-01")
    run("people", "consent", "Jacinda Ardern", "--basis", "contract")

    everybody = run("people", "list", "-f", "jsonl").records
    table = run("people", "list").out.splitlines()
    expired = run("people", "list", "--expired", "-f", "jsonl").records

    assert [each["consent"] for each in everybody] == ["expired 2020-01-01", None, "without an end"]
    assert [each["name"] for each in expired] == ["Barack Obama"]
    assert table[0].split() == ["name", "templates", "enrolled", "consent"]
    assert table[2].endswith("expired 2020-01-01")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--expires", "soon"], 1, "error: consent cannot expire on 'soon'"),
        (["--note", "a\tb"], 1, "error: the note of a consent holds the control character U+0009"),
        (["--basis", " "], 1, "error: nothing is said about consent"),
        (["--clear", "--note", "x"], 2, "error: --clear forgets what the other options say"),
    ],
)
def test_consent_that_cannot_be_noted(run, gallery: Path, words: list[str], code: int, message: str) -> None:
    done = run("people", "consent", "Barack Obama", *words)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)
    assert run("people", "consent", "Barack Obama", "-f", "jsonl").records[0]["state"] == "not known"


def test_consent_of_nobody(run, gallery: Path) -> None:
    for words in ([], ["--clear"], ["--basis", "x"]):
        done = run("people", "consent", "Barak Obama", *words)
        assert done.code == 5
        assert done.err.endswith("hint: Did you mean Barack Obama?\n")


def test_purge_destroys_and_gives_a_receipt(run, gallery: Path, obama: Path, sample_images: Path, home: Path) -> None:
    scan = run("scan", sample_images / "known", "-q")
    assert scan.code == 0

    planned = run("people", "purge", "Barack Obama", "--dry-run", "-f", "jsonl")
    assert run("people", "show", "Barack Obama").code == 0
    done = run("people", "purge", "Barack Obama", "--yes", "-f", "jsonl")

    plan = {each["what"]: each["value"] for each in planned.records}
    receipt = {each["what"]: each["value"] for each in done.records}
    assert (planned.code, done.code) == (0, 0)
    assert (plan["templates to be destroyed"], receipt["templates destroyed"]) == (1, 1)
    assert receipt["analyses of photos in scans destroyed"] == plan["analyses of photos in scans to be destroyed"] == 1
    assert (receipt["looked for: vectors"], receipt["looked for: names"], receipt["found"]) == (1, 1, 0)
    assert receipt[str(gallery)].endswith("bytes: nothing found")
    assert receipt["not vouched for"].startswith("Not looked at: blocks that the disk keeps")
    assert done.err.startswith("Barack Obama was purged: nothing is left in ")
    for path in (gallery, home / "state" / "facecli" / "scans.db"):
        assert b"Barack Obama" not in path.read_bytes()
    again = run("people", "purge", "Barack Obama", "--yes")
    assert (again.code, again.err.splitlines()[0]) == (
        5,
        f"error: nobody called Barack Obama is enrolled in {gallery}",
    )
    assert run("identify", obama, "-f", "jsonl").records[0]["faces"][0]["name"] is None


def test_purge_asks_nobody_who_cannot_answer(run, gallery: Path) -> None:
    done = run("people", "purge", "Barack Obama")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: purging Barack Obama needs to be confirmed\n  hint: Pass --yes")
    assert run("people", "show", "Barack Obama").code == 0


def test_purge_of_somebody_removed_before(run, gallery: Path) -> None:
    run("people", "remove", "Barack Obama", "--yes")
    assert b"Barack Obama" in gallery.read_bytes()

    assert run("people", "purge", "Barack Obama", "--yes").code == 0

    assert b"Barack Obama" not in gallery.read_bytes()


def test_purge_names_the_backups_that_hold_the_person_and_deletes_them_if_asked(run, gallery: Path) -> None:
    from facecli.gallery import backups
    from facecli.gallery.store import Gallery

    with Gallery.open(gallery) as opened:
        backup = backups.make(opened._connection, opened.path, "asked").path

    kept = run("people", "purge", "Barack Obama", "--yes")
    assert kept.code == 0
    assert f"warning: {backup} still holds Barack Obama: delete it with --backups\n" in kept.err

    assert run("people", "purge", "Emmanuel Macron", "--yes", "--backups").code == 0
    (left,) = backups.paths(str(gallery))
    assert b"Emmanuel Macron" not in left.read_bytes()
    assert b"Jacinda Ardern" in left.read_bytes()


def test_purge_fails_where_something_is_left(run, gallery: Path, home: Path) -> None:
    leak = home / "state" / "facecli" / "notes"
    leak.parent.mkdir(parents=True)
    leak.write_bytes(b"about Barack Obama")

    done = run("people", "purge", "Barack Obama", "--yes", "-f", "jsonl")

    assert done.code == 5
    assert next(each["found"] for each in done.records if each["what"] == str(leak)) == {"names": 1}
    assert f"error: bytes of Barack Obama are left in {leak}\n" in done.err


def test_a_table_counts_the_files_of_a_full_cache(run, gallery: Path, home: Path, monkeypatch, tmp_path) -> None:
    cache = tmp_path / "a cache"
    cache.mkdir()
    for number in range(9):
        (cache / f"{number}.blob").write_bytes(b"0123456789")
    monkeypatch.setenv("FACECLI_CACHE", str(cache))
    said = run("people", "purge", "Barack Obama", "--yes").out
    assert "90 bytes of 9 files: nothing found" in " ".join(said.split())
    assert ".blob" not in said
