from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.report.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 王 محمد", "plain é 王 محمد"),
        ("a\nb\r\t\x1b[2J\x7f\x9b", r"a\nb\r\t\x1b[2J\x7f\x9b"),
        ("\udcff\u2028\u2029", r"\udcff\u2028\u2029"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # a Persian word needs its non-joiner
        (r"C:\new", r"C:\new"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_visible_can_be_encoded_on_one_line_and_is_stable(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert shown.splitlines() in ([shown], [])
    assert visible(shown) == shown
