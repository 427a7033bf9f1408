"""Learn input vectors that make a frozen model say a given sentence.

Two readings of AR(inp_vec) = s, for a sentence s of n tokens:

    parallel  n vectors, one forward pass: logits i are those of s[i]. The exercise as it is stated.
    prefix    k vectors, after which the model writes s by itself. Learned by teacher forcing: the
              vectors are followed by s[0] … s[n-2], and the last n logits are those of s.

In both the vectors stand in place of token embeddings, and the model adds its positions to them.
Several restarts are learned side by side as the batch dimension B; none knows of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from looking_glass.errors import InputError
from looking_glass.model import GPT, generate_greedy
from looking_glass.params import Section

PARALLEL = 0  # the prefix length that stands for the parallel reading


class ReadingParams(Section):
    """How one reading is optimised."""

    restarts: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class PrefixParams(ReadingParams):
    """The prefix reading, for each of several numbers of vectors."""

    lengths: tuple[int, ...] = Field(min_length=1)


class InvertParams(Section):
    """Section `invert`."""

    sentence: str
    seed: int = Field(ge=0)
    init_noise: float = Field(ge=0)
    parallel: ReadingParams
    prefix: PrefixParams


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """What optimising found: the vectors, and how every restart got there."""

    vectors: Tensor  # (B, k, C), or (B, n, C) for the parallel reading
    losses: Tensor  # (steps, B), nats/token before each update
    first_exact_step: (
        Tensor  # (B,), updates made before the target was the argmax everywhere; or -1
    )


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


def check_fits(n_target: int, k: int, block_size: int) -> None:
    """Raise `InputError` unless `n_target` tokens after `k` vectors fit in the block."""
    if n_target < 1:
        raise InputError("invert.sentence: at least one token is required, got an empty sentence")
    positions = n_target if k == PARALLEL else k + n_target - 1
    if positions > block_size:
        what = "the parallel reading" if k == PARALLEL else f"a prefix of {k} vectors"
        raise InputError(
            f"invert.sentence: {what} of its {n_target} tokens needs {positions} positions, the "
            f"model's block has {block_size}: shorten the sentence or the prefix"
        )


def initial_vectors(
    model: GPT, restarts: int, k: int, *, noise: float, generator: torch.Generator
) -> Tensor:
    """Return (restarts, k, C) vectors: the mean token embedding plus Gaussian noise.

    The noise has the embeddings' own standard deviation in each channel, times `noise`: the model
    has met nothing of another scale, and LayerNorm flattens the gradient of much larger vectors.
    """
    embeddings = model.transformer.wte.weight
    mean, std = embeddings.mean(dim=0), embeddings.std(dim=0)  # (C,), (C,)
    draw = torch.randn(restarts, k, len(mean), generator=generator).to(model.device)
    return mean + noise * std * draw


def target_logits(model: GPT, vectors: Tensor, target: Tensor, *, parallel: bool) -> Tensor:
    """Return the logits of each target position: (B, k, C) and (n,) → (B, n, V)."""
    x = vectors if parallel else torch.cat([vectors, _teacher(model, vectors, target)], dim=1)
    return model.lm_head(model.hidden(x)[:, -len(target) :])  # type: ignore[no-any-return]


def _teacher(model: GPT, vectors: Tensor, target: Tensor) -> Tensor:
    """Return the embeddings of all target tokens but the last, for each restart: (B, n-1, C)."""
    return model.embed(target[:-1]).expand(len(vectors), -1, -1)


def invert(
    model: GPT,
    target: Tensor,
    vectors: Tensor,
    params: ReadingParams,
    *,
    parallel: bool,
    on_step: Callable[[], object] = lambda: None,
) -> Inversion:
    """Minimise the mean cross-entropy of `target` (n,) over `vectors`; the model stays as it is.

    Adam with a rate that falls to zero along a cosine. It goes on past the first exact match,
    which has no margin yet.
    """
    vectors = vectors.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([vectors], lr=params.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, params.steps)
    losses: list[Tensor] = []
    first_exact = torch.full((len(vectors),), -1)
    labels = target.expand(len(vectors), -1)  # (B, n)
    for step in range(params.steps):
        logits = target_logits(model, vectors, target, parallel=parallel)  # (B, n, V)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        per_restart = loss.view(labels.shape).mean(dim=1)  # (B,)
        exact = (logits.argmax(dim=-1) == target).all(dim=1).cpu()
        first_exact[exact & (first_exact < 0)] = step
        losses.append(per_restart.detach().cpu())
        optimizer.zero_grad(set_to_none=True)
        per_restart.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        on_step()
    return Inversion(
        vectors=vectors.detach().cpu(), losses=torch.stack(losses), first_exact_step=first_exact
    )


@torch.no_grad()
def nearest_rows(model: GPT, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each of `tokens`, the other token whose output row is most alike: two of (n,).

    The second is the cosine of the two rows: at 1 no hidden state could prefer one to the other by
    their direction.
    """
    rows = F.normalize(model.lm_head.weight, dim=-1)  # (V, C)
    cosines = rows[tokens] @ rows.t()  # (n, V)
    best = cosines.scatter(1, tokens[:, None], -2.0).max(dim=1)
    return best.indices, best.values


@torch.no_grad()
def judge(model: GPT, target: Tensor, vectors: Tensor, *, parallel: bool) -> Verdict:
    """Return what the model says given `vectors` (B, k, C): the target helps only to compare.

    In parallel that is one forward pass; after a prefix the model writes freely, each token it
    chooses being its next input.
    """
    vectors = vectors.to(model.device)
    n = len(target)
    if parallel:
        said = model.forward_embeddings(vectors).argmax(dim=-1)  # (B, n)
    else:
        said = generate_greedy(model, vectors, n)
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
