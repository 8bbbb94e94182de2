"""What nothing on this machine can do faster: ``python tests/bench/limits.py``. Prints JSON.

The rate of a matrix product in each precision, the rate at which memory is read, and for the photos of a folder given
(``--photos``) the floating point operations that the networks of facecli's default settings need for one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from facecli.app import App
from facecli.cli.bench import counting_app
from facecli.runtime.peak import precisions, product_peak
from facecli.services.analysis import PhotoSource
from facecli.settings import Settings

PHOTOS_COUNTED = 60


def read_bandwidth(megabytes: int = 256, seconds: float = 1.0) -> float:
    """Measure how fast memory can be read by all cores, in bytes a second: the best of many passes over an array.

    Parameters
    ----------
    megabytes : int
        Size of the array: far more than caches hold.
    seconds : float
        How long to try.
    """
    threads = os.cpu_count() or 1
    parts = np.array_split(np.ones(megabytes * 2**20 // 4, np.float32), threads)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        ends = time.perf_counter() + seconds
        while best == 0.0 or time.perf_counter() < ends:
            started = time.perf_counter()
            list(pool.map(np.max, parts))  # touches each number once; numpy lets go of the interpreter meanwhile
            best = max(best, sum(part.nbytes for part in parts) / (time.perf_counter() - started))
    return best


def photo_flops(folder: Path) -> float:
    """Count the operations of the networks for the photos of a folder, as a mean."""
    app, flops = counting_app(Settings())
    if flops is None:
        raise SystemExit("the arithmetic of these networks cannot be counted")
    paths = sorted(folder.glob("*.jpg"))[:PHOTOS_COUNTED]
    for _ in app.analyser().analyse(PhotoSource(str(path)) for path in paths):
        pass
    return flops() / len(paths)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    if options.photos is not None:
        print(json.dumps({"flops": photo_flops(options.photos)}))
        return
    engine = App(Settings()).engine_name
    found = {name: product_peak(engine, name, options.seconds) for name in precisions(engine)}
    print(json.dumps({"peaks": found, "read_bytes_per_s": read_bandwidth(seconds=options.seconds)}))


if __name__ == "__main__":
    main()
