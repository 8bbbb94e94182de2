from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facecli.report import fonts
from facecli.report.fonts import PILLOW, Run, load_font, text_runs

# Pillow's own font has ASCII alone, on every machine.
PILLOW_HAS = "Ada Lovelace 0.71"


@pytest.fixture
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "font_files", tuple)
    fonts._font_for.cache_clear()
    yield
    fonts._font_for.cache_clear()


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (PILLOW_HAS, PILLOW_HAS),
        ("Zoë", "Zoe"),  # accents go before letters do
        ("Ada 🎉 B", "Ada B"),  # symbols too
        ("a\nb\x1b", r"a\nb\x1b"),
    ],
)
@pytest.mark.usefixtures("no_system_fonts")
def test_without_system_fonts_ascii_is_drawn(text: str, drawn: str) -> None:
    assert text_runs(text) == (Run(PILLOW, drawn),)


@pytest.mark.parametrize("text", ["王小明", "Ada 王", "محمد", "🎉", "", " "])
@pytest.mark.usefixtures("no_system_fonts")
def test_a_letter_that_no_font_has_is_not_drawn_as_a_box(text: str) -> None:
    assert text_runs(text) is None


def test_a_system_font_draws_what_pillows_lacks() -> None:
    files = [file for file in fonts.font_files() if file.name == "DejaVuSans.ttf"]
    if not files:
        pytest.skip("this machine has no DejaVu Sans, the one font that this test knows the letters of")
    assert text_runs("Łukasz Żółć") == (Run(files[0], "Łukasz Żółć"),)
    assert text_runs("محمد") == (Run(files[0], "محمد"),)


def test_a_name_in_two_scripts_is_split_between_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    latin, han = Path("latin.ttf"), Path("han.ttf")
    has = {latin: set("Ada Lovelace"), han: set("王小明")}
    monkeypatch.setattr(fonts, "font_files", lambda: (latin, han))
    monkeypatch.setattr(fonts, "_covers", lambda name, character: character in has.get(name, ()))
    fonts._font_for.cache_clear()
    try:
        assert text_runs("Ada 王小 Love") == (Run(latin, "Ada "), Run(han, "王小 "), Run(latin, "Love"))
        assert text_runs("王明") == (Run(han, "王明"),)
    finally:
        fonts._font_for.cache_clear()


def test_a_user_without_a_home_has_fonts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert list(fonts._font_folders())


def test_damaged_font_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert load_font(tmp_path / "broken.ttf", 16) is None


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(st.text(max_size=12))
def test_any_text_can_be_measured_or_is_refused(text: str) -> None:
    for run in text_runs(text) or ():
        font = load_font(run.font, 12)
        assert font is not None
        assert font.getlength(run.text) >= 0
