"""Vectors in a file of numpy's: arrays ``embeddings`` and ``names``, and ``sources``, ``qualities`` and ``model``."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from facecli.archive.format import unreadable
from facecli.archive.tables import VectorTable, bad_table, row_sources

_ENDING: Final = ".npy"
_KNOWN: Final = frozenset({"embeddings", "names", "sources", "qualities", "model"})
_MOST_MEMBERS: Final = 64
_MOST_BYTES: Final = 8 * 2**30
# Vectors hardly compress, and texts of a fixed width do by some 50; a zip bomb by 1,000.
_MOST_RATIO: Final = 200
_FREE_BYTES: Final = 2**20
_MOST_HEADER: Final = 10_000
_MOST_TEXT: Final = 65_536


def read_npz(path: Path) -> VectorTable:
    """Read a .npz file without running anything in it.

    Raises
    ------
    InputError
        With code ``bad_table`` or ``cannot_read``.
    """
    try:
        with ZipFile(path) as file:
            arrays = _arrays(str(path), file)
    except OSError as error:
        raise unreadable(str(path), error) from error
    except (
        BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OverflowError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        SyntaxError,
        TokenError,
        struct.error,
        zlib.error,
    ) as error:
        raise bad_table(str(path), f"it is no sound file of numpy's ({error})") from error
    return _table(path, arrays)


def _arrays(path: str, file: ZipFile) -> dict[str, NDArray[Any]]:
    members = file.infolist()
    if len(members) > _MOST_MEMBERS:
        raise bad_table(path, f"it has {len(members):,} members, and {_MOST_MEMBERS} are allowed")
    found = {}
    for info in members:
        name = info.filename.removesuffix(_ENDING)
        if name in found:
            raise bad_table(path, f"{name} is there twice")
        if name in _KNOWN:
            found[name] = _array(path, file, info)
    return found


def _array(path: str, file: ZipFile, info: ZipInfo) -> NDArray[Any]:
    """Read one array whose size, and what is behind it, was looked at first."""
    name = info.filename
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise bad_table(path, f"{name} is compressed in a way that numpy does not use")
    if info.file_size > min(_MOST_BYTES, _MOST_RATIO * info.compress_size + _FREE_BYTES):
        raise bad_table(path, f"{name} would become {info.file_size:,} bytes, which no array of vectors or names does")
    with file.open(info) as source:
        major, _ = npy.read_magic(source)
        read_header = {1: npy.read_array_header_1_0, 2: npy.read_array_header_2_0}.get(major)
        if read_header is None:
            raise bad_table(path, f"{name} is an array of version {major}, which numpy writes for neither")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the header looks like Python 2's
            shape, is_fortran, dtype = read_header(source, max_header_size=_MOST_HEADER)
        if dtype.hasobject:
            raise bad_table(path, f"{name} holds Python objects; store texts with numpy.array(…, dtype=str)")
        header = source.tell()
        count = 1
        for side in shape:
            count *= side
        if len(shape) > 2 or count * dtype.itemsize != info.file_size - header:
            raise bad_table(path, f"{name} says that it has shape {shape}, and holds something else")
        content = source.read(count * dtype.itemsize)
    array = np.frombuffer(content, dtype, count)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _table(path: Path, arrays: dict[str, NDArray[Any]]) -> VectorTable:
    for name in ("embeddings", "names"):
        if name not in arrays:
            raise bad_table(str(path), f"it has no array called {name}")
    vectors = arrays["embeddings"]
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise bad_table(
            str(path), f"its embeddings are {vectors.dtype} of shape {vectors.shape}, not numbers of (N, D)"
        )
    count = len(vectors)
    qualities = arrays.get("qualities", np.ones(count))
    if qualities.ndim != 1 or qualities.dtype.kind not in "fiu":
        raise bad_table(str(path), "its qualities are not a list of numbers")
    model = _texts(path, "model", arrays["model"].reshape(-1)) if "model" in arrays else [None]
    if len(model) != 1:
        raise bad_table(str(path), "its model is not one text")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused for it
        values = np.ascontiguousarray(vectors, np.float32)
    return VectorTable(
        path=str(path),
        vectors=values,
        names=_texts(path, "names", arrays["names"]),
        sources=_texts(path, "sources", arrays["sources"]) if "sources" in arrays else row_sources(path, count),
        qualities=qualities.astype(np.float64).tolist(),
        model=model[0],
    )


def _texts(path: Path, name: str, array: NDArray[Any]) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "US" or array.dtype.itemsize > _MOST_TEXT:
        raise bad_table(str(path), f"its {name} are {array.dtype} of shape {array.shape}, not a list of texts")
    return [each if isinstance(each, str) else each.decode() for each in array.tolist()]
