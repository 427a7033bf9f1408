"""The longest text that a model says exactly given few learned vectors: grown token by token.

It is said in one of two ways. `after_prefix`: the model writes it by itself after k vectors.
`in_one_pass`: of two vectors the first stands at the first position and the second at all others,
and the tokens are what one pass makes of the positions, one each.

When n tokens are right, n + 1 are asked for. That is n inequalities, one a token: its logit exceeds
every other; after a prefix, with the true tokens before it. For as long as all hold, each token
that the model chooses is the true one, so that it writes by itself what it was taught to write:
free-running and teacher-forced exactness are one, though shares of right tokens are not.

Cross-entropy asks for more than that, of tokens that are long since right. What is made small here
is, of each token i that is not right by a margin yet,

    r_i = margin + log Σ_u exp(τ l_u) / τ - l_i,    u ≠ i,

a smooth bound from above on how far its logit l_i lies behind the best other one: τ says how
smooth. With J the slopes of r by the vectors, one row a token, a step is

    δ = -Jᵀ (J Jᵀ + λ I)⁻¹ r,

which needs an n × n system however many numbers the vectors hold (Levenberg 1944, Marquardt 1963,
in the dual form).

Sources: Kuratov et al. 2025, Cramming 1568 Tokens into a Single Vector; Mezentsev & Oseledets 2025,
Exploring the Latent Capacity of LLMs for One-Step Text Generation (two vectors). Both learn by
cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.inversion.readings import target_hidden

MARGIN = 0.3  # by which a logit is to lead, so that the next token finds some slack
SHARPNESS = 5.0  # τ
LEAST_GAP = 0.01  # by which a logit must exceed all others to count: rounding moves it by less
# Model, text (n,) and vectors (B, k, C) → the states from which the text is predicted, (B, n, C).
States = Callable[[GPT, Tensor, Tensor], Tensor]

DAMPING = 1.0  # at first, as a share of the mean of the diagonal of J Jᵀ
LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e8
MOST_RIVALS = 2048  # tokens, of GPT-2's 50,257
LOOK_EVERY = 8  # steps after which all tokens are looked at again


@dataclass(frozen=True, kw_only=True)
class Grown:
    """How far each of B restarts came, and the vectors that came so far."""

    vectors: Tensor  # (B, k, C)
    lengths: Tensor  # (B,) tokens of the text's beginning that the model says given them
    gaps: Tensor  # (B,): the least by which one of these leads, infinite where there is none
    asked: int  # tokens that were asked for last: all, or one more than any restart said
    steps: int  # of which each restart may have taken or refused each


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Where vectors stand: B restarts, n tokens asked for."""

    gaps: Tensor  # (B, n): each token's logit minus the best other one
    short: Tensor  # (B, n): r
    slopes: Tensor  # (B, n, C): of r by the state that predicts the token; 0 where r is

    @property
    def cost(self) -> Tensor:
        """(B,): the sum of the squares of r."""
        return self.short.square().sum(dim=1)


class _Rivals:
    """The tokens that may lead at given states: what is not among them is looked at now and then.

    The output layer over the whole vocabulary is most of the work.
    """

    @torch.no_grad()
    def __init__(self, model: GPT, text: Tensor, states: Tensor) -> None:
        """Take those with the largest logits at any of the states (B, n, C), and the text's."""
        largest = model.lm_head(states).flatten(0, 1).amax(dim=0)  # (V,)
        largest[text] = float("inf")
        tokens = largest.topk(min(MOST_RIVALS, len(largest))).indices
        self.rows = model.lm_head.weight[tokens]  # (R, C)
        place = torch.empty_like(largest, dtype=torch.long)
        place[tokens] = torch.arange(len(tokens), device=place.device)
        self.text = place[text]  # (n,): among the rows

    @torch.no_grad()
    def fit(self, states: Tensor) -> _Fit:
        """Return where the states (B, n, C) stand that predict the text's beginning."""
        text = self.text[: states.shape[1]]
        logits = states @ self.rows.t()  # (B, n, R)
        at = text.expand(states.shape[:2])[..., None]
        own = logits.gather(-1, at)
        others = logits.scatter_(-1, at, float("-inf"))
        gaps = (own - others.amax(dim=-1, keepdim=True)).squeeze(-1)
        total = others.mul_(SHARPNESS).logsumexp(dim=-1, keepdim=True)
        short = (MARGIN + total / SHARPNESS - own).squeeze(-1).clamp(min=0)
        slopes = others.sub_(total).exp_() @ self.rows - self.rows[text]
        return _Fit(gaps=gaps, short=short, slopes=slopes * (short > 0)[..., None])


@torch.no_grad()
def _gaps(model: GPT, text: Tensor, states: Tensor) -> Tensor:
    """Return by how much each token of `text` (n,) leads all others, from (B, n, C): (B, n)."""
    logits = model.lm_head(states)
    at = text.expand(logits.shape[:2])[..., None]
    own = logits.gather(-1, at)
    gaps: Tensor = own - logits.scatter_(-1, at, float("-inf")).amax(dim=-1, keepdim=True)
    return gaps.squeeze(-1)


def _runs(gaps: Tensor) -> Tensor:
    """Return how many tokens from the first on lead: (B, n) → (B,)."""
    return (gaps > LEAST_GAP).cumprod(dim=1).sum(dim=1)


def after_prefix(model: GPT, text: Tensor, vectors: Tensor) -> Tensor:
    """Return the states that predict `text`, each after the vectors and the tokens before it."""
    return target_hidden(model, vectors, text, parallel=False)


def in_one_pass(model: GPT, text: Tensor, vectors: Tensor) -> Tensor:
    """Return the states of a start vector and one that is repeated, (B, 2, C), at n positions."""
    repeated = vectors[:, 1:].expand(-1, len(text) - 1, -1)
    return model.hidden(torch.cat([vectors[:, :1], repeated], dim=1))


def limit(model: GPT, k: int, states: States) -> int:
    """Return how many tokens the block holds."""
    size = model.config.block_size
    return size if states is in_one_pass else size + 1 - k


def best_starts(model: GPT, text: Tensor, vectors: Tensor, n: int) -> Tensor:
    """Return those `n` of the vectors (B, k, C) after which the text's first token is best off."""
    states = after_prefix(model, text[:1], vectors)
    losses = -model.lm_head(states).log_softmax(dim=-1)[:, 0, text[0]]  # (B,)
    return vectors[losses.topk(n, largest=False).indices]


def grow(
    model: GPT, text: Tensor, vectors: Tensor, *, patience: int, states: States = after_prefix
) -> Grown:
    """Return how much of `text` (N,) the model can be made to say from `vectors` (B, k, C).

    No more is asked for than the block holds. It ends when all is said, or after `patience` steps
    for the same length.
    """
    N = min(len(text), limit(model, vectors.shape[1], states))
    vectors, best = vectors.detach().clone(), vectors.detach().clone()
    lengths = torch.zeros(len(vectors), dtype=torch.long, device=vectors.device)
    lead = torch.full((len(vectors),), float("inf"), device=vectors.device)
    n, waited, steps = 0, 0, 0
    while True:
        gaps = _gaps(model, text[:N], states(model, text[:N], vectors))  # (B, N)
        runs = _runs(gaps)
        longer = runs > lengths
        best = torch.where(longer[:, None, None], vectors, best)
        lengths = torch.where(longer, runs, lengths)
        outside = torch.arange(N, device=gaps.device) >= runs[:, None]
        least = gaps.masked_fill(outside, float("inf")).amin(dim=1)
        lead = torch.where(longer, least, lead)
        if int(runs.max()) >= n:
            n, waited, damping = min(N, int(runs.max()) + 1), 0, torch.full_like(lead, DAMPING)
        if int(lengths.max()) == N or waited >= patience:
            return Grown(vectors=best, lengths=lengths, gaps=lead, asked=n, steps=steps)
        asked = partial(states, model, text[:n])
        rivals = _Rivals(model, text[:n], asked(vectors))
        for _ in range(LOOK_EVERY):
            vectors, reached, damping = _step(rivals, asked, vectors, damping)
            waited, steps = waited + 1, steps + 1
            if bool((_runs(rivals.fit(reached).gaps) == n).any()):
                break


def _step(
    rivals: _Rivals, asked: Callable[[Tensor], Tensor], vectors: Tensor, damping: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return vectors, their states and damping after a step: a restart refuses to go uphill."""
    inputs = vectors.detach().requires_grad_(True)
    with torch.enable_grad():
        states = asked(inputs)  # (B, n, C)
    fit = rivals.fit(states.detach())
    wrong = (fit.short > 0).any(dim=0).nonzero().flatten().tolist()  # m of the n
    if not wrong:
        return vectors, states.detach(), damping
    rows = []
    for i in wrong:
        (row,) = torch.autograd.grad(states[:, i], inputs, fit.slopes[:, i], retain_graph=True)
        rows.append(row.flatten(1))
    slopes = torch.stack(rows, dim=1).double()  # (B, m, k C)
    square = slopes @ slopes.transpose(1, 2)  # (B, m, m)
    scale = square.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30) * damping.double()
    # A row of zeros, of a token right in this restart, asks for nothing.
    damped = square + scale[:, None, None] * torch.eye(len(wrong), device=scale.device).double()
    weights = torch.linalg.solve(damped, fit.short[:, wrong].double())  # (B, m)
    move = -(weights[:, None] @ slopes).view_as(vectors).to(vectors)
    with torch.no_grad():
        reached = asked(vectors + move)
    taken = rivals.fit(reached).cost < fit.cost
    changed = torch.where(taken, damping / 4, damping * 8).clamp(LEAST_DAMPING, MOST_DAMPING)
    here = taken[:, None, None]
    return (
        torch.where(here, vectors + move, vectors),
        torch.where(here, reached, states.detach()),
        changed,
    )
