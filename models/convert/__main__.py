"""Rebuild every model that ships from its original: ``python models/convert ORIGINALS [--check]``.

ORIGINALS is a folder that holds the files named under [original] in the manifests (where each comes from stands
there too). Each is checked against its SHA-256, converted, and written beside its manifest, whose sha256 is brought
up to date. With --check nothing is written: the exit code says whether the files that ship come out byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import re
import sys
import tomllib
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent


def rebuilt(name: str, originals: Path) -> bytes:
    """Convert one model and return the bytes of its ONNX file.

    Raises
    ------
    ValueError
        If the original is not the file that the manifest names.
    """
    original = tomllib.loads((MODELS / name / "manifest.toml").read_text())["original"]
    data = (originals / original["file"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != original["sha256"]:
        raise ValueError(f"{originals / original['file']} is not the original: its SHA-256 differs")
    converter = importlib.import_module(name.replace("-", "_"))
    return bytes(converter.convert(data).SerializeToString(deterministic=True))


def main() -> int:
    """Run the command line; 0 if all is well, 1 if a file that ships differs."""
    parser = argparse.ArgumentParser(prog="python models/convert", description=__doc__.splitlines()[0])
    parser.add_argument("originals", type=Path, help="folder with the original files")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with what ships")
    options = parser.parse_args()
    differing = 0
    for manifest in sorted(MODELS.glob("*/manifest.toml")):
        name = manifest.parent.name
        try:
            data = rebuilt(name, options.originals)
        except (OSError, ValueError) as error:
            sys.exit(f"{name}: {error}")
        target = manifest.parent / f"{name}.onnx"
        digest = hashlib.sha256(data).hexdigest()
        same = target.is_file() and target.read_bytes() == data
        if not same and options.check:
            differing += 1
        elif not same:
            target.write_bytes(data)
        if not options.check:
            text = manifest.read_text()
            manifest.write_text(re.sub(r'^sha256 = "[0-9a-f]*"', f'sha256 = "{digest}"', text, count=1, flags=re.M))
        print(f"{name:16} {len(data):>10,} bytes  {digest}  {'same' if same else 'different'}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
