"""Input vectors that take the last LayerNorm to given states, in direction and in length.

Let stream(u) be what enters the last LayerNorm at a position whose input vector is u, whatever the
earlier positions hold. A state z of the ball of `looking_glass.inversion.ceiling` asks for

    stream(u) = t z,    t² = ε / (1 - ‖z‖² / C),

since the LayerNorm then divides by t. Every such equation has a solution. Each block reads
LayerNorms, so stream(u) - u is continuous and bounded: u → t z - (stream(u) - u) takes a large
enough ball into itself, and has a fixed point there (Brouwer).

At the ball's edge t grows without bound, and a long u = t z is a solution nearly as it stands: only
its direction counts. Inside, t is of the order of √ε, and the vector has to cancel what the blocks
add to it; it is solved for, position by position (Levenberg 1944, Marquardt 1963). The loss is not
looked at in either case.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from looking_glass.gpt.model import GPT

LONG = 1e4  # times a state of the edge: against it, what the blocks add is nothing
EDGE = 1e-6  # a state is inside where its length is short of the radius by more than this share
STARTS = (0.2, 1.0, 5.0, 25.0, 0.05)  # deviations of the vectors that solving starts from
STEPS = 60  # from each
SOLVED = 1e-6  # how far the stream may be from the one wanted, as a share of √(C ε)
LOOSEST = 1e12  # damping at which a step is no step
# A step takes C passes, forth and back, in float64. Of a model with more than this many weights in
# its blocks times C, hundreds of steps would take hours: the states inside are left unsolved there.
MOST_WORK = 5_000_000_000


@dataclass(frozen=True, kw_only=True)
class Aimed:
    """Vectors made for n states, one a position, and how many could be aimed at in full."""

    vectors: Tensor  # (1, n, C), as the model's own embeddings are
    inside: int  # states inside the ball, whose length has to be met too
    solved: int | None  # of these, those for which an input was found; None: it was not tried


def aim(model: GPT, points: Tensor) -> Aimed:
    """Return inputs that take the last LayerNorm to `points` (n, C), one after the other.

    A state inside for which nothing was found gets the long vector of its direction, and so does
    each in a model that is too large for solving: see `MOST_WORK`.
    """
    eps, C = model.transformer.ln_f.eps, points.shape[1]
    stream = copy.deepcopy(model).cpu().double()
    stream.transformer.ln_f = nn.Identity()  # type: ignore[assignment]
    points = points.cpu().double()
    positions = stream.transformer.wpe.weight[: len(points)].detach()
    vectors = LONG * points - positions
    fullness = points.square().sum(dim=1) / C
    inside = (fullness < (1 - EDGE) ** 2).nonzero().flatten().tolist()
    solvable, solved = is_solvable(model), 0
    for index in inside if solvable else []:
        wanted = points[index] * math.sqrt(eps / (1 - float(fullness[index])))
        found = _solve(stream, vectors[:index], wanted, within=SOLVED * math.sqrt(C * eps))
        if found is not None:
            vectors[index] = found
            solved += 1
    made = vectors.to(model.transformer.wpe.weight)[None]
    return Aimed(vectors=made, inside=len(inside), solved=solved if solvable else None)


def is_solvable(model: GPT) -> bool:
    """Return whether inputs can be solved for in minutes: see `MOST_WORK`."""
    config = model.config
    return 12 * config.n_layer * config.n_embd**3 <= MOST_WORK


def _solve(stream: GPT, before: Tensor, wanted: Tensor, *, within: float) -> Tensor | None:
    """Return the input after `before` (i, C) at which the stream is `wanted` (C,), or None.

    `stream` is a model without its last LayerNorm, in float64.
    """
    generator = torch.Generator().manual_seed(0)  # a numerical method's start, no experiment
    for deviation in STARTS:
        u = deviation * torch.randn(len(wanted), generator=generator, dtype=torch.double)
        damping = 1e-2
        reached, slopes = _linearised(stream, before, u)
        distance = float((wanted - reached).norm())
        for _ in range(STEPS):
            square = slopes.t() @ slopes  # (C, C)
            damped = square + damping * square.diagonal().mean() * torch.eye(len(u)).double()
            step = torch.linalg.solve(damped, slopes.t() @ (wanted - reached))
            with torch.no_grad():
                there = _last(stream, before, (u + step)[None])[0]
            if float((wanted - there).norm()) < distance:
                u, damping = u + step, max(damping / 5, 1e-15)
                reached, slopes = _linearised(stream, before, u)
                distance = float((wanted - reached).norm())
            else:
                damping *= 4
            if distance <= within:
                return u
            if damping > LOOSEST:
                break
    return None


def _linearised(stream: GPT, before: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return the stream at the last position, (C,), and its slopes by the input u, (C, C)."""
    inputs = u.expand(len(u), -1).clone().requires_grad_(True)
    with torch.enable_grad():
        there = _last(stream, before, inputs)  # (C, C): one row as often as it has channels
        (slopes,) = torch.autograd.grad(there.diagonal().sum(), inputs)
    return there[0].detach(), slopes


def _last(stream: GPT, before: Tensor, inputs: Tensor) -> Tensor:
    """Return the stream at the last position for each of `inputs` (B, C) after `before`: (B, C)."""
    x = torch.cat([before.expand(len(inputs), -1, -1), inputs[:, None]], dim=1)  # (B, i + 1, C)
    return stream.hidden(x)[:, -1]
