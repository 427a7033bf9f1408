"""What a model says given learned vectors: judged with no target in sight of the model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from looking_glass.inversion.readings import target_logits


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the model says given the vectors, and how surely. B restarts, n target tokens."""

    said: Tensor  # (B, n) tokens: the argmax in parallel, a free-running greedy text after a prefix
    correct: Tensor  # (B, n) bool: said is the target
    log_probs: Tensor  # (B, n) nats: of each target token, those before it given
    ranks: Tensor  # (B, n): the target's rank from 1, those before it given
    gaps: Tensor  # (B, n): target's logit minus the best other one; negative where not the argmax

    @property
    def exact(self) -> Tensor:
        """(B,) bool: what was said is the sentence, and nothing else."""
        return self.correct.all(dim=1)


@torch.no_grad()
def say(model: GPT, vectors: Tensor, n_tokens: int, *, parallel: bool) -> Tensor:
    """Return what the model says by itself given `vectors`: (B, k, C) → (B, n_tokens)."""
    if parallel:
        return model.forward_embeddings(vectors).argmax(dim=-1)
    return generate_greedy(model, vectors, n_tokens)


@torch.no_grad()
def judge(model: GPT, target: Tensor, vectors: Tensor, *, parallel: bool) -> Verdict:
    """Return what the model says given `vectors` (B, k, C): the target helps only to compare.

    In parallel that is one forward pass; after a prefix the model writes freely, each token it
    chooses being its next input.
    """
    vectors = vectors.to(model.device)
    n = len(target)
    said = say(model, vectors, n, parallel=parallel)
    logits = target_logits(model, vectors, target, parallel=parallel)  # (B, n, V)
    index = target.expand(len(vectors), n)[..., None]  # (B, n, 1)
    own = logits.gather(-1, index).squeeze(-1)  # (B, n)
    best_other = logits.scatter(-1, index, float("-inf")).amax(dim=-1)  # (B, n)
    return Verdict(
        said=said.cpu(),
        correct=(said == target).cpu(),
        log_probs=(own - logits.logsumexp(dim=-1)).cpu(),
        ranks=((logits > own[..., None]).sum(dim=-1) + 1).cpu(),
        gaps=(own - best_other).cpu(),
    )
