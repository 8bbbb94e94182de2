from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from documents import DET

from facecli.report.curves import MOST_POINTS, VARIABLES
from facecli.report.document import PLOT_KINDS, Mark, Plot, PlotKind, Series
from facecli.report.plots import HOW_TO_READ, LABELS, draw_svg

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> list[str]:
    return ["".join(each.itertext()).strip() for each in ET.fromstring(svg).iter(f"{SVG}text")]


def a_plot(kind: PlotKind, x: list[float], y: list[float], **more: object) -> Plot:
    edges = [*x, x[-1] + 1] if kind == "histogram" and x else [0.0] if kind == "histogram" else x
    return Plot("P", "", kind, (Series("s", tuple(edges), tuple(y)),), **more)  # type: ignore[arg-type]


def points(svg: str) -> list[tuple[float, float]]:
    """Return the curve with the most points of a drawing, in its own pixels."""
    paths = [each.get("d", "") for each in ET.fromstring(svg).iter(f"{SVG}path")]
    longest = max(paths, key=len)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", longest)]


def test_the_same_plot_gives_the_same_bytes_whatever_the_settings_of_the_user() -> None:
    first = draw_svg(DET)
    with mpl.rc_context({"svg.hashsalt": None, "lines.linewidth": 9, "font.size": 20, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        second = draw_svg(DET)
        assert dict(mpl.rcParams) == before, "the settings of the process were changed"

    assert first == second
    assert "<metadata" not in first
    assert "<dc:date" not in first


@pytest.mark.parametrize("kind", PLOT_KINDS)
def test_every_kind_says_what_its_axes_and_curves_are(kind: PlotKind) -> None:
    scale = 1 if kind == "cmc" else 0.1  # the first rank is 1
    x = [scale, 2 * scale, 3 * scale]
    plot = a_plot(kind, x, [0.2, 0.5, 0.9], x_label="across", marks=(Mark("here", x=2 * scale),))
    shown = words(draw_svg(plot))

    assert {"across", "s", "here", LABELS[kind][1]} - {""} <= set(shown)
    assert bool(HOW_TO_READ[kind]) == (kind != "line")


@pytest.mark.parametrize(
    ("kind", "is_log"), [*((kind, False) for kind in PLOT_KINDS), ("histogram", True), ("line", True)]
)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([0.0], [0.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.5, 1.0], [0.0, 0.0, 0.0]),
        ([0.0, 1.0], [1.0, 0.0]),
        ([0.1, 0.2, 0.3], [math.nan, math.nan, math.nan]),
    ],
)
def test_curves_with_next_to_nothing_in_them_are_drawn(
    kind: PlotKind, is_log: bool, x: list[float], y: list[float]
) -> None:
    if kind == "histogram" and len(set(x)) < len(x):
        x = [float(number) for number in range(len(x))]  # bins have a width
    assert draw_svg(a_plot(kind, x, y, is_log=is_log, marks=(Mark("m", 0.5, 0.5),))).endswith("</svg>\n")


def test_a_plot_without_curves_is_drawn() -> None:
    assert words(draw_svg(Plot("P", "", "roc", ())))


def test_a_det_curve_of_normal_scores_is_a_straight_line() -> None:
    thresholds = np.linspace(-1, 2, 400)
    from scipy.stats import norm

    x, y = norm.sf(thresholds, 0, 1), norm.cdf(thresholds, 1, 1)
    seen = np.array(points(draw_svg(a_plot("det", x.tolist(), y.tolist()))))

    slope, start = np.polyfit(*seen.T, 1)
    assert np.abs(slope * seen[:, 0] + start - seen[:, 1]).max() < 0.05  # of a pixel
    assert slope > 0.5  # falls: y of an SVG points down


@pytest.mark.parametrize("kind", ["det", "roc"])
def test_a_curve_of_many_points_is_thinned_to_what_can_be_seen(kind: PlotKind, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.random(200_000) ** 8)
    y = np.sort(rng.random(200_000))[:: -1 if kind == "det" else 1]
    svg = draw_svg(a_plot(kind, x.tolist(), y.tolist()))
    seen = np.array(points(svg))
    monkeypatch.setattr("facecli.report.curves.MOST_POINTS", 200_000)
    every = np.array(points(draw_svg(a_plot(kind, x.tolist(), y.tolist()))))[::50]

    assert len(seen) <= MOST_POINTS < len(every)
    assert len(svg) < 60_000
    nearest = [np.hypot(*(seen - point).T).min() for point in every]
    assert max(nearest) < 1.5  # pixels: no part of it is left out


def test_text_of_others_stays_text() -> None:
    hostile = "</text><script>alert(1)</script> $\\frac$ --> \n\x1b \udcff"
    plot = Plot("P", "", "line", (Series(hostile, (1.0, 2.0), (1.0, 2.0)),), hostile, hostile, (Mark(hostile, y=1.5),))
    svg = draw_svg(plot)

    assert "<script" not in svg
    assert words(svg).count("</text><script>alert(1)</script> $\\frac$ --> \\n\\x1b \\udcff") == 4


def test_every_colour_can_be_changed_by_the_page() -> None:
    plot = Plot("P", "", "det", tuple(Series(f"s{n}", (0.01, 0.1), (0.1, 0.01)) for n in range(8)), marks=DET.marks)
    svg = draw_svg(plot)

    for colour, variable in VARIABLES.items():
        assert f"var({variable}, {colour})" in svg
    left = re.sub(r"var\([^)]*\)", "", svg)
    assert set(re.findall(r"#[0-9a-f]{6}\b", left)) == set()
