"""Models that choose for a known reason, and the contexts in which they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.attention.contexts import Case
from looking_glass.attention.measures import Measures, measure_cases
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.yardstick.run import all_values
from tests.helpers.cases import COMPUTE, case_of

VOCAB = 20
LENGTH = 8  # tokens of a context, each a word of its own
STEPS, BATCH = 400, 32
Lesson = Callable[[], tuple[Tensor, Tensor]]  # contexts (BATCH, LENGTH), targets of their last

SOURCE = 2  # the place of the token that the copying model repeats

# The weighing model says YES or NO. FOR speaks for YES where it stands at PLACE and nowhere else;
# AGAINST speaks against it wherever it stands.
YES, NO, FOR, AGAINST, ASK = range(5)
PLACE, AGAINST_AT, AGAIN = 2, 4, 5  # in `weighed_cases`; AGAIN is where FOR stands a second time


def trained(lesson: Lesson) -> GPT:
    """Return a small model of two blocks that has learned `lesson`."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = GPT(GPTConfig(vocab_size=VOCAB, block_size=LENGTH, n_layer=2, n_head=2, n_embd=32))
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        for _ in range(STEPS):
            tokens, targets = lesson()
            loss = F.cross_entropy(model(tokens)[:, -1], targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.requires_grad_(False).eval()


def copying() -> tuple[Tensor, Tensor]:
    """Return contexts of any tokens, and the one at `SOURCE`."""
    tokens = torch.randint(VOCAB, (BATCH, LENGTH))
    return tokens, tokens[:, SOURCE]


def weigher() -> GPT:
    """Return the weighing model, written by hand.

    Channels: 0 to 7 tell the position, 8 to 27 the token, 28 what the first block's MLP finds, FOR
    at PLACE, and 29 the verdict. The second block's last row attends to what it found and to
    AGAINST, and takes the one as it is and the other with a minus.
    """
    config = GPTConfig(
        vocab_size=VOCAB, block_size=LENGTH, n_layer=2, n_head=2, n_embd=32, tie_weights=False
    )
    model = GPT(config).requires_grad_(False).eval()
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
    token, found, verdict = LENGTH, 28, 29
    places, tokens = torch.arange(LENGTH), torch.arange(VOCAB)
    model.transformer.wpe.weight[places, places] = 4.0
    model.transformer.wte.weight[tokens, tokens + token] = 4.0
    # After the LayerNorm a channel that is on is 3.9, any other -0.3: both on are over 5.4.
    first, second = model.transformer.blocks
    first.attn.c_attn.bias[0] = 1.0  # this row of attention brings nothing, but looks at AGAINST
    first.attn.c_attn.weight[32, token + AGAINST] = 0.5
    first.mlp.c_fc.weight[0, [token + FOR, PLACE]] = 2.0
    first.mlp.c_fc.bias[0] = -11.0
    first.mlp.c_proj.weight[found, 0] = 1.0
    for head in (0, 16):
        second.attn.c_attn.bias[head] = 2.0  # query
        second.attn.c_attn.weight[32 + head, [found, token + AGAINST]] = 1.2  # key
        second.attn.c_attn.weight[64 + head, found] = 1.0  # value
        second.attn.c_attn.weight[64 + head, token + AGAINST] = -1.0
        second.attn.c_proj.weight[verdict, head] = 1.0
    model.lm_head.weight[:, token + ASK] = -2.0
    model.lm_head.weight[[YES, NO]] = 0.0
    model.lm_head.weight[[YES, NO], verdict] = torch.tensor([1.0, -1.0])
    return model


def weighed_cases(model: GPT, n: int) -> list[Case]:
    """Return cases of YES with FOR at `PLACE` and `AGAIN`, AGAINST between them, others by chance.

    FOR at PLACE is a cause, AGAINST a negative one; all the rest is none.
    """
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(ASK + 1, VOCAB, (n, LENGTH), generator=generator)
    tokens[:, [PLACE, AGAIN]] = FOR
    tokens[:, AGAINST_AT] = AGAINST
    tokens[:, -1] = ASK
    return [case_of(model, one, chosen=YES) for one in tokens]


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What there is to know of thirty choices of the weighing model."""

    model: GPT
    cases: list[Case]
    matched: Tensor  # (VOCAB,): other tokens that say nothing; none for ASK
    values: dict[str, Tensor]  # as from `all_values`
    measured: Measures


def weigh() -> Weighed:
    """Return the weighing model and what is measured of its choices."""
    model = weigher()
    cases = weighed_cases(model, 30)
    matched = torch.arange(VOCAB)
    matched[ASK + 1 :] = matched[ASK + 1 :].roll(1)
    matched[[FOR, AGAINST]] = matched[[ASK + 1, ASK + 2]]
    return Weighed(
        model=model,
        cases=cases,
        matched=matched,
        values=all_values(model, cases, matched, COMPUTE),
        measured=measure_cases(model, cases, matched, COMPUTE),
    )
