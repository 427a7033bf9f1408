"""A sentence as a model saw it, and a choice whose cause was planted."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from looking_glass.attention.choices import choose
from looking_glass.attention.continuation import continue_prompt
from looking_glass.attention.measures import Measures, in_order, measure_block, measure_model
from looking_glass.attention.traced import TracedSentence, trace_sentence
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.models import make_model

# Ten words, of one to many tokens.
PROMPT = 'A “squirrel” said: walnuts,  acorns; 🐿️ and "why not" tea?'
SOURCE = 2  # the token of its context that the copying model repeats


@pytest.fixture(scope="session")
def model() -> GPT:
    """A small model with the real vocabulary."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_model(vocab_size=50_257, block_size=48)


@pytest.fixture(scope="session")
def traced(model: GPT, tokenizer: Tokenizer) -> TracedSentence:
    """How it sees a sentence of whose words some have many tokens."""
    found = trace_sentence(model, tokenizer, continue_prompt(model, tokenizer, PROMPT))
    assert found.words[:10] == PROMPT.split()
    assert [word.stop - word.start for word in found.sentence.words][:10] != [1] * 10
    return found


@pytest.fixture(scope="session")
def planted() -> tuple[Measures, int]:
    """Measures of what a model trained to repeat one token of its context chose, and which one.

    They are of the block that carries the token over.
    """
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = GPT(GPTConfig(vocab_size=20, block_size=8, n_layer=2, n_head=2, n_embd=32))
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(800):
            tokens = torch.randint(20, (64, 8))
            loss = F.cross_entropy(model(tokens)[:, -1], tokens[:, SOURCE])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        contexts = torch.randint(20, (100, 8))
    model.requires_grad_(False).eval()
    choices = choose(model, contexts)
    assert (choices.chosen == contexts[:, SOURCE]).float().mean() > 0.97
    pattern = torch.stack(choices.patterns).mean(dim=2)  # (blocks, N, T)
    block = int(pattern[..., SOURCE].mean(dim=1).argmax())
    matched = (torch.arange(20) + 1) % 20
    measured = in_order(
        measure_block(model, choices, block), measure_model(model, choices, matched)
    )
    return measured, SOURCE
