"""Curves, bands and operating points, drawn into axes of any scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.report.document import Mark, Plot, Series
from facecli.report.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Places: TypeAlias = NDArray[np.float64]
Scale: TypeAlias = Callable[[Iterable[float]], Places]
"""Takes values to where they are drawn."""

MOST_POINTS: Final = 600  # of a curve: more than it is pixels wide

INK: Final = "#22262e"
RULE: Final = "#dfe3e8"
MUTED: Final = "#5c6570"
CARD: Final = "#fefefe"  # not #ffffff, which Matplotlib writes for itself elsewhere
# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/: told apart with any colour vision; the best apart first.
PALETTE: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: Final = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))  # so that colour is never needed
VARIABLES: Final = {
    INK: "--ink",
    RULE: "--rule",
    MUTED: "--muted",
    CARD: "--card",
    **{colour: f"--series-{number}" for number, colour in enumerate(PALETTE, 1)},
}
"""Each colour that is drawn with, and the CSS variable that it can be changed by."""

_BAND_OPACITY: Final = 0.18
_FILL_OPACITY: Final = 0.25
_MARK_SIZE: Final = 8
_LINE_STEP: Final = 0.075  # of the height, between the labels of two lines, which stand at different heights


def as_they_are(values: Iterable[float]) -> Places:
    """Take values to a linear or logarithmic axis of Matplotlib's."""
    return np.fromiter(values, np.float64)


def drawable(text: str) -> str:
    """Make text fit to be drawn: on one line, and a dollar sign would start a formula."""
    return visible(text).replace("$", r"\$")


def draw_curves(axes: Axes, plot: Plot, across: Scale, up: Scale, *, label_below: bool = False, **look: Any) -> None:
    """Draw every series with its band, and the marks; the scales of the axes are set already."""
    for index, each in enumerate(plot.series):
        x, y = across(each.x), up(each.y)
        known = np.isfinite(x) & np.isfinite(y)
        seen = axes.transScale.transform(np.column_stack([x, y])[known])
        kept = np.flatnonzero(known)[_thinned(seen)]
        style = _style(index)
        if each.low:
            axes.fill_between(
                x[kept],
                up(each.low)[kept],
                up(each.high)[kept],
                color=style["color"],
                alpha=_BAND_OPACITY,
                linewidth=0,
            )
        axes.plot(x[kept], y[kept], label=drawable(each.label), **(style | look))
    draw_marks(axes, plot.marks, across, up, label_below=label_below)


def draw_shares(axes: Axes, series: Sequence[Series]) -> None:
    """Draw histograms, each with all of its counts as 1."""
    for index, each in enumerate(series):
        counts = np.asarray(each.y, np.float64)
        shares, colour = counts / max(float(counts.sum()), 1.0), _style(index)["color"]
        axes.stairs(shares, each.x, fill=True, color=colour, alpha=_FILL_OPACITY)
        axes.stairs(shares, each.x, label=drawable(each.label), linewidth=1.5, color=colour)


def draw_marks(axes: Axes, marks: Sequence[Mark], across: Scale, up: Scale, *, label_below: bool = False) -> None:
    """Draw operating points with their labels, those of vertical lines at the top or, where curves are there, below."""
    box = {"facecolor": CARD, "alpha": 0.85, "edgecolor": "none", "boxstyle": "square,pad=0.15"}
    line: dict[str, Any] = {"color": INK, "linewidth": 1, "linestyle": (0, (3, 2))}
    lines = 0
    for mark in marks:
        if mark.x is None or mark.y is None:
            lines += 1
            height = _LINE_STEP * lines
            high = height - _LINE_STEP / 2 if label_below else 1 - height
        if mark.x is not None and mark.y is not None:
            place = (across([mark.x])[0], up([mark.y])[0])
            axes.plot(*place, "o", color=CARD, markeredgecolor=INK, markersize=_MARK_SIZE - 2, markeredgewidth=1.5)
            transform: Any = axes.transData
        elif mark.x is not None:
            place = (across([mark.x])[0], high)
            axes.axvline(place[0], **line)
            transform = axes.get_xaxis_transform()
        else:
            place = (0.02, up([mark.y or 0.0])[0])
            axes.axhline(place[1], **line)
            transform = axes.get_yaxis_transform()
        # To the left of what stands far to the right, so that it stays inside.
        is_far_right = (transform + axes.transAxes.inverted()).transform(place)[0] > 0.6
        label = axes.annotate(
            drawable(mark.label),
            place,
            xycoords=transform,
            xytext=(-_MARK_SIZE if is_far_right else _MARK_SIZE, 5),
            textcoords="offset points",
            ha="right" if is_far_right else "left",
            fontsize=8,
            bbox=box,
            annotation_clip=True,
        )
        label.set_in_layout(False)  # one that lies outside would push the axes away


def _style(index: int) -> dict[str, Any]:
    rounds = index // len(PALETTE)  # a colour that comes a second time has another dash
    return {"color": PALETTE[index % len(PALETTE)], "linestyle": DASHES[(index + rounds) % len(DASHES)]}


def _thinned(points: Places) -> NDArray[np.intp]:
    """Return which points of a curve to draw: evenly along its length as seen, its ends among them.

    Parameters
    ----------
    points : ndarray of shape (N, 2)
        On linear axes.
    """
    if len(points) <= MOST_POINTS:
        return np.arange(len(points))
    steps = np.diff(points, axis=0) / np.maximum(np.ptp(points, axis=0), 1e-12)
    passed = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    places = np.floor(passed / max(passed[-1], 1e-12) * (MOST_POINTS - 1))
    return np.unique(np.append(np.unique(places, return_index=True)[1], len(points) - 1))
