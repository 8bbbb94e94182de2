"""What an evaluation found, in the one form that all of its outputs are made from: facts, tables, plots, pictures.

Values are exact and units are plain: a rate is a fraction of 1, never a percentage; how many digits are shown is up
to each output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

Cell: TypeAlias = str | float | int | None
"""None, and a number that is not finite, is "not known"."""

PlotKind: TypeAlias = Literal["det", "roc", "cmc", "pr", "histogram", "line"]
PLOT_KINDS: Final[tuple[PlotKind, ...]] = get_args(PlotKind)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Attributes
    ----------
    name : str
        Heading, unlike that of any other table of the document.
    caption : str
        One sentence that says what the rows are.
    columns : tuple of str
        Unlike one another.
    rows : tuple of tuples
        As many cells each as there are columns.
    note : str
        Shown below the table: how the numbers were made, what to beware of.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError(f"the columns of table {self.name!r} are none, or one of them stands twice")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of table {self.name!r} has not {len(self.columns)} cells")


@dataclass(frozen=True, slots=True)
class Series:
    """One curve of a plot.

    Attributes
    ----------
    label : str
    x, y : tuple of float
        Of equal length; in a histogram `x` holds the edges of the bins, one more than there are counts in `y`.
    low, high : tuple of float
        A confidence band around `y`, as long as it; both empty where there is none.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) - len(self.y) not in (0, 1):
            raise ValueError(f"series {self.label!r} has {len(self.x)} x and {len(self.y)} y")
        if len(self.low) != len(self.high) or len(self.low) not in (0, len(self.y)):
            raise ValueError(f"the band of series {self.label!r} does not go with its {len(self.y)} points")


@dataclass(frozen=True, slots=True)
class Mark:
    """An operating point: a dot if both coordinates are given, a line across the plot if only one is."""

    label: str
    x: float | None = None
    y: float | None = None

    def __post_init__(self) -> None:
        if self.x is None and self.y is None:
            raise ValueError(f"mark {self.label!r} is nowhere")


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves in one pair of axes.

    Attributes
    ----------
    name, caption : str
        As of a `Table`.
    kind : {"det", "roc", "cmc", "pr", "histogram", "line"}
        What x and y are: FMR (or FPIR) and FNMR (or FNIR); FMR and TAR; rank and identification rate; recall and
        precision; edges of bins and counts; anything.
    series : tuple of Series
        Labels unlike one another.
    x_label, y_label : str
        By default those of the kind.
    marks : tuple of Mark
    is_log : bool
        Draw y of a histogram or line logarithmically, so that thin tails show.
    """

    name: str
    caption: str
    kind: PlotKind
    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    marks: tuple[Mark, ...] = ()
    is_log: bool = False

    def __post_init__(self) -> None:
        if self.kind not in PLOT_KINDS:
            raise ValueError(f"plot {self.name!r} cannot be of kind {self.kind!r}")
        edges = int(self.kind == "histogram")
        for each in self.series:
            if len(each.x) - len(each.y) != edges:
                raise ValueError(
                    f"series {each.label!r} of {self.kind} {self.name!r}: {len(each.x)} x, {len(each.y)} y"
                )
        if len({each.label for each in self.series}) < len(self.series):
            raise ValueError(f"two series of plot {self.name!r} have one label")


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo to look at, or several that belong together, such as the two of a pair.

    Attributes
    ----------
    paths : tuple of str
        Files, as the user named them.
    text : str
        Who is in it, and why it is shown.
    score : float, optional
        Of the pair or of the photo.
    boxes_xyxy : tuple
        For each path the face meant, in pixels of the upright photo at full resolution, or None for the whole
        photo; empty if that holds for all.
    """

    paths: tuple[str, ...]
    text: str
    score: float | None = None
    boxes_xyxy: tuple[tuple[float, float, float, float] | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError(f"picture {self.text!r} names no file")
        if len(self.boxes_xyxy) not in (0, len(self.paths)):
            raise ValueError(f"picture {self.text!r} has {len(self.paths)} files and {len(self.boxes_xyxy)} boxes")


@dataclass(frozen=True, slots=True)
class PictureGroup:
    """Pictures under one heading, the most telling first; `name` and `caption` as of a `Table`."""

    name: str
    caption: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """Everything an evaluation has to say.

    Attributes
    ----------
    title : str
    facts : mapping of str to str, float, int or None
        What was measured, with which model and on how much: shown first, in this order.
    tables : tuple of Table
    plots : tuple of Plot
    pictures : tuple of PictureGroup
    warnings : tuple of str
        What a reader must know before believing a number.
    """

    title: str
    facts: Mapping[str, Cell] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    pictures: tuple[PictureGroup, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        for part in (self.tables, self.plots, self.pictures):
            names = [each.name for each in part]
            if len(set(names)) < len(names):
                raise ValueError(f"a name stands twice in {self.title!r}: {', '.join(names)}")
