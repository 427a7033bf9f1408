"""A model as it is while it learns: its blocks, and its token embeddings as learned sums."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.training.cross_entropy import linear_cross_entropy
from looking_glass.training.token_table import TokenTable, Vocabulary

# Deviation of each of the two parts of an embedding at the start: GPT-2's 0.02 is for a vocabulary
# in which every token has met enough text to find its own scale.
INITIAL_STD = 0.05


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

    def every_other_form(self) -> tuple[Tensor, Tensor]:
        """Return all forms of tokens not in the text, and the log of how many share each: (F,).

        With these the softmax is exact over the whole vocabulary.
        """
        return self.every_form, self.every_weight

    def sampled_forms(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the forms of `n` tokens drawn from those not in the text, and log(their share⁻¹).

        The softmax's denominator is then right in expectation; its logarithm, and so the loss, is
        a little too low.
        Source: Bengio & Senécal 2008, Adaptive importance sampling, with a uniform proposal.
        """
        unseen = self.vocabulary.unseen
        drawn = unseen[torch.randperm(len(unseen), generator=generator)[:n]]
        weight = math.log(len(unseen) / len(drawn)) if len(drawn) else 0.0
        forms = self.vocabulary.form_of[drawn].to(self.row_of.device)
        return forms, torch.full((len(drawn),), weight, device=self.row_of.device)

    def forward(self, tokens: Tensor, targets: Tensor, forms: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss in nats/token of `targets`, both (B, T).

        The softmax runs over the tokens in the text and over `forms` (F,), each counted exp(weight)
        times. Tokens and targets must be in the text, unless these are all the forms there are.
        """
        inputs = self.inputs(forms)  # (S + F, C)
        outputs = inputs if self.outputs is self.inputs else self.outputs(forms)
        hidden = self.model.hidden(F.embedding(self.row_of[tokens], inputs))  # (B, T, C)
        bias = torch.cat([weights.new_zeros(len(outputs) - len(forms)), weights])  # (S + F,)
        rows = self.row_of[targets].flatten()
        loss = linear_cross_entropy(hidden.flatten(0, 1), outputs, bias, rows)
        # A target counts once, however many tokens share its form.
        return loss + bias[rows].mean()

    @torch.no_grad()
    def fold(self) -> None:
        """Fill the model's own embeddings with what the sums amount to."""
        self.model.transformer.wte.weight.copy_(self.inputs.fold(self.vocabulary))
        if self.outputs is not self.inputs:
            self.model.lm_head.weight.copy_(self.outputs.fold(self.vocabulary))
