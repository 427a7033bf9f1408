"""The tokens that a model read, from its hidden states; and from the distributions it gave.

A position's state hangs on its own token and on those before it, and no two tokens are known to
lead to the same one. So tokens are found one after the other: with those before it kept as keys and
values, a candidate is right where it leads to the state that was seen. To try the V tokens in any
order takes (V + 1) / 2 of them on average. Two guesses put the right one among the first:

    by position   a token's row, its position and what the blocks add make the state: the first
                  candidates have the rows nearest to the state less position, less what the blocks
                  add to the best row so far (at first to the mean of all)
    by slope      the first candidates would be nearest to the state if the blocks were linear,
                  with their slopes at the best row so far (Newton)

Where no guess is right, every token left is tried: none is missed. Source: Nikolaou et al. 2025,
Language Models are Injective and Hence Invertible (SipIt).

What is seen may also be the distributions of the next token alone. Log-probabilities less their
mean over the vocabulary are the centred output rows times the last state h,

    log p - mean = R h,    R = Q S Uᵀ (V × C),    so that    Qᵀ (log p - mean) = S Uᵀ h,

C numbers in which distances are those of the logits, however little some channels of h count there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT, Attend
from looking_glass.pipeline.errors import InputError

OFFERED = 8  # candidates of a guess
BY_POSITION, BY_SLOPE = 2, 8  # guesses of either kind, at most
BATCH = 512  # candidates side by side, when all are tried
SAME = 1e-4  # of the length of what is seen: rounding moves it by a tenth of this or less


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """The tokens found for T positions, and how: distances are shares of what is seen's length."""

    tokens: list[int]  # (T,)
    tried: list[int]  # (T,) candidates whose state was computed
    distances: list[float]  # (T,) of the token that was taken
    next_best: list[float]  # (T,) of the nearest one that was tried and not taken


class _Output:
    """The last LayerNorm and the output layer, in C numbers in place of V."""

    def __init__(self, model: GPT) -> None:
        self.norm = model.transformer.ln_f
        rows = model.lm_head.weight.double()
        self.rows = rows - rows.mean(dim=0)
        squares, self.turn = torch.linalg.eigh(self.rows.t() @ self.rows)  # (C,), (C, C)
        self.lengths = squares.clamp(min=1e-9 * float(squares.max())).sqrt()

    def of(self, stream: Tensor) -> Tensor:
        """Return what is seen of a stream: (M, C) → (M, C)."""
        mix = (self.turn * self.lengths).to(stream)
        out: Tensor = self.norm(stream) @ mix
        return out

    def of_log_probs(self, log_probs: Tensor) -> Tensor:
        """Return what is seen of distributions: (T, V) → (T, C)."""
        # The centred rows take the mean of the log-probabilities away.
        seen: Tensor = ((log_probs.double() @ self.rows @ self.turn) / self.lengths).to(log_probs)
        return seen

    def behind(self, seen: Tensor, stream: Tensor) -> Tensor:
        """Return a stream that would be seen so, its mean and deviation those of `stream`."""
        hidden = (self.turn @ (seen.double() / self.lengths)).to(stream)
        z = (hidden - self.norm.bias) / self.norm.weight
        found: Tensor = stream.mean() + (stream.var(correction=0) + self.norm.eps).sqrt() * z
        return found


class _Walk:
    """A model that is shown candidates for one position at a time, those before it known."""

    def __init__(self, model: GPT, n_blocks: int, output: _Output | None) -> None:
        config = model.config
        self.model, self.output = model, output
        self.blocks = model.transformer.blocks[:n_blocks]
        shape = (1, config.n_head, 0, config.n_embd // config.n_head)
        like = model.transformer.wte.weight
        self.keys = [like.new_empty(shape) for _ in self.blocks]
        self.values = [like.new_empty(shape) for _ in self.blocks]
        self.squares = like.square().sum(dim=1)  # (V,)
        self.length = 0

    def stream(self, x: Tensor, *, keep: bool = False) -> Tensor:
        """Return the stream after the blocks for each embedding: (M, C) → (M, C).

        With `keep` there is one, and it is what later positions see here.
        """
        x = self.model.residual_input(x[:, None], self.length)  # (M, 1, C)
        for index, block in enumerate(self.blocks):
            x = block(x, self._attend(index, keep=keep))
        self.length += keep
        return x[:, 0]

    def _attend(self, index: int, *, keep: bool) -> Attend:
        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            M = len(query)
            keys = torch.cat([self.keys[index].expand(M, -1, -1, -1), key], dim=2)
            values = torch.cat([self.values[index].expand(M, -1, -1, -1), value], dim=2)
            if keep:
                self.keys[index], self.values[index] = keys, values
            return F.scaled_dot_product_attention(query, keys, values)

        return attend

    def seen(self, x: Tensor) -> Tensor:
        """Return what would be seen of each embedding: (M, C) → (M, C)."""
        stream = self.stream(x)
        return stream if self.output is None else self.output.of(stream)


def states_of(model: GPT, tokens: Tensor, n_blocks: int) -> Tensor:
    """Return the stream after the first `n_blocks` blocks: (T,) → (T, C)."""
    x = model.residual_input(model.embed(tokens)[None])
    for block in model.transformer.blocks[:n_blocks]:
        x = block(x)
    return x[0]


@torch.no_grad()
def recover(model: GPT, states: Tensor, *, n_blocks: int) -> Recovered:
    """Return the tokens that led to `states` (T, C), the stream after the first `n_blocks` blocks.

    Raises `InputError` when they are no states of one sequence of the model's.
    """
    _check(model, states, model.config.n_embd)
    return _recover(_Walk(model, n_blocks, None), states)


@torch.no_grad()
def recover_from_log_probs(model: GPT, log_probs: Tensor) -> Recovered:
    """Return the tokens after which the model gave these distributions of the next: (T, V), nats.

    Raises `InputError` when they are no distributions of one sequence of the model's.
    """
    _check(model, log_probs, model.config.vocab_size)
    output = _Output(model)
    walk = _Walk(model, model.config.n_layer, output)
    return _recover(walk, output.of_log_probs(log_probs))


def _check(model: GPT, seen: Tensor, width: int) -> None:
    most = model.config.block_size
    if seen.ndim != 2 or seen.shape[1] != width or len(seen) > most:
        raise InputError(
            f"recovering tokens: (T, {width}) numbers with T at most {most} are required, got "
            f"{tuple(seen.shape)}: give those of one sequence"
        )
    if not torch.isfinite(seen).all():
        raise InputError(
            "recovering tokens: finite numbers are required, got NaN or infinity: a probability "
            "of 0 says nothing of a logit"
        )


def _recover(walk: _Walk, seen: Tensor) -> Recovered:
    embed, found = walk.model.embed, []
    for one in seen:
        found.append(_find(walk, one))
        walk.stream(embed(torch.tensor([found[-1][0]], device=seen.device)), keep=True)
    columns = [list(column) for column in zip(*found, strict=True)] or [[], [], [], []]
    return Recovered(
        tokens=columns[0], tried=columns[1], distances=columns[2], next_best=columns[3]
    )


def _find(walk: _Walk, seen: Tensor) -> tuple[int, int, float, float]:
    """Return the next token, how many were tried, its distance, and that of the next best."""
    table = walk.model.transformer.wte.weight  # (V, C)
    far = torch.full((len(table),), float("inf"), device=table.device)  # of what was tried
    here = table.mean(dim=0)
    for guess in range(BY_POSITION + BY_SLOPE):
        by = _far_by_position if guess < BY_POSITION else _far_by_slope
        order = by(walk, here, seen).masked_fill(far.isfinite(), float("inf"))  # (V,)
        left = int(far.isinf().sum())
        _try(walk, seen, order.topk(min(OFFERED, left), largest=False).indices, far)
        here = table[int(far.argmin())]
        if float(far.min()) <= SAME or left <= OFFERED:
            break
    else:
        for candidates in torch.split(far.isinf().nonzero().flatten(), BATCH):
            _try(walk, seen, candidates, far)
            if float(far.min()) <= SAME:
                break
    two = far.topk(min(2, len(far)), largest=False)
    tried = int(far.isfinite().sum())
    return int(two.indices[0]), tried, float(two.values[0]), float(two.values[-1])


def _try(walk: _Walk, seen: Tensor, candidates: Tensor, far: Tensor) -> None:
    """Write into `far` (V,) how far from `seen` each of `candidates` (M,) leads, as a share."""
    reached = walk.seen(walk.model.embed(candidates))  # (M, C)
    far[candidates] = (reached - seen).norm(dim=1) / seen.norm()


def _far_by_position(walk: _Walk, here: Tensor, seen: Tensor) -> Tensor:
    """Return how far each row is from what `seen` asks for, the blocks adding what they do `here`.

    In squares, of which all have the same taken away: (V,).
    """
    stream = walk.stream(here[None])[0]
    wanted = seen if walk.output is None else walk.output.behind(seen, stream)
    rows = walk.model.transformer.wte.weight
    return walk.squares - 2 * (rows @ (here + wanted - stream))  # less what all have in common


def _far_by_slope(walk: _Walk, here: Tensor, seen: Tensor) -> Tensor:
    """Return how far from `seen` (C,) each token would lead if the blocks were linear: (V,)."""
    inputs = here.expand(len(here), -1).clone().requires_grad_(True)  # (C, C)
    with torch.enable_grad():
        reached = walk.seen(inputs)
        (slopes,) = torch.autograd.grad(reached.diagonal().sum(), inputs)  # (C out, C in)
    missing = seen - reached[0].detach()
    rows = walk.model.transformer.wte.weight
    distances: Tensor = ((rows - here) @ slopes.t() - missing).norm(dim=1)
    return distances
