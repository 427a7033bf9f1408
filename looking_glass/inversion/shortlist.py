"""What is made small, over a short list of tokens in place of the whole vocabulary.

Cross-entropy takes the rest of the vocabulary as a tangent. A shortfall asks whether a token leads,
and no token that is far from the lead has a say in that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT

MOST_TOKENS = 2048  # tokens, of GPT-2's 50,257
MARGIN = 0.05  # by which a logit is to lead
SHARPNESS = 20.0  # of the smooth maximum that stands for the best other logit
NEGLIGIBLE = -80.0  # log of a weight in it


class Shortlist:
    """The most probable tokens at the states it is made of: the loss is computed over these alone.

    The logarithm of what all other tokens weigh together is taken as linear in the state.
    """

    @torch.no_grad()
    def __init__(self, model: GPT, hidden: Tensor, target: Tensor, *, tangent: bool = True) -> None:
        """Take the states (B, n, C) that predict `target` (n,).

        Without the `tangent`, half of the work, there are no `losses`.
        """
        at = target.expand(len(hidden), -1)[..., None]  # (B, n, 1)
        shares: Tensor = model.lm_head(hidden)  # (B, n, V): logits, in place made probabilities
        highest, first = shares.max(dim=-1, keepdim=True)
        self.first = first.squeeze(-1)  # (B, n)
        own = shares.gather(-1, at) - highest
        shares = shares.sub_(highest).exp_()
        total = shares.sum(dim=-1, keepdim=True)
        self.largest = (own == 0).squeeze(-1)  # (B, n)
        self.log_probs = (own - total.log()).squeeze(-1)  # (B, n)

        most = shares.div_(total).flatten(0, 1).amax(dim=0)  # (V,)
        most[target] = math.inf
        tokens = most.topk(min(MOST_TOKENS, len(most))).indices
        self.rows = model.lm_head.weight[tokens]  # (R, C)
        place = torch.empty_like(most, dtype=torch.long)
        place[tokens] = torch.arange(len(tokens), device=place.device)
        self.labels = place[at.squeeze(-1)]  # (B, n)
        self.hidden = hidden
        if not tangent:
            return
        # What the others weigh together, log Σ exp, and how that grows with the state.
        shares[..., tokens] = 0
        rest = shares.sum(dim=-1, keepdim=True)
        self.rest = ((rest * total).log() + highest).squeeze(-1)  # (B, n)
        self.slope = shares @ model.lm_head.weight / rest.clamp(min=1e-30)  # (B, n, C)

    def seen(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is kept of it, on the CPU: `log_probs`, `largest`, `first`, each (B, n)."""
        return self.log_probs.cpu(), self.largest.cpu(), self.first.cpu()

    def all_lead(self) -> Tensor:
        """Return whether every target, in the states it is made of, leads by `MARGIN`: (B,)."""
        short = self.shortfalls(self.hidden)
        return ((short == 0) & self.largest).all(dim=1)

    def losses(self, hidden: Tensor) -> Tensor:
        """Return -log p of each target token in nats: (B, n, C) → (B, n)."""
        rest = self.rest + ((hidden - self.hidden) * self.slope).sum(dim=-1)
        logits = torch.cat([hidden @ self.rows.t(), rest[..., None]], dim=-1)  # (B, n, R + 1)
        losses = F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), reduction="none")
        return losses.view(self.labels.shape)

    def shortfalls(self, hidden: Tensor) -> Tensor:
        """Return how far each target's logit is from leading by `MARGIN`: (B, n, C) → (B, n).

        Zero where it leads by as much. Otherwise at least what is missing, for the best other logit
        is bounded from above, log Σ exp(τ l) / τ.
        """
        logits = hidden @ self.rows.t()  # (B, n, R)
        at = self.labels[..., None]
        own = logits.gather(-1, at).squeeze(-1)
        others = logits.scatter(-1, at, -math.inf)
        highest = others.detach().amax(dim=-1)
        # What weighs next to nothing is cut off: numbers too small for float32 take long.
        below = (SHARPNESS * (others - highest[..., None])).clamp(min=NEGLIGIBLE)
        best = highest + below.logsumexp(dim=-1) / SHARPNESS
        return (MARGIN + best - own).clamp(min=0)
