"""Damaging bytes at random: what arrives when a file is cut, overwritten, or made to do harm."""

from __future__ import annotations

import random
from collections.abc import Sequence

# Values at which lengths, counts and signs go wrong.
_EDGES = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)
_TEXTS = (
    b"\0",
    b"\n",
    b"'",
    b'"',
    b"..",
    b"/",
    b"../../x",
    b"nan",
    b"inf",
    b"-1",
    b"1e999",
    b"9" * 40,
    b"[" * 200,
    b"\xff\xfe",
)

_MAX_BYTES = 1 << 20


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the seeds with a few random changes, or none at all."""
    data = bytearray(rng.choice(seeds))
    for _ in range(int(rng.expovariate(0.4))):
        rng.choice(_CHANGES)(data, seeds, rng)
    return bytes(data[:_MAX_BYTES])


def _place(data: bytearray, rng: random.Random) -> int:
    # Headers decide most, and stand in front.
    span = len(data) if rng.random() < 0.5 else min(len(data), 256)
    return rng.randrange(span + 1)


def _flip(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[min(_place(data, rng), len(data) - 1)] ^= 1 << rng.randrange(8)


def _number(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice(_EDGES) % (1 << 8 * size)
    at = _place(data, rng)
    data[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def _cut(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _take_out(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.randrange(1, 64)]


def _repeat(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.randrange(1, 64)] * rng.choice((1, 2, 100))


def _put_in(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.choice(_TEXTS)


def _splice(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(seeds)
    start = rng.randrange(len(other) + 1)
    at = _place(data, rng)
    data[at : at + rng.choice((0, 64, len(data)))] = other[start : start + rng.randrange(1, 512)]


def _noise(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    size = rng.randrange(1, 32)
    data[at : at + size] = rng.randbytes(size)


_CHANGES = (_flip, _flip, _number, _number, _cut, _take_out, _repeat, _put_in, _splice, _noise)
