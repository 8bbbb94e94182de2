"""Numbers of evaluations as people read them: as many digits as mean something, lined up by column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from facecli.report.document import Cell
from facecli.report.visible import visible

NOTHING: Final = "-"
SIGNIFICANT: Final = 3  # rates of a few thousand trials are known no better
MAX_DECIMALS: Final = 6  # below 0.000001 the exponent reads better than the zeros


def is_known(cell: Cell) -> bool:
    """Say whether a cell holds text or a finite number."""
    return cell not in (None, "") and not (isinstance(cell, float) and not math.isfinite(cell))


def is_numeric(cells: Sequence[Cell]) -> bool:
    """Say whether a column holds numbers, and at least one."""
    known = [cell for cell in cells if is_known(cell)]
    return bool(known) and not any(isinstance(cell, str) for cell in known)


def column_texts(cells: Sequence[Cell]) -> list[str]:
    """Write the cells of one column, its fractions with one number of decimals.

    Three digits of the smallest fraction are kept: 0.00125 and 0.5 become "0.00125" and "0.50000". Of what has two
    digits before the point, fewer decimals are enough.

    Parameters
    ----------
    cells : sequence of str, float, int or None

    Returns
    -------
    list of str
        "-" for what is not known; text as `visible` shows it.
    """
    # Not 0.3 as 0.3000: a column of round numbers needs no zeros.
    sizes = [abs(cell) for cell in cells if isinstance(cell, float) and is_known(cell) and cell]
    plain = [size for size in sizes if size >= 10.0**-MAX_DECIMALS]
    wanted = max((_decimals(size) for size in plain), default=0)
    enough = max((len(f"{size:.{wanted}f}".rstrip("0").partition(".")[2]) for size in plain), default=0)
    decimals = max(enough, 1) if sizes else 0
    return [_cell_text(cell, decimals) for cell in cells]


def cell_text(cell: Cell) -> str:
    """Write one value that stands by itself; see `column_texts`."""
    return column_texts([cell])[0]


def _decimals(size: float) -> int:
    return min(max(SIGNIFICANT - 1 - math.floor(math.log10(size)), 1), MAX_DECIMALS)


def _cell_text(cell: Cell, decimals: int) -> str:
    if not is_known(cell):
        return NOTHING
    match cell:
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float() if cell and abs(cell) < 10.0**-MAX_DECIMALS:
            return f"{cell:.1e}"
        case float():
            return f"{cell:,.{decimals}f}"
        case _:
            return visible(str(cell))
