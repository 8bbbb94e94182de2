"""Plots of a document as SVG.

The same plot gives the same bytes on every machine: settings of the user's are left out, and neither date nor random
numbers get in. Letters stay letters, so that a page shows them in its own font. Every colour is a CSS variable with
the colour for white paper behind it (``var(--ink, #22262e)``): a page can set all of them for a dark ground, and the
file looks right by itself.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from facecli.report import axes as scales
from facecli.report.curves import (
    INK,
    MUTED,
    RULE,
    VARIABLES,
    Places,
    as_they_are,
    draw_curves,
    draw_marks,
    draw_shares,
    drawable,
)
from facecli.report.document import Plot, PlotKind
from facecli.report.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SIZE_IN: Final = (4.4, 3.5)  # small, so that the letters can be read where a page is as narrow as a telephone
RANKS: Final = (1, 5, 10, 15, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # those with a label
HEADROOM: Final = 0.02  # above 100 %, so that a line along it is seen in its full width
FEW_RANKS: Final = 20  # up to here every rank gets a dot

LABELS: Final[dict[PlotKind, tuple[str, str]]] = {
    "det": ("False match rate", "False non-match rate"),
    "roc": ("False match rate", "True accept rate"),
    "cmc": ("Rank", "Identification rate"),
    "pr": ("Recall", "Precision"),
    "histogram": ("Score", "Share of scores"),
    "line": ("", ""),
}

HOW_TO_READ: Final[dict[PlotKind, str]] = {
    "det": "Each point is one threshold: how many strangers pass (across) and how many of the right people are"
    " turned away (up). Nearer to the lower left is better. The axes are stretched so that scores with normal"
    " distributions give a straight line; a rate of 0 lies on the border.",
    "roc": "Each point is one threshold: how many strangers pass (across, logarithmic) and how many of the right"
    " people do (up). Nearer to the upper left is better.",
    "cmc": "How often the right person is among the first so many of the list. Higher is better; the left end is how"
    " often the first is right.",
    "pr": "Each point is one threshold: how much of what there is was found (across) and how much of what was found"
    " is right (up). Nearer to the upper right is better.",
    "histogram": "How the scores of each kind are spread; the area of each is the same however many there are. The"
    " less they overlap, the fewer errors there must be.",
    "line": "",  # its caption says it
}

_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "path.simplify": False,  # the curves are thinned already
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so that the layout is the same everywhere
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.solid_joinstyle": "round",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.handlelength": 1.9,
    "legend.fontsize": 9,
}


def draw_svg(plot: Plot) -> str:
    """Draw a plot.

    Parameters
    ----------
    plot : Plot
        Points that are not finite are left out.

    Returns
    -------
    str
        An ``<svg>`` element that can stand by itself or in a page.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    # Untyped: Matplotlib's names of settings are a type of their own in some versions only.
    settings: Any = _SETTINGS | {"svg.hashsalt": f"facecli {plot.kind} {visible(plot.name)}"}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        _DRAWN[plot.kind](axes, plot)
        x_label, y_label = LABELS[plot.kind]
        axes.set_xlabel(drawable(plot.x_label or x_label))
        axes.set_ylabel(drawable(plot.y_label or y_label))
        if plot.series:
            # Above the curves, where it hides none of them.
            columns = 1 if max(len(each.label) for each in plot.series) > 28 else min(len(plot.series), 3)
            figure.legend(loc="outside upper left", ncols=columns)
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _cleaned(buffer.getvalue())


def _cleaned(svg: str) -> str:
    """Keep the element alone, without names that nothing refers to, and with variables for colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var({variable}, {colour})")
    return svg


def _draw_det(axes: Axes, plot: Plot) -> None:
    bounds = [scales.rate_range(_values(plot, name)) for name in ("x", "y")]
    for axis, each in zip((axes.xaxis, axes.yaxis), bounds, strict=True):
        scales.set_probit_axis(axis, each)

    def across(values: Iterable[float]) -> Places:
        return scales.probit(values, bounds[0][0])

    def up(values: Iterable[float]) -> Places:
        return scales.probit(values, bounds[1][0])

    axes.set_xlim(*across(bounds[0]))
    axes.set_ylim(*up(bounds[1]))
    draw_curves(axes, plot, across, up)


def _draw_roc(axes: Axes, plot: Plot) -> None:
    least = scales.least_positive(_values(plot, "x"))
    shown = [y for each in plot.series for x, y in zip(each.x, each.y, strict=True) if x >= least and math.isfinite(y)]
    lowest = _floor(shown)

    def across(values: Iterable[float]) -> Places:
        return np.maximum(np.fromiter(values, np.float64), least)

    axes.set_xscale("log")
    axes.set_xlim(least, 1)
    axes.set_ylim(lowest, 1 + HEADROOM * (1 - lowest))
    scales.set_log_percent_axis(axes.xaxis, least)
    _set_percent_axis(axes.yaxis)
    draw_curves(axes, plot, across, as_they_are, label_below=True)


def _draw_cmc(axes: Axes, plot: Plot) -> None:
    lowest = _floor(_values(plot, "y"))
    last = max(_values(plot, "x"), default=1.0)
    axes.set_xlim(1 - 0.03 * last, 1.03 * last)
    axes.set_ylim(lowest, 1 + HEADROOM * (1 - lowest))
    if last > FEW_RANKS:
        axes.set_xscale("log")
        axes.set_xlim(1, last)
    axes.set_xticks([rank for rank in RANKS if rank <= last], minor=False)
    axes.set_xticks([], minor=True)
    _set_number_axis(axes.xaxis)
    _set_percent_axis(axes.yaxis)
    few = last <= FEW_RANKS
    draw_curves(axes, plot, as_they_are, as_they_are, marker="o" if few else "", markersize=4)


def _draw_pr(axes: Axes, plot: Plot) -> None:
    lowest = _floor(_values(plot, "y"))
    axes.set_xlim(0, 1)
    axes.set_ylim(lowest, 1 + HEADROOM * (1 - lowest))
    _set_percent_axis(axes.xaxis)
    _set_percent_axis(axes.yaxis)
    draw_curves(axes, plot, as_they_are, as_they_are)


def _draw_line(axes: Axes, plot: Plot) -> None:
    if not _set_log(axes, plot):
        _set_number_axis(axes.yaxis)
    _set_number_axis(axes.xaxis)
    axes.margins(0.02)
    draw_curves(axes, plot, as_they_are, as_they_are)


def _draw_histogram(axes: Axes, plot: Plot) -> None:
    is_log = _set_log(axes, plot)
    draw_shares(axes, plot.series)
    _set_percent_axis(axes.yaxis)
    axes.margins(x=0.01)
    _set_number_axis(axes.xaxis)
    axes.set_ylim(None if is_log else 0, axes.get_ylim()[1] * (3 if is_log else 1.06))  # room for marks
    draw_marks(axes, plot.marks, as_they_are, as_they_are)


def _set_log(axes: Axes, plot: Plot) -> bool:
    """Make y logarithmic where that is asked for and there is anything to be seen on such an axis."""
    is_log = plot.is_log and any(value > 0 for value in _values(plot, "y"))
    if is_log:
        axes.set_yscale("log")
    return is_log


def _values(plot: Plot, name: Literal["x", "y"]) -> list[float]:
    """Return what all curves hold, for the limits of an axis."""
    return [value for each in plot.series for value in getattr(each, name) if math.isfinite(value)]


def _floor(rates: Iterable[float]) -> float:
    """Return where an axis of high rates begins, a tenth at or below all of them and below 1."""
    return math.floor(10 * min([*rates, 0.9])) / 10


def _set_number_axis(axis: Axis) -> None:
    axis.set_major_formatter(lambda value, _: f"{value:,.6g}".replace("-", "\N{MINUS SIGN}"))


def _set_percent_axis(axis: Axis) -> None:
    axis.set_major_formatter(lambda value, _: scales.percent(value))
    axis.set_ticks([], minor=True)


_DRAWN: Final = {
    "det": _draw_det,
    "roc": _draw_roc,
    "cmc": _draw_cmc,
    "pr": _draw_pr,
    "histogram": _draw_histogram,
    "line": _draw_line,
}
