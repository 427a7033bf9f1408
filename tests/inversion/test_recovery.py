"""The tokens that a model read, from what it made of them."""

from __future__ import annotations

import math

import pytest
import torch

from looking_glass.gpt.model import GPT
from looking_glass.inversion import recovery
from looking_glass.inversion.recovery import (
    Recovered,
    recover,
    recover_from_log_probs,
    states_of,
)
from looking_glass.pipeline.errors import InputError
from tests.helpers.models import make_model

TOKENS = torch.tensor([3, 60, 8, 8, 41, 96, 0, 17])
LAYERS = 3


@pytest.fixture
def deep() -> GPT:
    return make_model(n_embd=32, n_layer=LAYERS)


def held(found: Recovered, vocab_size: int = 97) -> None:
    """Hold what was found to the tokens, and to have been told apart from all that was tried."""
    assert found.tokens == TOKENS.tolist()
    assert max(found.distances) <= recovery.SAME < min(found.next_best)
    assert all(1 <= n <= vocab_size for n in found.tried)


@pytest.mark.parametrize("n_blocks", range(LAYERS + 1))
def test_the_tokens_are_read_off_the_states_after_any_block(deep: GPT, n_blocks: int) -> None:
    held(recover(deep, states_of(deep, TOKENS, n_blocks), n_blocks=n_blocks))


def test_from_the_right_row_either_guess_puts_its_token_first(deep: GPT) -> None:
    walk = recovery._Walk(deep, LAYERS, None)
    for token, state in zip(TOKENS, states_of(deep, TOKENS, LAYERS), strict=True):
        row = deep.transformer.wte.weight[token]
        for guess in (recovery._far_by_position, recovery._far_by_slope):
            assert int(guess(walk, row, state).argmin()) == int(token)
        walk.stream(row[None], keep=True)


def test_by_slope_a_step_along_the_slopes_is_as_far_as_it_is(deep: GPT) -> None:
    walk = recovery._Walk(deep, LAYERS, None)
    with torch.no_grad():
        deep.transformer.wte.weight[:] *= 1e-3  # rows so near to each other that blocks are linear
        here = deep.transformer.wte.weight.mean(dim=0)
        reached = walk.seen(deep.transformer.wte.weight)
    seen = reached[60]
    expected = (reached - seen).norm(dim=1)
    assert expected.median() > 1e-3, "far above what is allowed for"
    torch.testing.assert_close(
        recovery._far_by_slope(walk, here, seen), expected, rtol=0.05, atol=1e-4
    )


def test_a_stream_is_found_behind_what_is_seen_of_it(deep: GPT) -> None:
    output, stream = recovery._Output(deep), torch.randn(32)
    torch.testing.assert_close(
        output.behind(output.of(stream[None])[0], stream), stream, rtol=1e-3, atol=1e-3
    )


def test_the_states_are_those_of_the_model(deep: GPT) -> None:
    states = states_of(deep, TOKENS, LAYERS)
    last = deep.hidden(deep.embed(TOKENS)[None])[0]
    assert torch.allclose(deep.transformer.ln_f(states), last, atol=1e-5)


@pytest.mark.parametrize("tie", [True, False])
def test_the_tokens_are_read_off_the_distributions_alone(*, tie: bool) -> None:
    model = make_model(n_embd=32, n_layer=LAYERS, tie_weights=tie)
    held(recover_from_log_probs(model, model(TOKENS[None])[0].log_softmax(dim=-1)))


def test_the_embeddings_take_one_guess_and_no_more(deep: GPT) -> None:
    found = recover(deep, states_of(deep, TOKENS, 0), n_blocks=0)
    assert found.tried == [recovery.OFFERED] * len(TOKENS)


def test_where_every_guess_is_wrong_all_tokens_are_tried(
    deep: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = states_of(deep, TOKENS, 2)
    for guess in ("_far_by_position", "_far_by_slope"):  # the right one comes last by each
        monkeypatch.setattr(recovery, guess, lambda walk, here, seen: right_last(walk.length))
    monkeypatch.setattr(recovery, "BATCH", 4)
    found = recover(deep, states, n_blocks=2)
    held(found)
    assert min(found.tried) > (recovery.BY_POSITION + recovery.BY_SLOPE) * recovery.OFFERED


def right_last(position: int) -> torch.Tensor:
    return (torch.arange(97) == TOKENS[position]).float()


def test_states_of_no_sequence_are_refused(deep: GPT) -> None:
    with pytest.raises(InputError, match=r"\(T, 32\) numbers .* got \(3, 8\)"):
        recover(deep, torch.zeros(3, 8), n_blocks=1)
    with pytest.raises(InputError, match="T at most 16"):
        recover(deep, torch.zeros(17, 32), n_blocks=1)
    with pytest.raises(InputError, match="finite numbers"):
        recover_from_log_probs(deep, torch.full((2, 97), -math.inf))
