"""Measure the embedders that ship, and write down what was found: ``python models/measure DATA [--check]``.

DATA is a folder with legislators/, lfw_view1/ and lfw_view1_pairs.csv. Every photo is embedded once by facecli's own
pipeline; then each embedder's centre goes into its manifest, how its scores fall into scores.toml beside it, and the
tables into models/README.md and the cards. With --check nothing is written: the exit code says whether centres and
scores that ship come out the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import distributions
import files
import methods
import report
from photosets import read_sets
from vectors import ALL_RUNS, SHIPPED_RUNS, Run, embed_sets


def main() -> int:
    """Run the command line; 0 if all is well, 1 if what ships differs, 2 without data."""
    parser = argparse.ArgumentParser(prog="python models/measure", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with legislators/, lfw_view1/ and lfw_view1_pairs.csv")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep vectors here, and take those kept")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with what ships")
    parser.add_argument(
        "--precision",
        choices=["f32", "bf16"],
        default="f32",
        help="arithmetic of the networks; what ships is measured in f32, which gives the same everywhere: "
        "with another, nothing is written",
    )
    options = parser.parse_args()
    writes = not options.check and options.precision == "f32"
    try:
        sets = read_sets(options.data)
    except FileNotFoundError as error:
        print(f"no data to measure on: {error}; DATA needs legislators/ and lfw_view1/", file=sys.stderr)
        return 2
    data = methods.Measured(
        sets, embed_sets(sets, SHIPPED_RUNS if options.check else ALL_RUNS, options.cache, options.precision)
    )
    parts = {part.manifest.name: part.weight for part in files.fusion().parts}
    shipped = methods.shipped(parts)
    found = {name: distributions.measure(data, method) for name, method in shipped.items()}
    differing = False
    for name in methods.CENTRED:
        centre = distributions.centre(data, Run(name))
        same = not files.write_centre(name, centre) if writes else files.has_centre(name, centre)
        differing |= not same
        print(f"{name:16} centre {'same' if same else 'different'}")
    for name, measurement in found.items():
        same = files.has_scores(name, measurement.scores)
        differing |= not same
        if writes:
            files.write_scores(name, measurement.scores)
        print(f"{name:16} scores {'same' if same else 'different'}")
    if options.check:
        return int(differing)
    readme, cards = report.make(data, shipped, found)
    for name, table in readme.items():
        print(f"\n{name}\n\n{table}", end="")
    for name, tables in cards.items():
        print(f"\n{name}, reliability\n\n{tables['reliability table']}\n{tables['group tables']}", end="")
        if writes:
            files.write_tables(files.MODELS / name / "CARD.md", tables)
    if writes:
        files.write_tables(files.MODELS / "README.md", readme)
    return 0


if __name__ == "__main__":
    sys.exit(main())
