"""Token embeddings that share, while they are learned, what tokens of one form have in common.

A book holds a fraction of GPT-2's 50,257 tokens. The rows of all others meet no gradient but the
one that pushes them away, and yet the next chapter brings some of them. While training, the row of
token v is therefore a sum,

    row(v) = own(v), if v is in the training text  +  Σ shared(f) over the features f of its form,

where the form of a token is what can be read off it: space, case, length and ending, its place in
the byte-pair merges (early ones are frequent in English), and the word that it is when case and
space are set aside, whole and without its inflection. Source: Bojanowski et al. 2017, Enriching
word vectors with subword information.

A token that occurs c times is without its own row with probability min(1, D/c), drawn anew each
step: a discount as Kneser and Ney take it. Rare tokens then stand in for those never seen, and what
is learned of them is learned of their form. After training the sums are folded into a plain table:
what is saved is a GPT-2 like any other.

While training, tokens of the same form that are not in the text have the same row. This makes the
softmax over the whole vocabulary cheap: each form is computed once, and the logarithm of how many
tokens share it is added. Folding gives each form a small row of its own, as GPT-2 draws it at first
and as no text has changed it, and each token of the form a number, in binary, in the last channels
(see `looking_glass.gpt.siblings`). Without that row a form whose features others have too could
never be the first choice; without the number the model could not tell its tokens apart. With both
the softmax of the folded model is cheap too. A model too narrow for numbers gives each token a row.

Where training starts from another model's embedding, every token has a row already. A sum is then
what the text adds to it,

    row(v) = start(v) + own(v), if v is in the training text + Σ shared(f) over its features f,

with both parts zero at first: the table is at first the given one, decay pulls towards it, and a
rare token without its own row is as it was given. Since no two rows are alike each token counts as
a form of its own, and the softmax has no short cut but the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from looking_glass.gpt.siblings import CHANNELS, numbered
from looking_glass.text.corpus import Tokens
from looking_glass.text.counting import count_tokens
from looking_glass.text.forms import form_features

UNSEEN_STD = 0.02  # of the own rows of forms that are not in the text: GPT-2's initial deviation


class Vocabulary:
    """Which tokens the training text has, and the form of every token."""

    def __init__(
        self, tokens: Tokens, token_bytes: Sequence[bytes], *, apart: bool = False
    ) -> None:
        """Take the training text and the bytes of each token of the encoder, by id.

        With `apart` no two tokens share a form: a form has the number of its token. Tables that
        start from a given embedding need that, since no two of its rows are alike.
        """
        counts = count_tokens(tokens, len(token_bytes))
        self.seen = torch.from_numpy(np.flatnonzero(counts))  # (S,)
        self.counts = torch.from_numpy(counts[counts > 0])  # (S,)
        self.unseen = torch.from_numpy(np.flatnonzero(counts == 0))  # (V - S,)
        names = [form_features(rank, content) for rank, content in enumerate(token_bytes)]
        # A feature that no token of the text has could not be learned from it.
        known = dict.fromkeys(name for index in self.seen.tolist() for name in names[index])
        ids = {name: index for index, name in enumerate(known)}
        features_of = [tuple(ids[name] for name in own if name in ids) for own in names]
        forms = features_of if apart else list(dict.fromkeys(features_of))
        place_of = {features: index for index, features in enumerate(forms)}
        by_features = torch.tensor([place_of[features] for features in features_of])
        self.form_of = torch.arange(len(names)) if apart else by_features  # (V,)
        self.n_features = len(ids)
        widest = max(map(len, forms))
        padded = [[*features, *[len(ids)] * (widest - len(features))] for features in forms]
        self.features = torch.tensor(padded)  # (forms, widest), padded with n_features
        # Every form that an unseen token has, which of them each has, and how many share it.
        self.unseen_forms, place, self.multiplicity = torch.unique(
            self.form_of[self.unseen], return_inverse=True, return_counts=True
        )
        # (V - S,): each unseen token's number among those of its form, and how many these are.
        order = place.argsort(stable=True)
        first = self.multiplicity.cumsum(0) - self.multiplicity
        self.siblings = self.multiplicity[place]
        self.number = torch.empty_like(place)
        self.number[order] = torch.arange(len(place)) - first[place[order]]
        # (V,): a token's place among the seen ones; after these, its form's among the unseen ones'.
        self.row_of = torch.empty(len(token_bytes), dtype=torch.long)
        self.row_of[self.seen] = torch.arange(len(self.seen))
        self.row_of[self.unseen] = len(self.seen) + place


class TokenTable(nn.Module):
    """The embedding of every token, as sums that are learned. C channels, S tokens seen."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        width: int,
        *,
        std: float,
        discount: float,
        start: Tensor | None = None,
        free_channels: int = 0,
    ) -> None:
        """Draw own rows with deviation `std`, and shared ones so that the largest sums have it too.

        With `start`, (V, C), both are zero, and the table is at first just that; the vocabulary's
        tokens must then be `apart`. The first `free_channels` of every part are zero.
        """
        super().__init__()
        features = vocabulary.features
        self.own = nn.Parameter(torch.randn(len(vocabulary.seen), width) * std)
        shared = torch.randn(vocabulary.n_features + 1, width) * std / math.sqrt(features.shape[1])
        self.shared = nn.Parameter(shared)  # its last row pads: it stays out of every sum
        self.features: Tensor
        self.seen_forms: Tensor
        self.dropped: Tensor
        self.individual: Tensor
        self.register_buffer("features", features)
        self.register_buffer("seen_forms", vocabulary.form_of[vocabulary.seen])
        self.register_buffer("dropped", (discount / vocabulary.counts).clamp(max=1))
        # Drawn last: the rest of the start must not depend on how many tokens are unseen.
        place, roomy = vocabulary.row_of[vocabulary.unseen], width - free_channels >= CHANNELS
        own_row = place - len(vocabulary.seen) if roomy else torch.arange(len(place))
        individual = torch.randn(len(torch.unique(own_row)), width)[own_row] * UNSEEN_STD
        if roomy:
            individual[:, -CHANNELS:] += numbered(vocabulary.number, vocabulary.siblings)
        for part in (self.own.data, self.shared.data, individual):
            part[:, :free_channels] = 0.0
        self.register_buffer("individual", individual, persistent=False)
        self.start: Tensor | None
        self.register_buffer("start", start, persistent=False)  # by form: each token is one
        if start is not None:
            for part in (self.own.data, self.shared.data, individual):
                part.zero_()

    def form_rows(self, forms: Tensor) -> Tensor:
        """Return what the tokens of these forms have in common: (n,) → (n, C)."""
        padding = self.shared.shape[0] - 1
        rows = F.embedding_bag(self.features[forms], self.shared, mode="sum", padding_idx=padding)
        return rows if self.start is None else self.start[forms] + rows

    def forward(self, forms: Tensor) -> Tensor:
        """Return the rows of the tokens in the text, then those of `forms`: (F,) → (S + F, C).

        In train mode the rare ones among the tokens are, at random, without their own part.
        """
        own: Tensor = self.own
        if self.training:
            kept = torch.rand_like(self.dropped) >= self.dropped
            own = own * kept[:, None]
        return torch.cat([own + self.form_rows(self.seen_forms), self.form_rows(forms)])

    @torch.no_grad()
    def fold(self, vocabulary: Vocabulary) -> Tensor:
        """Return the plain table that the sums amount to, each row with its own part: (V, C)."""
        rows = self.form_rows(torch.arange(len(self.features), device=self.own.device))
        table = rows[vocabulary.form_of.to(rows.device)]
        table[vocabulary.seen.to(rows.device)] += self.own
        table[vocabulary.unseen.to(rows.device)] += self.individual
        return table
