"""The highest probability that any input whatever can give a token, with proof.

The output layer reads h = γ ⊙ z + β, where the last LayerNorm makes z from what comes before it:

    z = (x - mean x) / √(var x + ε),    so    Σ z = 0    and    ‖z‖² = C var x / (var x + ε) < C.

Whatever the blocks do, z thus lies in a ball: the vectors of mean zero shorter than √C. Over that
ball the log-probability of token v,

    f(z) = wᵥ·h - log Σᵤ exp(wᵤ·h),

is concave, being linear less a log-sum-exp of linear functions. Two bounds on its maximum follow
from any one point z of the ball:

    lower   f(z), since z is in the ball
    upper   f(z) + max over z' in the ball of ∇f(z)·(z' - z) = f(z) + √C ‖P ∇f(z)‖ - ∇f(z)·z,

the second because a concave function lies under its tangents; P takes the mean away, and the
maximum is where z' points along the gradient (the gap of Frank and Wolfe 1956). Climbing makes
them meet. A token of few or no occurrences has a short row wᵥ, and so a low ceiling.

Whether a state makes v the argmax is asked of the same function with all logits multiplied by a
sharpness τ. Where the climb ends at a z whose largest logit is v's, one does. Wherever v's is the
largest, f is at least -log V at any τ: an upper bound below that proves that none does. As τ
grows, one or the other is found.

These are statements on states, and the upper bound holds for every input. Which inputs lead to the
best states, `looking_glass.inversion.aiming` says.

Sources: Demeter, Kimmel, Downey 2020, Stolen Probability; Grivas, Bogoychev, Lopez 2022, Low-Rank
Softmax Can Have Unargmaxable Classes in Theory but Rarely in Practice (who prove it by linear
programs, over all directions and without the ball).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT

TOLERANCE = 1e-3  # nats between the bounds at which a climb may end
MOST_STEPS = 1500
SHARPER = (4.0, 16.0, 64.0, 256.0)  # what the logits are multiplied by in search of an argmax


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """Bounds on the log-probability of n tokens over all inputs, in nats; and the best states."""

    lower: Tensor  # (n,)
    upper: Tensor  # (n,)
    can_be_argmax: list[bool | None]  # at some state of the ball; None: neither was shown
    points: Tensor  # (n, C): z that attain `lower`, float64

    @property
    def lowest_loss(self) -> float:
        """What the mean loss of the n tokens cannot go below, in nats/token."""
        return 0.0 - float(self.upper.mean())  # not its negative: that of 0 prints as -0


class Ball:
    """The last LayerNorm's possible outputs, and the logits that the output layer makes of them."""

    def __init__(self, model: GPT, dtype: torch.dtype) -> None:
        """Take the output layer of a GPT-2, on the CPU."""
        norm = model.transformer.ln_f
        rows = model.lm_head.weight.detach().cpu().to(dtype)  # (V, C)
        scaled = rows * norm.weight.detach().cpu().to(dtype)
        # z has mean zero: what all channels of a row share adds nothing. Without it the gradient
        # stays in the hyperplane by itself.
        self.rows = scaled - scaled.mean(dim=1, keepdim=True)  # (V, C)
        self.bias = rows @ norm.bias.detach().cpu().to(dtype)  # (V,)
        self.radius = math.sqrt(rows.shape[1])

    def logits(self, z: Tensor) -> Tensor:
        """Return the logits of states (n, C): (n, V)."""
        return torch.addmm(self.bias, z, self.rows.t())

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest points of the ball, a rounding error inside it: (n, C) → (n, C)."""
        norms = z.norm(dim=1, keepdim=True)
        nearest: Tensor = z * (self.radius * (1 - 1e-7) / norms.clamp(min=1e-12)).clamp(max=1)
        return nearest

    def height(self, z: Tensor, tokens: Tensor, sharpness: float) -> Tensor:
        """Return log softmax(sharpness · logits)[token] of each state: (n,)."""
        logits = self.logits(z).mul_(sharpness)
        own = logits.gather(1, tokens[:, None]).squeeze(1)
        return own - logits.logsumexp(dim=1)

    def tangent(self, z: Tensor, tokens: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
        """Return the height at z, (n,), and its gradient, (n, C)."""
        logits = self.logits(z).mul_(sharpness)
        own = logits.gather(1, tokens[:, None]).squeeze(1)
        total = logits.logsumexp(dim=1)
        probs = logits.sub_(total[:, None]).exp_()
        return own - total, sharpness * (self.rows[tokens] - probs @ self.rows)

    def upper_bound(self, z: Tensor, height: Tensor, gradient: Tensor) -> Tensor:
        """Return the highest point over the ball of the tangent at z: (n,). z may lie outside."""
        highest: Tensor = height + self.radius * gradient.norm(dim=1) - (gradient * z).sum(dim=1)
        return highest

    def lead(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Return by how much each token's logit exceeds the best other one at its state: (n,)."""
        logits = self.logits(z)
        at = tokens[:, None]
        own = logits.gather(1, at).squeeze(1)
        lead: Tensor = own - logits.scatter(1, at, -math.inf).amax(dim=1)
        return lead


@torch.no_grad()
def climb(ball: Ball, tokens: Tensor, start: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
    """Return the best states found, and the points with the lowest tangents: two of (n, C).

    Accelerated projected gradient, each token with a step of its own, which shrinks when it went
    too far, and a fresh start of its momentum when that led down. Source: Beck & Teboulle 2009;
    O'Donoghue & Candès 2015, Adaptive Restart for Accelerated Gradient Schemes.
    """
    best, lowest = start.clone(), start.clone()
    lower = ball.height(start, tokens, sharpness)
    upper = torch.full_like(lower, math.inf)
    z, y = start.clone(), start.clone()
    norms = ball.rows.norm(dim=1)
    step = (sharpness * norms[tokens].clamp(min=norms.mean() / 10 + 1e-6)) ** -2
    momentum = torch.ones_like(lower)
    for _ in range(MOST_STEPS):
        height, gradient = ball.tangent(y, tokens, sharpness)
        bound = ball.upper_bound(y, height, gradient)
        closer = bound < upper
        upper, lowest = torch.where(closer, bound, upper), torch.where(closer[:, None], y, lowest)
        if bool(((upper - lower) < TOLERANCE * max(1.0, sharpness)).all()):
            break
        new = ball.project(y + step[:, None] * gradient)
        reached = ball.height(new, tokens, sharpness)
        move = new - y
        promised = height + (gradient * move).sum(1) - move.square().sum(1) / (2 * step)
        taken = reached >= promised - 1e-5 * (1 + height.abs())
        higher = taken & (reached > lower)
        lower, best = torch.where(higher, reached, lower), torch.where(higher[:, None], new, best)
        grown = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        astray = (gradient * (new - z)).sum(1) < 0
        carry = torch.where(astray, 0.0, (momentum - 1) / grown)
        y = torch.where(taken[:, None], new + carry[:, None] * (new - z), y)
        z = torch.where(taken[:, None], new, z)
        momentum = torch.where(taken, torch.where(astray, 1.0, grown), momentum)
        step = torch.where(taken, 1.1 * step, 0.5 * step)
    return best, lowest


@torch.no_grad()
def ceilings(model: GPT, tokens: Tensor) -> Ceilings:
    """Return the ceiling of each of `tokens` (n,): climbed in float32, proved in float64."""
    distinct, place = torch.unique(tokens.cpu(), return_inverse=True)
    ball, exact = Ball(model, torch.float32), Ball(model, torch.float64)
    rows = ball.rows[distinct] - ball.rows.mean(dim=0)
    start = F.normalize(rows, dim=1) * 0.9 * ball.radius  # zero where a row is the mean itself
    best, lowest = climb(ball, distinct, start, 1.0)
    points = exact.project(best.double())
    lower = exact.height(points, distinct, 1.0)
    upper = exact.upper_bound(lowest.double(), *exact.tangent(lowest.double(), distinct, 1.0))
    upper = upper.clamp(max=0.0)  # of a probability no more is needed

    can: list[bool | None] = [True if lead > 0 else None for lead in exact.lead(points, distinct)]
    for sharpness in SHARPER:
        open_ = [index for index, known in enumerate(can) if known is None]
        if not open_:
            break
        left, state = distinct[open_], best[open_]
        state, lowest = climb(ball, left, state, sharpness)
        best[open_] = state
        leads = exact.lead(exact.project(state.double()), left)
        tangent = exact.tangent(lowest.double(), left, sharpness)
        bounds = exact.upper_bound(lowest.double(), *tangent)
        for index, lead, bound in zip(open_, leads, bounds, strict=True):
            if lead > 0:
                can[index] = True
            elif bound < -math.log(len(ball.rows)):
                can[index] = False
    return Ceilings(
        lower=lower[place],
        upper=upper[place],
        can_be_argmax=[can[index] for index in place.tolist()],
        points=points[place],
    )
