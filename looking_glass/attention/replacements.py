"""For each token another one of its kind: what stands in for it where it is replaced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from looking_glass.text.corpus import Corpus
from looking_glass.text.counting import count_tokens
from looking_glass.text.forms import kind_of
from looking_glass.text.tokenizer import Tokenizer


def match_tokens(corpus: Corpus, tokenizer: Tokenizer) -> Tensor:
    """Return for each token the one that replaces it: of its kind, and about as frequent: (V,).

    Only tokens of the training text stand in: what the model never met is no fair replacement. A
    token that the text lacks gets the rarest of its kind there. A token that nothing can stand in
    for stands for itself.
    """
    counts = torch.from_numpy(count_tokens(corpus.train, corpus.vocab_size))
    kinds = [kind_of(content) for content in tokenizer.token_bytes()]
    matched, seen = torch.arange(corpus.vocab_size), counts.nonzero()[:, 0]
    if len(seen) > 1:
        known = [kinds[token] for token in seen.tolist()]
        matched[seen] = seen[matched_tokens(counts[seen], known)]
    rarest = {kinds[token]: token for token in _by_count(counts.tolist(), seen.tolist())}
    unseen = (counts == 0).nonzero()[:, 0]
    matched[unseen] = torch.tensor(
        [rarest.get(kinds[token], token) for token in unseen.tolist()], dtype=torch.long
    )
    return matched


def matched_tokens(counts: Tensor, kinds: Sequence[str]) -> Tensor:
    """Return for each token another one of its kind that is nearest to it in frequency: (V,).

    `counts` (V,) are occurrences in the training text. A token alone in its kind takes the one of
    any kind that is nearest in frequency. Of two that are equally near, the more frequent is taken.
    """
    matched, found = [0] * len(counts), counts.tolist()
    groups: dict[str, list[int]] = {}
    for token, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(token)
    everyone = _by_count(found, list(range(len(found))))
    for group in groups.values():
        order = _by_count(found, group)
        for place, token in enumerate(order):
            pool, at = (order, place) if len(order) > 1 else (everyone, everyone.index(token))
            near = [pool[i] for i in (at - 1, at + 1) if 0 <= i < len(pool)]
            matched[token] = min(near, key=lambda other: abs(found[other] - found[token]))
    return torch.tensor(matched)


def _by_count(counts: list[int], tokens: list[int]) -> list[int]:
    return sorted(tokens, key=lambda token: (-counts[token], token))
