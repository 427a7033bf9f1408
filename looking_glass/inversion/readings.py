"""The two readings of AR(inp_vec) = s, for a sentence s of n tokens.

    parallel  n vectors, one forward pass: logits i are those of s[i]. The exercise as it is stated.
    prefix    k vectors, after which the model writes s by itself. Learned by teacher forcing: the
              vectors are followed by s[0] … s[n-2], and the last n logits are those of s.

In both the vectors stand in place of token embeddings, and the model adds its positions to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError


@dataclass(frozen=True, order=True)
class Reading:
    """One of the two: a prefix of so many vectors, or `PARALLEL`."""

    prefix: int  # vectors; 0 in the parallel reading, which has one for each token

    @property
    def parallel(self) -> bool:
        """Whether each token of the sentence has a vector at its own position."""
        return self.prefix == 0

    @property
    def name(self) -> str:
        """Return what the reading is called in files, tables and metrics."""
        return "parallel" if self.parallel else f"prefix_{self.prefix}"

    def n_vectors(self, n_target: int) -> int:
        """Return how many vectors are learned for a sentence of `n_target` tokens."""
        return n_target if self.parallel else self.prefix

    def fits(self, n_target: int, block_size: int) -> bool:
        """Return whether `n_target` tokens can be said so within the block."""
        return (n_target if self.parallel else self.prefix + n_target - 1) <= block_size


PARALLEL = Reading(0)


def readings_of(lengths: Sequence[int]) -> list[Reading]:
    """Return the parallel reading, then a prefix of each of `lengths`."""
    return [PARALLEL, *map(Reading, lengths)]


def check_fits(n_target: int, block_size: int, *, what: str) -> None:
    """Raise `InputError` unless the parallel reading of `n_target` tokens fits in the block."""
    if n_target < 1:
        raise InputError(f"invert, {what}: at least one token is required, got an empty sentence")
    if not PARALLEL.fits(n_target, block_size):
        raise InputError(
            f"invert, {what}: at most model.block_size = {block_size} tokens are required, got "
            f"{n_target}: shorten it"
        )


def target_hidden(model: GPT, vectors: Tensor, target: Tensor, *, parallel: bool) -> Tensor:
    """Return the states from which the target is predicted: (B, k, C) and (n,) → (B, n, C)."""
    x = vectors if parallel else torch.cat([vectors, _teacher(model, vectors, target)], dim=1)
    return model.hidden(x)[:, -len(target) :]


def target_logits(model: GPT, vectors: Tensor, target: Tensor, *, parallel: bool) -> Tensor:
    """Return the logits of each target position: (B, k, C) and (n,) → (B, n, V)."""
    logits: Tensor = model.lm_head(target_hidden(model, vectors, target, parallel=parallel))
    return logits


def _teacher(model: GPT, vectors: Tensor, target: Tensor) -> Tensor:
    """Return the embeddings of all target tokens but the last, for each restart: (B, n-1, C)."""
    return model.embed(target[:-1]).expand(len(vectors), -1, -1)
