"""Tokens that differ by a number alone, and a softmax that takes many of them at once.

Nothing in a text tells two tokens of one form apart that it does not have. Their rows in the output
layer may then be the same but for a number that each bears in binary, in the last channels: plus
`STEP` for a one, minus `STEP` for a zero. So each can be told from the others, each can lead them
all, and yet the sum over 2^k of them whose k lowest digits run through all their values is
a product: with h the hidden state and l the logit of what they have in common,

    Σ over all signs of exp(l + Σ ± STEP h_j)  =  exp(l) Π 2 cosh(STEP h_j).

That is exact. n siblings are as many such runs as n has ones in binary. A table of which no rows
are siblings is summed row by row.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import double

CHANNELS = 16  # the last ones, for numbers below 2^16: more than GPT-2 has tokens
STEP = 0.15
ROWS = 1024  # of the output layer worked on at once: their logits stay in the processor's cache
ROUNDING = 1e-6  # by how much float32 may move a row from where its number puts it


def numbered(numbers: Tensor, counts: Tensor) -> Tensor:
    """Return what tells tokens apart, `numbers` (N,) of each among `counts` (N,): (N, CHANNELS).

    Digits that none of so many siblings needs are zero: an only child's row is left as it is.
    """
    digits = torch.arange(CHANNELS, device=numbers.device)
    signs = 2.0 * ((numbers[:, None] >> digits) % 2) - 1
    return STEP * signs * (2**digits < counts[:, None])


class OutputLayer:
    """The rows (V, C) of an output layer, made ready for the softmax after many states."""

    def __init__(self, weight: Tensor) -> None:
        """Look for siblings among the rows of `weight` (V, C), which must not change after that."""
        self.weight = weight.detach()
        self.runs = _runs_of_siblings(self.weight)  # k: (R, C), what runs of 2^k have in common

    @torch.no_grad()
    def log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return log p of a target after each output of the last LayerNorm: (N, C) → (N,), float64.

        `targets` (N,) are tokens. It is -log Σ exp(l - l_target) over all logits l, some rows at a
        time. Where a target is so improbable that float32 cannot hold the sum, each state's largest
        logit is taken off first.
        """
        logits = (hidden * self.weight[targets]).sum(dim=1)  # (N,)
        total = torch.zeros_like(double(logits))
        signs = 2 * torch.cosh(STEP * double(hidden[:, -CHANNELS:]))  # (N, CHANNELS)
        for k, rows in self.runs.items():
            part = torch.zeros_like(total)
            for some in torch.split(rows, ROWS):
                # In place: a fresh tensor for each step would cost as much time as the exponential.
                part += double(torch.addmm(-logits[:, None], hidden, some.T).exp_().sum(dim=1))
            total += part * signs[:, :k].prod(dim=1)
        found = -total.log()
        lost = ~found.isfinite()
        if bool(lost.any()):
            log_probs = double(hidden[lost] @ self.weight.T).log_softmax(dim=1)
            found[lost] = log_probs.gather(1, targets[lost, None].to(found.device))[:, 0]
        return found

    @torch.no_grad()
    def log_prob_gradients(self, hidden: Tensor, target: int) -> Tensor:
        """Return the gradient of log p(target) at each output of the last LayerNorm: (N, C).

        `hidden` (N, C) are those outputs.

        The row of `target` less the mean of all rows, each weighted by its token's probability.
        """
        sent = STEP * hidden[:, -CHANNELS:]  # (N, CHANNELS): what a digit adds to a logit
        signs = (2 * torch.cosh(sent)).log()
        place = hidden.shape[1] - sent.shape[1]
        logits = [
            hidden @ rows.T + signs[:, :k].sum(dim=1)[:, None] for k, rows in self.runs.items()
        ]
        probs = torch.cat(logits, dim=1).softmax(dim=1)  # (N, R)
        mean, start = torch.zeros_like(hidden), 0
        for k, rows in self.runs.items():
            share = probs[:, start : start + len(rows)]
            mean += share @ rows
            # The mean of a digit over its two values, as often as each is chosen.
            digits = STEP * torch.tanh(sent[:, :k]) * share.sum(dim=1, keepdim=True)
            mean[:, place : place + k] += digits
            start += len(rows)
        return self.weight[target] - mean


State = tuple[int, int]  # of a tensor: where it lies, and how often it was written to
_MADE: WeakKeyDictionary[GPT, tuple[State, OutputLayer]] = WeakKeyDictionary()


def output_layer(model: GPT) -> OutputLayer:
    """Return the model's output layer, made ready once for as long as its weight stays the same."""
    weight = model.lm_head.weight
    state = (weight.data_ptr(), weight._version)  # as autograd tells whether a tensor has changed
    made = _MADE.get(model)
    if made is None or made[0] != state:
        made = (state, OutputLayer(weight))
        _MADE[model] = made
    return made[1]


def _runs_of_siblings(weight: Tensor) -> dict[int, Tensor]:
    """Return what each run of 2^k siblings has in common, by k: (R, C). Single rows have k = 0."""
    if weight.shape[1] <= CHANNELS:
        return {0: weight}
    device, weight = weight.device, weight.cpu()
    family = _families(weight[:, :-CHANNELS])  # (V,)
    counts = family.bincount()  # (F,)
    if len(counts) == len(weight):
        return {0: weight.to(device)}
    order = family.argsort(stable=True)  # siblings side by side, in the order of their ids
    first = counts.cumsum(0) - counts  # (F,): where each family starts in it
    of = family[order]
    number = torch.arange(len(weight)) - first[of]
    sound = torch.ones_like(counts, dtype=torch.bool)
    for some in torch.split(torch.arange(len(weight)), ROWS):
        lead = first[of[some]]
        apart = weight[order[some]] - weight[order[lead]]
        told = [numbered(number[place], counts[of[some]]) for place in (some, lead)]
        apart[:, -CHANNELS:] -= told[0] - told[1]  # nothing is left of what numbers explain
        strays = apart.abs().amax(dim=1) > ROUNDING
        sound[of[some[strays]]] = False
    found = {0: [weight[order[~sound[of]]]]}
    for k in range(int(counts.max()).bit_length()):
        has_run = ((counts >> k) % 2 == 1) & sound
        # A run's numbers have the count's digits above k, and a 0 at k, where the count has a 1.
        start = first[has_run] + (counts[has_run] >> (k + 1) << (k + 1))
        members = order[start[:, None] + torch.arange(2**k)]  # (R, 2^k)
        found.setdefault(k, []).append(weight[members].mean(dim=1))
    return {k: torch.cat(rows).to(device) for k, rows in found.items() if sum(map(len, rows))}


def _families(rows: Tensor) -> Tensor:
    """Return a number for each row, the same for rows that are the same bit by bit: (V,).

    Rows of one number may differ after all, if hardly ever: it is a hash's.
    """
    factors = torch.randint(2**62, rows.shape[1:], generator=torch.Generator().manual_seed(0))
    hashes = [  # some rows at a time: as integers they take twice the memory
        (some.contiguous().view(torch.int32) * factors).sum(dim=1)
        for some in torch.split(rows, ROWS)
    ]
    found: Tensor = torch.unique(torch.cat(hashes), return_inverse=True)[1]
    return found
