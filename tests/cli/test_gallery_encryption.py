"""``facecli gallery encrypt``, ``decrypt`` and ``rekey``, and what the other commands do with such a gallery."""

import os
import stat
from pathlib import Path

import pytest

from facecli.gallery import vault
from facecli.gallery.store import Gallery


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    monkeypatch.setattr(vault, "SCRYPT_COST", 4)


def test_a_passphrase_of_the_environment_encrypts_and_opens(run, gallery: Path, monkeypatch) -> None:
    before = run("people", "list", "-f", "jsonl").records
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    done = run("gallery", "encrypt")
    assert (done.code, done.out) == (0, "")
    assert "keep the passphrase safe" in done.err
    assert "scans" not in done.err  # there were none
    assert b"Obama" not in gallery.read_bytes()
    assert run("people", "list", "-f", "jsonl").records == before

    monkeypatch.setenv("FACECLI_PASSPHRASE", "another horse")
    done = run("people", "list")
    assert done.code == 5
    assert done.err.startswith("error: the passphrase does not open the gallery")

    monkeypatch.delenv("FACECLI_PASSPHRASE")
    done = run("people", "list")
    assert done.code == 5
    assert done.err.splitlines() == [
        f"error: the gallery {gallery} is encrypted by a passphrase",
        "  hint: Ask from a terminal, or set FACECLI_PASSPHRASE.",
    ]


def test_a_passphrase_is_the_same_however_its_letters_are_composed(run, gallery: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACECLI_PASSPHRASE", "Zo\u00eb und Andr\u00e9")
    assert run("gallery", "encrypt").code == 0
    monkeypatch.setenv("FACECLI_PASSPHRASE", "Zoe\u0308 und Andre\u0301")
    assert run("people", "list").code == 0


def test_a_key_file_is_made_and_needed(run, gallery: Path, tmp_path) -> None:
    key = tmp_path / "gallery.key"
    assert run("gallery", "encrypt", "--key-file", str(key)).code == 0
    assert (stat.S_IMODE(key.stat().st_mode), len(key.read_bytes())) == (0o600, 32)
    assert run("people", "list", "--key-file", str(key)).code == 0
    assert "Name it: --key-file FILE" in run("people", "list").err
    key.write_bytes(bytes(32))
    assert "the key file does not open the gallery" in run("people", "list", "--key-file", str(key)).err
    key.write_bytes(b"short")
    done = run("people", "list", "--key-file", str(key))
    assert (done.code, "has 5 bytes" in done.err) == (1, True)


def test_the_secret_is_changed(run, gallery: Path, tmp_path, monkeypatch) -> None:
    key = tmp_path / "gallery.key"
    run("gallery", "encrypt", "--key-file", str(key))
    monkeypatch.setenv("FACECLI_NEW_PASSPHRASE", "correct horse")
    assert run("gallery", "rekey", "--key-file", str(key)).code == 0
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    assert run("people", "list").code == 0
    other = tmp_path / "other.key"
    assert run("gallery", "rekey", "--new-key-file", str(other)).code == 0
    monkeypatch.delenv("FACECLI_PASSPHRASE")
    assert run("people", "list", "--key-file", str(other)).code == 0
    assert run("gallery", "decrypt", "--key-file", str(other)).code == 0
    assert run("people", "list").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gallery", "rekey"), "is not encrypted"),
        (("gallery", "decrypt"), "is not encrypted"),
        (("gallery", "encrypt"), "there is nobody to ask for a passphrase"),
        (("gallery", "encrypt", "--by", "key-file"), "no key file was named"),
        (("gallery", "encrypt", "--by", "magic"), "--by cannot be 'magic'"),
    ],
)
def test_what_cannot_be_is_refused(run, gallery: Path, arguments, message) -> None:
    before = gallery.read_bytes()
    done = run(*arguments)
    assert done.code != 0
    assert message in done.err
    assert gallery.read_bytes() == before


def test_backups_in_the_clear_are_named_and_deleted(run, gallery: Path, monkeypatch) -> None:
    run("gallery", "backup")
    folder = Path(f"{gallery}.backups")
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    assert f"1 backup stays in the clear in {folder}" in run("gallery", "encrypt").err
    run("gallery", "decrypt")
    assert any(b"Obama" in path.read_bytes() for path in folder.iterdir())
    assert "in the clear" not in run("gallery", "encrypt", "--delete-backups").err
    (path,) = folder.iterdir()
    assert b"Obama" not in path.read_bytes()
    assert run("gallery", "restore", "--yes").code == 0


def test_only_backups_in_the_clear_are_said_to_be(run, gallery: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    run("gallery", "encrypt")
    run("gallery", "backup")
    run("gallery", "decrypt")
    assert "in the clear" not in run("gallery", "encrypt").err


def test_a_backup_in_the_clear_is_not_restored_silently(run, gallery: Path, monkeypatch) -> None:
    run("gallery", "backup")
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    warning = f"warning: {gallery} is encrypted, and "
    assert warning not in run("gallery", "restore", "--dry-run").err
    run("gallery", "encrypt")
    assert warning in run("gallery", "restore", "--dry-run").err
    assert warning in run("gallery", "restore", "--yes").err
    assert warning not in run("gallery", "restore", "--yes").err  # the latest is what it was before, encrypted


def test_a_short_passphrase_is_refused(run, gallery: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACECLI_PASSPHRASE", "horse")
    assert "a passphrase of 5 characters is too short" in run("gallery", "encrypt").err


def test_a_passphrase_is_asked_for_twice(run, gallery: Path, monkeypatch) -> None:
    typed = iter(["correct horse", "correct house", "correct horse", "correct horse", "correct horse"])
    monkeypatch.setattr("facecli.services.secrets.getpass", lambda _: next(typed))
    monkeypatch.setattr("facecli.services.secrets._is_terminal", lambda: True)
    assert "are not the same" in run("gallery", "encrypt").err
    assert run("gallery", "encrypt").code == 0
    assert run("people", "list").code == 0


def test_a_keyring_keeps_the_key(run, gallery: Path, monkeypatch) -> None:
    keyring = pytest.importorskip("keyring")
    kept: dict[tuple[str, str], str] = {}
    monkeypatch.setattr(keyring, "set_password", lambda service, user, key: kept.update({(service, user): key}))
    monkeypatch.setattr(keyring, "get_password", lambda service, user: kept.get((service, user)))
    assert run("gallery", "encrypt", "--by", "keyring").code == 0
    assert (run("people", "list").code, len(kept)) == (0, 1)
    kept.clear()
    assert "has no key for it" in run("people", "list").err


def test_a_keyring_that_cannot_be_asked_is_named(run, gallery: Path, monkeypatch) -> None:
    keyring = pytest.importorskip("keyring")
    errors = pytest.importorskip("keyring.errors")

    def locked(*_: str) -> None:
        raise errors.KeyringLocked("the collection is locked")

    monkeypatch.setattr(keyring, "set_password", locked)
    before = gallery.read_bytes()
    done = run("gallery", "encrypt", "--by", "keyring")
    assert (done.code, "the keyring cannot be asked: the collection is locked" in done.err) == (4, True)
    assert gallery.read_bytes() == before
    monkeypatch.setattr(keyring, "set_password", lambda *_: None)
    monkeypatch.setattr(keyring, "get_password", lambda *_: "no base64!")
    assert run("gallery", "encrypt", "--by", "keyring").code == 0
    assert "is no key of facecli" in run("people", "list").err


def test_a_passphrase_need_be_no_text(run, gallery: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACECLI_PASSPHRASE", os.fsdecode(b"correct \xff horse"))
    assert run("gallery", "encrypt").code == 0
    assert run("people", "list").code == 0


def test_a_passphrase_that_is_not_given_is_said(run, gallery: Path, monkeypatch) -> None:
    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("facecli.services.secrets.getpass", end)
    monkeypatch.setattr("facecli.services.secrets._is_terminal", lambda: True)
    done = run("gallery", "encrypt")
    assert (done.code, "no passphrase was given" in done.err) == (1, True)


def test_no_key_is_made_for_a_gallery_that_is_encrypted(run, gallery: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    assert run("gallery", "encrypt").code == 0
    key = tmp_path / "gallery.key"
    assert "is encrypted already" in run("gallery", "encrypt", "--key-file", str(key)).err
    assert not key.exists()


def test_no_output_at_any_verbosity_holds_a_secret_or_a_vector(
    run, gallery: Path, obama: Path, tmp_path, monkeypatch
) -> None:
    with Gallery.open(gallery) as opened:
        numbers = [f"{number:.4f}"[:6] for number in opened.templates()[0].embedding.vector[:16].tolist()]
    monkeypatch.setenv("FACECLI_PASSPHRASE", "correct horse")
    run("gallery", "encrypt")
    said = ""
    for command in (
        ("identify", str(obama), "-v", "-f", "json"),
        ("verify", str(obama), str(obama), "-v"),
        ("enroll", "Barack Obama", str(obama), "-v"),
        ("scan", str(obama.parent), "-v", "--no-store"),
        ("people", "show", "Barack Obama", "-f", "json"),
        ("gallery", "info", "--check", "-v"),
        ("config", "show"),
        ("doctor",),
    ):
        done = run(*command)
        said += done.out + done.err
    assert "correct horse" not in said
    assert sum(number in said for number in numbers) <= 2  # four digits may occur by chance
