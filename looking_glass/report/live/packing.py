"""A model's numbers as text that a page can hold: whole numbers with a scale a row, deflated.

Each row of a matrix is kept as integers between -levels and levels, and the scale that turns them
back. Where precision counts most, in the blocks and in the rows of tokens that the model has met,
levels are `FINE`: an error a third of float16's. All other rows share what room is left. Integers
above 127 lie in two planes, all low bytes, then all high ones, so that deflate finds what bits are
never used. Biases and LayerNorms stay float32.

The text is a number of base 91 for each 13 bits, in two printable characters of ASCII, none of
which means anything in HTML: 23% more than the bytes, where base64 takes 33%.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from looking_glass.pipeline.errors import InputError

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
# Printable ASCII without & < \ : 91 signs that mean nothing in a script element.
ALPHABET = bytes(code for code in range(33, 127) if chr(code) not in "&<\\")
FINE = 8191
# Levels of the blocks and the rows that were met, and of all other rows, from exact to coarse.
LADDER = (
    *((FINE, coarse) for coarse in (FINE, 2047, 1023, 511, 255, 127, 111, 95, 79, 63, 55, 47)),
    *((2047, coarse) for coarse in (47, 43, 39, 35, 31)),
    *((511, 31), (127, 31), (127, 15)),
)
EMBEDDINGS = ("transformer.wte.weight", "lm_head.weight")
# Bytes of a page a number at the last rung, at the least: below it nothing need be tried.
_LEAST_FINE, _LEAST_COARSE = 1.1, 0.55


class NoPageError(InputError):
    """A model that no page can hold, though nothing is wrong with it. A line, as its base."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A model as text, and how it was made to fit."""

    head: str  # JSON: the order and shapes of what `body` holds
    body: str
    fine: int
    coarse: int
    rows_fine: int  # of the embedding


@dataclass(frozen=True)
class _Rows:
    """A matrix in integers: (rows, C) of them, the scales (rows,), and which rows are wide."""

    integers: npt.NDArray[np.int16]
    scales: Array
    wide: npt.NDArray[np.uint32]


def check_size(n_embedding: int, n_other: int, most: int) -> None:
    """Raise `NoPageError` when so many numbers can't be packed into `most` bytes of text."""
    least = int(n_embedding * _LEAST_COARSE + n_other * _LEAST_FINE)
    if least > most:
        raise NoPageError(
            f"at most {most:,} bytes of page are required, a model of {n_embedding:,} numbers in "
            f"embeddings and {n_other:,} in blocks would take {least:,} or more: open a smaller one"
        )


def pack(weights: Mapping[str, Array], met: Mask, tied: bool, most: int) -> Packed:
    """Return the model with as many levels as `most` bytes of text hold.

    `weights` bear GPT-2's names, matrices as nn.Linear keeps them: (out, in). `met` (V,) says which
    tokens' rows are worth `FINE` levels; `tied`, that the output layer is the embedding. Raises
    `NoPageError` when not even the fewest levels fit.
    """
    kept = {k: v for k, v in weights.items() if not (tied and k == EMBEDDINGS[1])}
    low, high = 0, len(LADDER) - 1
    found: Packed | None = None
    best, shortest = b"", 0
    while low <= high:  # the first rung that fits: sizes fall along the ladder
        middle = (low + high) // 2
        content, tried = _packed(kept, met, *LADDER[middle])
        length = -(-8 * len(content) // 13) * 2 + 4
        if length <= most:
            best, found, high = content, tried, middle - 1
        else:
            low, shortest = middle + 1, length
    if found is None:
        raise NoPageError(
            f"at most {most:,} bytes of page are required, with {LADDER[-1][1]} levels this model "
            f"still takes {shortest:,}: open a smaller one"
        )
    return replace(found, body=as_text(best))


def _packed(
    weights: Mapping[str, Array], met: Mask, fine: int, coarse: int
) -> tuple[bytes, Packed]:
    """Return the deflated numbers, and all of the result but its text."""
    exact: list[bytes] = []
    planes: list[bytes] = []
    order: list[dict[str, Any]] = []
    for name, weight in weights.items():
        entry: dict[str, Any] = {"name": name, "shape": list(weight.shape)}
        if weight.ndim == 1:
            exact.append(weight.astype("<f4").tobytes())
        else:
            levels = np.full(len(weight), fine)
            if name in EMBEDDINGS:
                levels[~met] = coarse
            rows = _integers(weight, levels)
            entry["wide"] = len(rows.wide)
            exact += [rows.scales.astype("<f4").tobytes(), rows.wide.astype("<u4").tobytes()]
            planes.append((rows.integers & 255).astype(np.uint8).tobytes())
            planes.append((rows.integers[rows.wide] >> 8).astype(np.int8).tobytes())
        order.append(entry)
    body = b"".join(exact) + b"".join(planes)
    head = {"exact": sum(map(len, exact)), "bytes": len(body), "tensors": order}
    return _deflated(body), Packed(
        head=json.dumps(head, separators=(",", ":")),
        body="",
        fine=fine,
        coarse=coarse,
        rows_fine=int(met.sum()) if coarse < fine else len(met),
    )


def _integers(weight: Array, levels: npt.NDArray[np.int64]) -> _Rows:
    most = np.abs(weight).max(axis=1)
    scales = np.where(most > 0, most / levels, 1).astype(np.float32)
    integers = np.rint(weight / scales[:, None]).astype(np.int16)
    wide = np.flatnonzero(levels > 127).astype(np.uint32)
    return _Rows(integers, scales, wide)


def unpacked(weights: Mapping[str, Array], packed: Packed, met: Mask) -> dict[str, Array]:
    """Return the weights as the page has them: what its arithmetic is to be compared with."""
    found: dict[str, Array] = {}
    for name, weight in weights.items():
        found[name] = weight
        if weight.ndim > 1:
            levels = np.full(len(weight), packed.fine)
            if name in EMBEDDINGS:
                levels[~met] = packed.coarse
            rows = _integers(weight, levels)
            found[name] = rows.integers.astype(np.float32) * rows.scales[:, None]
    return found


def _deflated(content: bytes) -> bytes:
    """Return a zlib stream. Noise has no repetitions to look for: its bytes' frequencies alone."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    return squeeze.compress(content) + squeeze.flush()


def as_text(content: bytes) -> str:
    """Return bytes as text of `ALPHABET`: each 13 bits, the last filled with zeros, are two.

    Two values come first, which hold how many bytes there are: fewer than 2^26.
    """
    padded = np.frombuffer(content + bytes(-len(content) % 13), np.uint8).reshape(-1, 13)
    groups = np.pad(padded, ((0, 0), (0, 2))).astype(np.uint32)  # 8 values in 13 bytes
    values = np.empty((len(groups), 8), np.uint32)
    for index in range(8):
        byte, shift = divmod(13 * index, 8)
        three = groups[:, byte] | groups[:, byte + 1] << 8 | groups[:, byte + 2] << 16
        values[:, index] = three >> shift & 8191
    flat = values.ravel()[: -(-8 * len(content) // 13)]
    flat = np.concatenate([[len(content) & 8191, len(content) >> 13], flat])
    pairs = np.stack([flat % 91, flat // 91], axis=1)
    return np.frombuffer(ALPHABET, np.uint8)[pairs].tobytes().decode("ascii")


def pack_merges(merges: list[tuple[int, int]]) -> str:
    """Return pairs of tokens, each pair merged into the next new token, as text."""
    pairs = np.array(merges, "<u4").reshape(-1, 2)
    return as_text(zlib.compress(pairs.T.copy().view(np.uint8).reshape(-1, 4).T.tobytes(), 9))
