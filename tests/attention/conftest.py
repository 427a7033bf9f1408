"""A sentence as a model saw it, and choices whose cause was planted."""

from __future__ import annotations

import pytest
import torch

from looking_glass.attention.continuation import continue_prompt
from looking_glass.attention.measures import Measures, measure_cases, of_block
from looking_glass.attention.traced import TracedSentence, trace_sentence
from looking_glass.gpt.model import GPT
from looking_glass.text.reader import Reader
from tests.helpers.cases import COMPUTE, case_of
from tests.helpers.models import make_model
from tests.helpers.planted import LENGTH, SOURCE, VOCAB, copying, trained

# Ten words, of one to many tokens.
PROMPT = 'A “squirrel” said: walnuts,  acorns; 🐿️ and "why not" tea?'


@pytest.fixture(scope="session")
def model() -> GPT:
    """A small model with the real vocabulary."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_model(vocab_size=50_257, block_size=48)


@pytest.fixture(scope="session")
def traced(model: GPT, tokenizer: Reader) -> TracedSentence:
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
    model = trained(copying)
    generator = torch.Generator().manual_seed(1)
    contexts = torch.randint(VOCAB, (100, LENGTH), generator=generator)
    cases = [case_of(model, context) for context in contexts]
    chosen = torch.cat([case.choices.chosen for case in cases])
    assert (chosen == contexts[:, SOURCE]).float().mean() > 0.97
    matched = (torch.arange(VOCAB) + 1) % VOCAB
    measured = measure_cases(model, cases, matched, COMPUTE)
    carries = int(measured["attention"][..., SOURCE].mean(dim=0).argmax())
    return of_block(measured, carries), SOURCE
