"""What the words so far show to later ones in one block, in every set that tells them apart.

Word i shows its keys and values for each of the sets of the words before it (and of its own, where
that can be replaced). A later word, in more sets, reads them in row s at s mod R', R' being how
often they are there; all these numbers are powers of two. Legend of dimensions: R rows of the word
that looks, A of the last word seen, P positions seen, t tokens of one word; the rest as in
`looking_glass.gpt.model`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What one word's tokens show to later positions in one block, for R sets before it."""

    key: Tensor  # (R, nh, t, hs)
    value: Tensor  # (R, nh, t, hs)
    can_be_absent: bool  # the set's next bit says whether these may be attended to


class Seen:
    """What all words so far show to later positions in one block; every word has its bit."""

    def __init__(self) -> None:
        self.words: list[Heads] = []

    @property
    def rows(self) -> int:
        """For how many sets the last word is there in its own way: no earlier one has more."""
        return len(self.words[-1].key)

    @functools.cached_property
    def keys(self) -> Tensor:
        """Side by side, as each row of the last word reads them: (A, nh, P, hs)."""
        return _joined([word.key for word in self.words])

    @functools.cached_property
    def values(self) -> Tensor:
        """As `keys`."""
        return _joined([word.value for word in self.words])

    def absent(self, rows: int) -> Tensor | None:
        """Return -inf at the positions that each of R sets lacks, else 0: (R, P). None: none can.

        R is `rows`.
        """
        if not any(word.can_be_absent for word in self.words):
            return None
        numbers = torch.arange(rows, device=self.words[0].key.device)
        absent = [
            # The next bit of a row's number, above those that say which sets the word was seen in.
            ((numbers // len(word.key)) % 2 == 0) & word.can_be_absent
            for word in self.words
            for _ in range(word.key.shape[2])
        ]
        return torch.where(torch.stack(absent, dim=1), -math.inf, 0.0)

    def add(self, word: Heads) -> None:
        """Go on to the next word."""
        self.words.append(word)
        for name in ("keys", "values"):
            self.__dict__.pop(name, None)


def attend(query: Tensor, seen: Seen, own: Heads | None, absent: Tensor | None) -> Tensor:
    """Return what heads gather: queries (R, nh, t, hs), words seen by fewer sets → the same shape.

    The queries are of the last t of the tokens in `own`, which may have more. A word seen in R'
    sets is read by row s at s mod R'. `absent` is from `Seen.absent`. Where nothing may be
    attended to: zeros.
    """
    R, nh, t, hs = query.shape
    scores = []
    if seen.words:
        A = seen.rows  # rows s and s + A, and so on, share what was seen
        grouped = query.view(R // A, A, nh, t, hs).permute(1, 2, 0, 3, 4).reshape(A, nh, -1, hs)
        found = (grouped @ seen.keys.transpose(-2, -1)).view(A, nh, R // A, t, -1)
        before = found.permute(2, 0, 1, 3, 4).reshape(R, nh, t, -1)
        # Added, since filling by a mask takes ten times as long.
        scores.append(before if absent is None else before.add_(absent[:, None, None]))
    if own is not None:
        inner = query @ own.key.transpose(-2, -1)  # (R, nh, t, own tokens)
        if inner.shape[-1] > 1:
            later = torch.full(inner.shape[-2:], -math.inf, device=query.device)
            inner.add_(later.triu_(1 + inner.shape[-1] - t))
        scores.append(inner)
    if not scores:
        return torch.zeros_like(query)
    pattern = torch.cat(scores, dim=-1).div_(math.sqrt(hs)).softmax(dim=-1)  # (R, nh, t, positions)
    if own is None:
        gathered = torch.zeros_like(query)
        # A row without a source is NaN after the softmax: it gathers nothing.
        pattern = pattern.nan_to_num(0.0)
    else:
        gathered = pattern[..., -own.key.shape[2] :] @ own.value
    if seen.words:
        share = pattern[..., : seen.keys.shape[2]].reshape(R // A, A, nh, t, -1)
        mixed = share.permute(1, 2, 0, 3, 4).reshape(A, nh, (R // A) * t, -1) @ seen.values
        gathered += mixed.view(A, nh, R // A, t, hs).permute(2, 0, 1, 3, 4).reshape(query.shape)
    return gathered


def _joined(words: list[Tensor]) -> Tensor:
    """Return what the words show side by side, as each row of the last reads it: (A, nh, P, hs).

    The words are of (R', nh, t, hs), R' a power of two and at most A, that of the last.
    """
    A, nh, _, hs = words[-1].shape
    joined = words[-1].new_empty(A, nh, sum(word.shape[2] for word in words), hs)
    at = 0
    for word in words:
        length = word.shape[2]
        joined.view(-1, *word.shape[:2], joined.shape[2], hs)[:, :, :, at : at + length] = word
        at += length
    return joined
