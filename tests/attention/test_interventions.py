"""Causes: parts that add up, interventions that do what they say, and a planted truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from looking_glass.attention.agreement import measure
from looking_glass.attention.patterns import rank_correlations, trace
from looking_glass.attention.cause_tables import measure_table
from looking_glass.attention.attribution import (
    carried,
    direct,
    direct_constant,
    interval,
    overlap,
    parts_of,
    provenance,
    top_agreement,
)
from looking_glass.report.prose.choice import explain_measures
from looking_glass.gpt.loss import mean_loss
from looking_glass.attention.interventions import (
    choose,
    knock_outs,
    loss_without,
    matched_tokens,
    replacements,
    single,
)
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from tests.conftest import make_model

CONTEXTS = torch.tensor([[3, 60, 8, 11, 5], [9, 9, 1, 70, 2]])


def test_the_parts_of_a_logit_add_up_to_it() -> None:
    model = make_model()
    tokens = CONTEXTS[0]
    parts = parts_of(model, tokens)
    assert len(parts.names) == len(parts.values) == 2 + 2 * (2 + 1 + 1)
    logits = model(tokens[None])[0, -1]
    for target in (0, 41, 96):
        total = direct(model, parts, parts.values, target).sum() + direct_constant(model, target)
        assert float(total) == pytest.approx(float(logits[target]), abs=1e-4)


def test_what_heads_carry_from_their_sources_adds_up_to_what_they_add() -> None:
    model = make_model()
    parts = parts_of(model, CONTEXTS[0])
    for block, moved in enumerate(parts.moved):
        for head in range(2):
            place = parts.names.index(f"block {block + 1}, head {head + 1}")
            assert torch.allclose(moved[head].sum(dim=0), parts.values[place], atol=1e-5)
        all_heads = moved.sum(dim=0)  # (T, C)
        assert torch.allclose(carried(parts, block, single(5)), all_heads)
        word = carried(parts, block, [(1, 4)])
        assert torch.allclose(word[0], all_heads[1:4].sum(dim=0), atol=1e-6)


def test_a_head_without_output_carries_nothing_and_costs_nothing() -> None:
    model = make_model()
    with torch.no_grad():  # the second head of the first block
        model.transformer.blocks[0].attn.c_proj.weight[:, 4:] = 0
    assert (parts_of(model, CONTEXTS[0]).moved[0][1] == 0).all()
    effects = knock_outs(model, choose(model, CONTEXTS), [0], head=1)
    assert effects.abs().max() < 1e-5
    assert knock_outs(model, choose(model, CONTEXTS), [0], head=0).abs().max() > 1e-4


@pytest.mark.parametrize("blocks", [[0], [1], [0, 1]])
def test_a_knock_out_is_the_loss_of_one_edge_at_the_last_position(blocks: list[int]) -> None:
    model = make_model()
    choices = choose(model, CONTEXTS)
    effects = knock_outs(model, choices, blocks)
    for index, context in enumerate(CONTEXTS):
        plain = model(context[None])[0, -1].log_softmax(-1)
        assert int(choices.chosen[index]) == int(plain.argmax())
        for source in range(5):
            removed = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
            removed[..., -1, source] = True
            logits = trace(model, context[None], dict.fromkeys(blocks, removed)).logits[0, -1]
            expected = (plain - logits.log_softmax(-1))[choices.chosen[index]]
            assert float(effects[index, source]) == pytest.approx(float(expected), abs=1e-4)


def test_a_word_is_knocked_out_with_all_of_its_tokens() -> None:
    model = make_model()
    choices = choose(model, CONTEXTS)
    spans = [(0, 1), (1, 4), (4, 5)]
    effects = knock_outs(model, choices, [1], sources=spans)
    assert effects.shape == (2, 3)
    removed = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    removed[..., -1, 1:4] = True
    logits = trace(model, CONTEXTS[:1], {1: removed}).logits[0, -1]
    expected = choices.log_probs[0] - logits.log_softmax(-1)[choices.chosen[0]]
    assert float(effects[0, 1]) == pytest.approx(float(expected), abs=1e-5)
    assert abs(float(effects[0, 1])) > 1e-4
    assert torch.allclose(effects[:, 0], knock_outs(model, choices, [1])[:, 0], atol=1e-6)


def test_a_replacement_is_another_token_in_the_same_place() -> None:
    model = make_model()
    matched = (torch.arange(97) + 1) % 97
    choices = choose(model, CONTEXTS)
    effects = replacements(model, choices, matched)
    for index, context in enumerate(CONTEXTS):
        chosen = int(choices.chosen[index])
        for source in range(5):
            changed = context.clone()
            changed[source] += 1
            logits = model(changed[None])[0, -1]
            best_rival = max(float(x) for i, x in enumerate(logits) if i != chosen)
            expected = float(choices.margins[index]) - (float(logits[chosen]) - best_rival)
            assert float(effects[index, source]) == pytest.approx(expected, abs=1e-4)


def test_a_token_is_matched_within_its_kind_by_frequency() -> None:
    counts = torch.tensor([10, 9, 50, 48, 0, 7])
    kinds = ["a", "b", "a", "b", "a", "c"]
    matched = matched_tokens(counts, kinds).tolist()
    assert matched[0] == 4, "10 and 0 of its kind are nearer than 10 and 50"
    assert matched[2] == 0
    assert matched[3] == 1
    assert matched[5] == 1, "alone in its kind: the nearest of any"
    assert all(other != token for token, other in enumerate(matched))


SOURCE = 2


@pytest.fixture(scope="module")
def copier() -> tuple[GPT, Tensor]:
    """A model trained to repeat the third token of its context at the end, and contexts."""
    torch.manual_seed(1)
    model = GPT(GPTConfig(vocab_size=20, block_size=8, n_layer=2, n_head=2, n_embd=32))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(800):
        tokens = torch.randint(20, (64, 8))
        loss = F.cross_entropy(model(tokens)[:, -1], tokens[:, SOURCE])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.requires_grad_(False).eval()
    contexts = torch.randint(20, (100, 8))
    assert (model(contexts)[:, -1].argmax(-1) == contexts[:, SOURCE]).float().mean() > 0.97
    return model, contexts


def test_a_planted_source_is_ranked_first_by_every_measure(copier: tuple[GPT, Tensor]) -> None:
    model, contexts = copier
    choices = choose(model, contexts)
    pattern = torch.stack(choices.patterns).mean(dim=2)  # (blocks, N, T)
    block = int(pattern[..., SOURCE].mean(dim=1).argmax())  # the one that carries the token over
    measured = measure(model, choices, block, (torch.arange(20) + 1) % 20)
    assert len(measured) == 6
    for name, effects in measured.items():
        if name != "attention":
            found = (effects.argmax(dim=1) == SOURCE).float().mean()
            assert found > 0.95, (name, found)


def test_the_reports_sentence_names_the_planted_source(copier: tuple[GPT, Tensor]) -> None:
    model, contexts = copier
    choices = choose(model, contexts[:1])
    pattern = torch.stack(choices.patterns).mean(dim=2)  # (blocks, 1, T)
    block = int(pattern[..., SOURCE].mean(dim=1).argmax())
    measured = measure(model, choices, block, (torch.arange(20) + 1) % 20)
    words = ["the", "rule", "planted", "is", "not", "one", "of", "these"]
    text = explain_measures(measure_table(measured, measured, words))
    assert text.startswith("Every measure names “planted” as the word that mattered most: by ")
    # Where another source is said to be the cause, so is the sentence.
    measured["direct"] = -measured["direct"]
    text = explain_measures(measure_table(measured, measured, words))
    assert "Every measure" not in text
    assert "“planted” by removing it from this block's attention (" in text


def test_rank_correlation_is_spearmans() -> None:
    a = torch.tensor([[1.0, 2, 3, 4], [1, 1, 2, 3], [5, 5, 5, 5]])
    b = torch.tensor([[10.0, 20, 30, 5], [3, 3, 2, 1], [1, 2, 3, 4]])
    found = rank_correlations(a, b)
    assert found[:2].tolist() == pytest.approx([-0.2, -1.0])
    assert math.isnan(found[2])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_rank_correlation_is_that_of_numpy_on_ranks(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.permutation(n), rng.permutation(n)
    found = rank_correlations(torch.tensor(a)[None].float(), torch.tensor(b)[None].float())
    assert float(found[0]) == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_an_interval_holds_the_mean_and_skips_what_is_undefined() -> None:
    mean, low, high = interval(torch.tensor([1.0, 3.0, math.nan]))
    assert mean == 2
    assert (low, high) == pytest.approx((2 - 1.96, 2 + 1.96))
    assert math.isnan(interval(torch.tensor([1.0]))[1])


def test_agreement_and_overlap_by_hand() -> None:
    a = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    b = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.9, 0.1]])
    assert top_agreement(a, b).tolist() == [0.0, 1.0]
    assert overlap(a, b).tolist() == pytest.approx([0.75, 0.9])


def test_leaving_a_part_out_is_the_loss_without_it_and_puts_it_back() -> None:
    model = make_model()
    tokens = np.arange(60, dtype=np.uint16) * 7 % 97
    before = mean_loss(model, tokens)
    for part in ("attn", "mlp"):
        assert loss_without(model, tokens, 1, part) != pytest.approx(before, abs=1e-4)
    assert mean_loss(model, tokens) == before
    with torch.no_grad():
        mlp = model.transformer.blocks[0].mlp.c_proj
        mlp.weight.zero_()
        mlp.bias.zero_()
    assert loss_without(model, tokens, 0, "mlp") == pytest.approx(mean_loss(model, tokens))


def test_provenance_is_the_longest_end_of_the_context_in_the_text() -> None:
    text = np.array([1, 2, 3, 4, 9, 2, 3, 5, 7, 3, 5], dtype=np.uint16)
    found = provenance([8, 2, 3], text)
    assert found.length == 2
    assert found.counts == {4: 1, 5: 1}
    assert provenance([1, 2, 3], text).counts == {4: 1}
    assert provenance([3], text).counts == {5: 2, 4: 1}
    nowhere = provenance([66], text)
    assert nowhere.length == 0
    assert sum(nowhere.counts.values()) == len(text) - 1


def test_provenance_never_reads_over_the_start() -> None:
    text = np.array([5, 5, 5], dtype=np.uint16)
    assert provenance([5, 5, 5, 5], text).length == 2
