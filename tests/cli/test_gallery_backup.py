from __future__ import annotations

from pathlib import Path

NAMES = ["Barack Obama", "Emmanuel Macron", "Jacinda Ardern"]


def names(run) -> list[str]:
    return [each["name"] for each in run("people", "list", "-f", "jsonl").records]


def test_backup_change_and_restore(run, gallery: Path) -> None:
    folder = gallery.with_name("people.db.backups")

    made = run("gallery", "backup", "-f", "jsonl")

    (record,) = made.records
    assert (made.code, made.err, record["reason"], record["deleted"]) == (0, "", "asked", 0)
    assert list(folder.iterdir()) == [Path(record["path"])]
    assert run("people", "rename", NAMES[0], "Somebody").code == 0
    tried = run("gallery", "restore", "--dry-run")
    assert (tried.code, tried.out) == (0, "")
    assert tried.err == f"{record['path']} is sound and holds 3 people with 3 templates; nothing was changed\n"
    assert "Somebody" in names(run)
    restored = run("gallery", "restore", "latest", "--yes")
    assert (restored.code, restored.out) == (0, "")
    said = restored.err.splitlines()
    assert said[0] == f"{gallery} was restored and holds 3 people with 3 templates"
    assert said[1].startswith(f"what it was before is kept as {folder}/people.db.")
    assert names(run) == NAMES
    assert run("gallery", "restore", "-y", "-q").err == ""  # the latest now is what it was before
    assert "Somebody" in names(run)


def test_backups_are_listed_and_checked(run, gallery: Path) -> None:
    none = run("gallery", "backups", "-f", "jsonl")
    for _ in range(2):
        run("gallery", "backup")

    listed = run("gallery", "backups", "-f", "jsonl")
    checked = run("gallery", "backups", "--check", "-f", "jsonl")

    assert (none.code, none.out) == (0, "")
    assert none.err == f"there is no backup of {gallery}; make one with: facecli gallery backup\n"
    assert [each["state"] for each in listed.records] == ["not checked"] * 2
    assert [each["state"] for each in checked.records] == ["sound"] * 2
    newest = listed.records[0]
    assert (newest["people"], newest["templates"], newest["reason"]) == (3, 3, "asked")
    assert newest["made"] >= listed.records[1]["made"]
    Path(newest["path"]).write_bytes(Path(newest["path"]).read_bytes()[:5000])
    damaged = run("gallery", "backups", "--check", "-f", "jsonl")
    assert damaged.code == 5
    assert damaged.err.startswith(f"error: 1 of 2 backups are damaged, the newest of them {newest['path']}\n  hint: ")
    assert damaged.records[0]["state"].startswith("damaged: ")
    assert damaged.records[1]["state"] == "sound"
    refused = run("gallery", "restore", "--yes")
    assert refused.code == 5
    assert newest["path"] in refused.err
    assert names(run) == NAMES


def test_backups_elsewhere(run, gallery: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other disk"
    folder.mkdir()
    for _ in range(3):
        assert run("gallery", "backup", "--to", folder).code == 0
    assert len(list(folder.iterdir())) == 3
    kept = run("gallery", "backup", "--to", folder, "--keep", "1", "-f", "jsonl")
    assert kept.records[0]["deleted"] == 3
    assert [each["path"] for each in run("gallery", "backups", "--from", folder, "-f", "jsonl").records] == [
        str(path) for path in folder.iterdir()
    ]
    one = tmp_path / "one.db"
    assert run("gallery", "backup", "--to", one).code == 0
    assert run("people", "remove", NAMES[0], "--yes", "-q").code == 0
    assert run("gallery", "restore", one, "--yes").code == 0
    assert names(run) == NAMES


def test_wrong_words_change_nothing(run, gallery: Path, tmp_path: Path) -> None:
    nowhere = run("gallery", "backup", "--to", f"{tmp_path}/none/")
    both = run("gallery", "backup", "--to", tmp_path / "x", "--keep", "2")
    unasked = run("gallery", "restore")
    no_backup = run("gallery", "restore", "--yes")
    no_file = run("gallery", "restore", tmp_path / "none", "--yes")

    assert (nowhere.code, nowhere.err.splitlines()[0]) == (2, f"error: there is no folder {tmp_path}/none")
    assert (both.code, unasked.code) == (2, 5)
    assert (no_backup.code, no_file.code) == (5, 5)
    assert no_backup.err.startswith(f"error: there is no backup beside the gallery {gallery}\n")
    assert no_file.err.startswith(f"error: there is no backup at {tmp_path / 'none'}\n")
    run("gallery", "backup")
    asked = run("gallery", "restore")
    assert (asked.code, asked.err.splitlines()[1]) == (2, "  hint: Pass --yes, or try --dry-run.")


def test_a_day_begins_with_a_backup_unless_that_is_turned_off(run, gallery: Path, monkeypatch) -> None:
    folder = gallery.with_name("people.db.backups")
    with monkeypatch.context() as patch:
        patch.setenv("FACECLI_BACKUPS", "0")
        run("people", "rename", NAMES[0], "One")
        assert not folder.exists()
    run("people", "rename", "One", "Two")
    run("people", "rename", "Two", "Three")
    assert [path.name.split(".")[-2] for path in folder.iterdir()] == ["people-rename"]


def test_a_gallery_that_lost_changes_is_told_by_its_backups(run, gallery: Path) -> None:
    earlier = gallery.read_bytes()
    run("people", "rename", NAMES[0], "Somebody")
    run("gallery", "backup")
    gallery.write_bytes(earlier)

    listed = run("gallery", "backups", "--check", "-f", "jsonl")

    assert listed.code == 0
    assert [each["state"] for each in listed.records] == ["sound; later than the gallery", "sound"]
    assert listed.err.startswith(f"warning: {gallery} is in an earlier state than a backup of it: ")
    assert run("gallery", "restore", "--yes").code == 0
    assert "Somebody" in names(run)
    assert run("gallery", "backups").err == ""
