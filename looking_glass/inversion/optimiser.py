"""Learn input vectors that make a frozen model say a given sentence.

Two readings of AR(inp_vec) = s, for a sentence s of n tokens:

    parallel  n vectors, one forward pass: logits i are those of s[i]. The exercise as it is stated.
    prefix    k vectors, after which the model writes s by itself. Learned by teacher forcing: the
              vectors are followed by s[0] … s[n-2], and the last n logits are those of s.

In both the vectors stand in place of token embeddings, and the model adds its positions to them.
Several restarts are learned side by side as the batch dimension B; none knows of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from looking_glass.pipeline.errors import InputError
from looking_glass.gpt.model import GPT, generate_greedy
from looking_glass.pipeline.params import Section

PARALLEL = 0  # the prefix length that stands for the parallel reading
CHECK_EVERY = 20  # steps
MOST_RIVALS = 2048  # tokens, of GPT-2's 50,257


class ReadingParams(Section):
    """How one reading is optimised."""

    restarts: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class PrefixParams(ReadingParams):
    """The prefix reading, for each of several numbers of vectors."""

    lengths: tuple[int, ...] = Field(min_length=1)


class SearchParams(Section):
    """How real tokens are searched for."""

    steps: int = Field(ge=1)
    candidates: int = Field(ge=1)


class InvertParams(Section):
    """Section `invert`."""

    sentence: str
    controls: tuple[str, ...]
    random_control: int = Field(ge=0)  # tokens
    seed: int = Field(ge=0)
    init_noise: float = Field(ge=0)
    parallel: ReadingParams
    prefix: PrefixParams
    noise_trials: int = Field(ge=2)
    search: SearchParams


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """What optimising found: the vectors, and how every restart got there."""

    vectors: Tensor  # (B, k, C), or (B, n, C) for the parallel reading
    steps: Tensor  # (checks,): updates made before each check; the last is after all of them
    log_probs: Tensor  # (checks, B, n) nats: of each target token
    largest: Tensor  # (checks, B, n) bool: the target's logit was the largest
    first: Tensor  # (checks, B, n): the token whose logit was

    @property
    def losses(self) -> Tensor:
        """(checks, B) nats/token."""
        return -self.log_probs.mean(dim=2)

    @property
    def first_exact_step(self) -> Tensor:
        """(B,): updates made when a check first found all target logits the largest, or -1."""
        return self._first(self.largest.all(dim=2))

    @property
    def first_right_step(self) -> Tensor:
        """(B, n): updates made when a check first found each target's logit the largest, or -1."""
        return self._first(self.largest)

    def _first(self, table: Tensor) -> Tensor:
        return torch.where(table.any(dim=0), self.steps[table.int().argmax(dim=0)], -1)


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


def fits(n_target: int, k: int, block_size: int) -> bool:
    """Return whether `n_target` tokens can be said after `k` vectors within the block."""
    return (n_target if k == PARALLEL else k + n_target - 1) <= block_size


def check_fits(n_target: int, block_size: int, *, what: str) -> None:
    """Raise `InputError` unless the parallel reading of `n_target` tokens fits in the block."""
    if n_target < 1:
        raise InputError(f"invert, {what}: at least one token is required, got an empty sentence")
    if not fits(n_target, PARALLEL, block_size):
        raise InputError(
            f"invert, {what}: at most model.block_size = {block_size} tokens are required, got "
            f"{n_target}: shorten it"
        )


def initial_vectors(
    model: GPT, restarts: int, k: int, *, noise: float, generator: torch.Generator
) -> Tensor:
    """Return (restarts, k, C) vectors: the mean token embedding plus Gaussian noise.

    The noise has the embeddings' own standard deviation in each channel, times `noise`. Vectors
    longer than embeddings drown what the blocks add to them, and so come nearer to the ceiling;
    `benchmarks/inversion.py` compares.
    """
    embeddings = model.transformer.wte.weight
    mean, std = embeddings.mean(dim=0), embeddings.std(dim=0)  # (C,), (C,)
    draw = torch.randn(restarts, k, len(mean), generator=generator).to(model.device)
    return mean + noise * std * draw


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
    which has no margin yet. Every `CHECK_EVERY` steps, and at the end, the whole vocabulary is
    computed; in between only its `Rivals`, three quarters of the work being the output layer.
    """
    vectors = vectors.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([vectors], lr=params.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, params.steps)
    checks = [*range(0, params.steps, CHECK_EVERY), params.steps]
    found: list[Rivals] = []
    for step in range(params.steps):
        hidden = target_hidden(model, vectors, target, parallel=parallel)  # (B, n, C)
        if step == checks[len(found)]:
            found.append(Rivals(model, hidden.detach(), target))
        optimizer.zero_grad(set_to_none=True)
        found[-1].losses(hidden).mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        on_step()
    with torch.no_grad():
        hidden = target_hidden(model, vectors, target, parallel=parallel)
    found.append(Rivals(model, hidden, target))
    return Inversion(
        vectors=vectors.detach().cpu(),
        steps=torch.tensor(checks),
        log_probs=torch.stack([rivals.log_probs.cpu() for rivals in found]),
        largest=torch.stack([rivals.largest.cpu() for rivals in found]),
        first=torch.stack([rivals.first.cpu() for rivals in found]),
    )


class Rivals:
    """The tokens that now have some probability anywhere, for which the loss will be computed.

    What all others have together is kept, position by position, as it is at this moment.
    """

    @torch.no_grad()
    def __init__(self, model: GPT, hidden: Tensor, target: Tensor) -> None:
        """Take the states (B, n, C) that predict `target` (n,)."""
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
        tokens = most.topk(min(MOST_RIVALS, len(most))).indices
        self.rows = model.lm_head.weight[tokens]  # (R, C)
        place = torch.empty_like(most, dtype=torch.long)
        place[tokens] = torch.arange(len(tokens), device=place.device)
        self.labels = place[at.squeeze(-1)]  # (B, n)
        # What the others weigh together, log Σ exp, and how that grows with the state: a tangent.
        shares[..., tokens] = 0
        rest = shares.sum(dim=-1, keepdim=True)
        self.hidden = hidden
        self.rest = ((rest * total).log() + highest).squeeze(-1)  # (B, n)
        self.slope = shares @ model.lm_head.weight / rest.clamp(min=1e-30)  # (B, n, C)

    def losses(self, hidden: Tensor) -> Tensor:
        """Return -log p of each target token in nats: (B, n, C) → (B, n)."""
        rest = self.rest + ((hidden - self.hidden) * self.slope).sum(dim=-1)
        logits = torch.cat([hidden @ self.rows.t(), rest[..., None]], dim=-1)  # (B, n, R + 1)
        losses = F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), reduction="none")
        return losses.view(self.labels.shape)


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
