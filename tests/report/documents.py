"""A document with something of everything, small enough to write its whole output down."""

from __future__ import annotations

import math

from facecli.report.document import Document, Mark, Picture, PictureGroup, Plot, Series, Table

HOSTILE = "a/<script>alert(1)</script>\n\x1b[31m\udcff.jpg"

RATES = Table(
    "Rates",
    "At the target.",
    ("model", "FMR", "FNMR", "pairs", "errors"),
    (("sface", 0.001, 0.0103, 3000, 31), ("[b]x[/b]", 0.0001, math.nan, 3000, None)),
    "Wilson, 95 %.",
)
DET = Plot(
    "DET",
    "FNMR against FMR.",
    "det",
    (Series("sface", (0.001, 0.1), (0.2, 0.01), (0.1, 0.005), (0.3, 0.02)),),
    marks=(Mark("0.36", 0.001, 0.2), Mark("FMR 1 %", x=0.01)),
)
WORST = PictureGroup("Worst", "Lowest scores.", (Picture((HOSTILE, "b.jpg"), "Ana & Bob", 0.25),))
DOCUMENT = Document(
    "Verification <b>",
    {"photos": 13233, "embedder": "sface", "seconds": math.inf},
    (RATES,),
    (DET,),
    (WORST,),
    ("2 photos hold no face",),
)
