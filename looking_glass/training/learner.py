"""A model as it is while it learns: its blocks, and its token embeddings as learned sums."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.training.cross_entropy import linear_cross_entropy
from looking_glass.training.token_table import TokenTable, Vocabulary

# Deviation of each of the two parts of an embedding at the start: GPT-2's 0.02 is for a vocabulary
# in which every token has met enough text to find its own scale.
INITIAL_STD = 0.05


class Outputs(NamedTuple):
    """What a step's softmax runs over: n tokens in the text, F forms of others."""

    seen: Tensor  # (n,): their places among the tokens in the text
    forms: Tensor  # (F,)
    weights: Tensor  # (n + F,): log of how many tokens each stands for


class Learner(nn.Module):
    """Computes the training loss of a GPT whose embedding is a `TokenTable`.

    The table's rows are those of the S tokens in the text, then one for each form of all others.
    """

    def __init__(
        self,
        model: GPT,
        vocabulary: Vocabulary,
        *,
        discount: float,
        pretrained: bool = False,
        free_channels: int = 0,
    ) -> None:
        """Put tables in place of the model's own embedding, which `fold` will fill.

        When it is `pretrained`, they start from it; the vocabulary's tokens are then `apart`. The
        first `free_channels` of the tables start at zero.
        """
        super().__init__()
        width = model.config.n_embd
        self.model = model
        self.vocabulary = vocabulary
        for weight in (model.transformer.wte.weight, model.lm_head.weight):
            weight.requires_grad_(False)

        def table(weight: Tensor) -> TokenTable:
            start = weight.detach().clone() if pretrained else None
            return TokenTable(
                vocabulary,
                width,
                std=INITIAL_STD,
                discount=discount,
                start=start,
                free_channels=free_channels,
            )

        self.inputs = table(model.transformer.wte.weight)
        self.outputs = self.inputs
        if not model.config.tie_weights:
            self.outputs = table(model.lm_head.weight)
        self.row_of: Tensor
        self.every_form: Tensor
        self.every_weight: Tensor
        self.register_buffer("row_of", vocabulary.row_of, persistent=False)
        self.register_buffer("every_form", vocabulary.unseen_forms, persistent=False)
        weights = vocabulary.multiplicity.float().log()
        self.register_buffer("every_weight", weights, persistent=False)

    def every_output(self) -> Outputs:
        """Return all tokens in the text and all forms of others: the softmax is then exact."""
        seen = torch.arange(len(self.vocabulary.seen), device=self.row_of.device)
        weights = torch.cat([self.every_weight.new_zeros(len(seen)), self.every_weight])
        return Outputs(seen=seen, forms=self.every_form, weights=weights)

    def sampled_outputs(self, targets: Tensor, n: int, generator: torch.Generator) -> Outputs:
        """Return the tokens in `targets`, and `n` drawn from each of two kinds of others.

        These are the tokens in the text that are no target, and those not in the text. Each drawn
        one stands for as many as were not. The softmax's denominator is then right in expectation;
        its logarithm, and so the loss, is a little too low.
        Source: Bengio & Senécal 2008, Adaptive importance sampling, with a uniform proposal.
        """
        wanted = torch.unique(self.vocabulary.row_of[targets])
        others = torch.ones(len(self.vocabulary.seen), dtype=torch.bool)
        others[wanted] = False
        seen, seen_weight = _drawn(others.nonzero()[:, 0], n, generator)
        unseen, unseen_weight = _drawn(self.vocabulary.unseen, n, generator)
        weights = torch.cat([torch.zeros(len(wanted)), seen_weight, unseen_weight])
        found = torch.cat([wanted, seen]), self.vocabulary.form_of[unseen], weights
        return Outputs(*(one.to(self.row_of.device) for one in found))

    def forward(self, tokens: Tensor, targets: Tensor, outputs: Outputs) -> Tensor:
        """Return the mean loss in nats/token of `targets`, both (B, T).

        Targets must be among `outputs`, and tokens in the text, unless these are all there are.
        """
        S, F_ = len(self.vocabulary.seen), len(outputs.forms)
        inputs = self.inputs(outputs.forms)  # (S + F, C)
        table = inputs if self.outputs is self.inputs else self.outputs(outputs.forms)
        rows = torch.cat([outputs.seen, S + torch.arange(F_, device=outputs.seen.device)])
        place = torch.empty(S + F_, dtype=torch.long, device=rows.device)
        place[rows] = torch.arange(len(rows), device=rows.device)
        hidden = self.model.hidden(F.embedding(self.row_of[tokens], inputs))  # (B, T, C)
        wanted = place[self.row_of[targets].flatten()]
        loss = linear_cross_entropy(
            hidden.flatten(0, 1), F.embedding(rows, table), outputs.weights, wanted
        )
        # A target counts once, however many tokens share its form.
        return loss + outputs.weights[wanted].mean()

    @torch.no_grad()
    def fold(self) -> None:
        """Fill the model's own embeddings with what the sums amount to."""
        self.model.transformer.wte.weight.copy_(self.inputs.fold(self.vocabulary))
        if self.outputs is not self.inputs:
            self.model.lm_head.weight.copy_(self.outputs.fold(self.vocabulary))


def _drawn(ids: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return at most `n` of `ids`, none twice, and the log of how many each stands for."""
    drawn = ids[torch.randperm(len(ids), generator=generator)[:n]]
    weight = math.log(len(ids) / len(drawn)) if len(drawn) else 0.0
    return drawn, torch.full((len(drawn),), weight)
